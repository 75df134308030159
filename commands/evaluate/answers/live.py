"""Asks every side that is deployed: streamed, timed, a few questions at a time, kept at once.

Latency is what a question takes while `Live.workers` of that side are under way, and as many of
every other side: the load is the same for all, and none is asked alone.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue

from commands.evaluate.answers.asking import Manner, ask, warm_up
from commands.evaluate.answers.pace import Pace
from commands.evaluate.answers.progress import Progress, live_progress
from commands.evaluate.asked import Asked, Live
from core.errors import CloudError, Interrupted, UserError
from deploy.talking.asking import Line
from evaluation.cases import Case, Decoding
from evaluation.sides import Side
from evaluation.store import AnswerStore

HOPELESS = 3
"""Questions that a side may refuse before it has answered any."""
BREAKS = 500
"""The status of a question at which the program behind the endpoint breaks; others may pass."""
LEAVING_SECONDS = 2.0
"""How long those under way are waited for once it has been stopped."""
STOPPED = "Stopped: nobody is asked any more. What is deployed stands on, and costs as before."


@dataclass
class _Asking:
    """A side while it is asked: its lines, and what has come."""

    side: Side
    missing: list[Case]
    total: int
    lines: list[Line]
    manner: Manner
    answered: int = 0
    refusals: list[UserError] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def collect_live(
    asked: Sequence[Asked],
    cases: Sequence[Case],
    decoding: Decoding,
    store: AnswerStore,
    progress: Progress | None = None,
) -> tuple[str, ...]:
    """Ask all live sides what the store lacks; every answer is in the store as soon as it is there.

    A question that the content filter blocks is answered by an empty, filtered reply; one that a
    side refuses otherwise stays without a reply, and the notes that come back say so. A busy side
    is waited for, and the others with it.

    Raises:
        UserError: a side takes no such questions.
        CloudError: a side does not answer any more. What has come is kept.
        Interrupted: the person stopped it. What has come is kept.
    """
    sides = [_begun(one, cases, decoding, store) for one in asked if isinstance(one.way, Live)]
    sides = [one for one in sides if one.missing]
    if not sides:
        return ()
    try:
        _warm_up(sides)
        if progress is not None:
            _ask_all(sides, cases, store, progress)
        else:
            with live_progress() as shown:
                _ask_all(sides, cases, store, shown)
    except UserError as error:
        raise _with_what_is_kept(error, sides) from error
    finally:
        for line in (line for one in sides for line in one.lines):
            line.close()
    return _told(sides, store)


def _begun(asked: Asked, cases: Sequence[Case], decoding: Decoding, store: AnswerStore) -> _Asking:
    assert isinstance(asked.way, Live)
    missing = store.missing(asked.side, decoding, cases)
    total = len({case.id for case in cases})
    lines = [asked.way.open() for _ in range(min(asked.way.workers, len(missing)))]
    return _Asking(asked.side, missing, total, lines, Manner(decoding), total - len(missing))


def _warm_up(sides: Sequence[_Asking]) -> None:
    """Open every connection, so that no side's first answers are measured with it."""

    def warm(one: _Asking) -> None:
        try:
            for line in one.lines:
                warm_up(line, one.manner)
        except UserError as error:
            raise _of(one.side, error) from error

    with ThreadPoolExecutor(len(sides)) as pool:
        list(pool.map(warm, sides))


def _ask_all(
    sides: Sequence[_Asking], cases: Sequence[Case], store: AnswerStore, progress: Progress
) -> None:
    """Ask with a thread for each line; the first error ends it."""
    missing = {one.side.name: [case.id for case in one.missing] for one in sides}
    pace = Pace(cases, missing, ahead=max(len(one.lines) for one in sides))
    ends: SimpleQueue[BaseException | None] = SimpleQueue()

    def work(one: _Asking, line: Line) -> None:
        try:
            _work(one, line, pace, store, progress)
            ends.put(None)
        except BaseException as error:  # noqa: BLE001 - raised where the person waits
            ends.put(error)

    # Daemons: who presses Ctrl-C does not wait for an answer that takes minutes.
    threads = [
        threading.Thread(target=work, args=(one, line), name=f"ask {one.side.name}", daemon=True)
        for one in sides
        for line in one.lines
    ]
    for one in sides:
        progress(one.side.name, one.answered, one.total)
    try:
        for thread in threads:
            thread.start()
        for _ in threads:
            if (error := ends.get()) is not None:
                raise error
    except KeyboardInterrupt as stopped:
        raise Interrupted(STOPPED) from stopped
    finally:
        pace.stop()
        _let_end(threads)


def _let_end(threads: Sequence[threading.Thread]) -> None:
    """Give what is under way a moment to be kept; more than that nobody waits for."""
    deadline = time.monotonic() + LEAVING_SECONDS
    for thread in threads:
        if thread.ident is not None:
            thread.join(max(0.0, deadline - time.monotonic()))


def _work(one: _Asking, line: Line, pace: Pace, store: AnswerStore, progress: Progress) -> None:
    while (case := pace.next(one.side.name)) is not None:
        try:
            reply = ask(line, one.side, case, one.manner)
        except UserError as refusal:
            if isinstance(refusal, CloudError) and refusal.status != BREAKS:
                raise _of(one.side, refusal) from refusal
            _refused(one, refusal)
            continue
        store.add(reply)
        with one.lock:
            one.answered += 1
            progress(one.side.name, one.answered, one.total)


def _refused(one: _Asking, refusal: UserError) -> None:
    """Take down a refusal.

    Raises:
        UserError: the side refuses everything.
    """
    with one.lock:
        one.refusals.append(refusal)
        answered_now = one.answered - (one.total - len(one.missing))
        if not answered_now and len(one.refusals) >= HOPELESS:
            raise _of(one.side, refusal) from refusal


def _told(sides: Sequence[_Asking], store: AnswerStore) -> tuple[str, ...]:
    """Give what a reader of the answers has to know."""
    notes = []
    for one in sides:
        if one.manner.refused:
            names = " and ".join(one.manner.refused)
            note = f"{one.side.name} takes no {names}: there its own default counts."
            store.note(one.side, one.manner.decoding, note)
            notes.append(note)
        if one.refusals:
            many = len(one.refusals)
            told = f"{many} questions, which stay" if many > 1 else "1 question, which stays"
            notes.append(
                f"{one.side.name} refused {told} without a reply; the first: {one.refusals[0]}"
            )
    return tuple(notes)


def _of(side: Side, error: UserError) -> UserError:
    """Name the side in an error."""
    told = f"{side.name}: {error}"
    if isinstance(error, CloudError):
        return error.retold(told, "")
    return type(error)(told, hint=error.hint)


def _with_what_is_kept(error: UserError, sides: Sequence[_Asking]) -> UserError:
    """Add how many answers are kept, and that the same command goes on."""
    kept = ", ".join(f"{one.side.name} {one.answered} of {one.total}" for one in sides)
    error.hint = (
        f"{error.hint} Answers that are kept: {kept}. The same command asks only what is missing."
    ).strip()
    return error
