"""An evaluation from names to numbers: who answers, what is asked, what is still missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.markup import escape

from commands.evaluate.answers.live import collect_live
from commands.evaluate.answers.on_node import collect_on_node
from commands.evaluate.answers.same_load import asked_apart
from commands.evaluate.answers.saved import collect_saved
from commands.evaluate.asked import Asked, Live, OnNode, Saved
from commands.evaluate.foreseen import too_few
from commands.evaluate.held_out import held_out
from commands.evaluate.sides.resolving import resolve
from commands.output import say
from commands.session import Session
from core.home import home
from evaluation.cases import Case, Decoding
from evaluation.gates.gate import Gate
from evaluation.numbers.measuring import measure
from evaluation.replies import Reply
from evaluation.results import Evaluation, Source
from evaluation.store import AnswerStore
from evaluation.suites.suite import Suite


@dataclass(frozen=True)
class Order:
    """What a person asked for."""

    names: tuple[str, ...]
    """Sides; the first is the reference."""
    suite: Suite
    suite_text: str
    data: Path | None = None
    """None: the validation data of the training."""
    limit: int | None = None
    """Cases at most, 0 for all; None: as the suite says."""
    live: bool = False
    cluster: str = ""
    max_cost: float | None = None
    yes: bool = False
    gate: Gate | None = None
    """What will be held against it; who asks too few cases for it is told before."""


def evaluated(session: Session, order: Order) -> Evaluation:
    """Ask every side what is not known of it yet, and measure.

    Raises:
        SettingsError: a name, the data or the price is not as it must be; nothing was sent.
        JobFailed, CloudError: a side did not answer; what came is kept, and asked no more.
    """
    asked = resolve(session, order.names, live=order.live)
    cases, source, notes = held_out(session, asked, order.data, order.suite, order.limit)
    store = AnswerStore(home() / "answers")
    tell(order, asked, cases, store)
    more = collect(session, order, asked, cases, store)
    return measured(session, order, asked, cases, source, (*notes, *more), store)


def measured(
    session: Session,
    order: Order,
    asked: Sequence[Asked],
    cases: Sequence[Case],
    source: Source,
    notes: Sequence[str],
    store: AnswerStore,
) -> Evaluation:
    """Measure what the store has of these sides; `notes` come before those of the measuring."""
    decoding = order.suite.decoding
    given = {one.side.name: replies(store, one, decoding, cases) for one in asked}
    found = measure(
        order.suite,
        order.suite_text,
        cases,
        [one.side for one in asked],
        given,
        data=source,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        stack=session.stack,
        decoding=decoding,
    )
    kept = (note for one in asked for note in store.notes(one.side, decoding))
    apart = asked_apart([one.side.name for one in asked], given)
    told = dict.fromkeys((*notes, *kept, *apart, *found.notes))
    return found.model_copy(update={"notes": tuple(told)})


def collect(
    session: Session,
    order: Order,
    asked: Sequence[Asked],
    cases: Sequence[Case],
    store: AnswerStore,
) -> tuple[str, ...]:
    """Bring every answer that is missing into the store, by each side's own way.

    What comes back is what a reader of the answers has to know.
    """
    decoding = order.suite.decoding
    for one in asked:
        if isinstance(one.way, Saved):
            collect_saved(one, cases, decoding, store)
    on_node = [one for one in asked if isinstance(one.way, OnNode)]
    if on_node:
        collect_on_node(
            session, on_node, cases, decoding, store,
            yes=order.yes, max_cost=order.max_cost, cluster=order.cluster,
        )  # fmt: skip
    live = [one for one in asked if isinstance(one.way, Live)]
    return collect_live(live, cases, decoding, store)


def replies(
    store: AnswerStore, asked: Asked, decoding: Decoding, cases: Sequence[Case]
) -> dict[str, Reply]:
    """Give what a side has answered, by the case's id."""
    return store.replies(asked.side, decoding, cases)


def tell(order: Order, asked: Sequence[Asked], cases: Sequence[Case], store: AnswerStore) -> None:
    """Say what is asked of whom, what is known already, and what the gate will miss anyway."""
    safety = sum(case.kind == "safety" for case in cases)
    count = f"{len(cases)} question{'s' if len(cases) != 1 else ''}"
    if safety:
        count += f": {len(cases) - safety} chats and {safety} safety prompts of the suite"
    say(escape(f"{', '.join(one.side.name for one in asked)} are asked {count}."))
    for one in asked:
        if isinstance(one.way, Saved):
            continue
        left = len(store.missing(one.side, order.suite.decoding, cases))
        there = len(cases) - left
        if there:
            told = f"{left} to come" if left else "so it is not asked again"
            say(escape(f"{one.side.name}: {there} answers are kept from before, {told}."))
    for caution in too_few(order.gate, cases) if order.gate else ():
        say(f"[yellow]{escape(caution)}[/yellow]")
