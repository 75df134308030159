"""A managed job's checkpoints, asked one after another: each is deployed, asked and taken down.

What serves the tuned model or the base already is asked where it stands and left as it was. Other
deployments are this module's own: their names begin with a mark of the job, so that whatever a
kill leaves is found by the next run, and goes before anything else. Answers are kept by what
decides them - model and filter, not the deployment's name - so that nothing is asked twice.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from rich.markup import escape

from commands import pricing
from commands.evaluate.answers.live import collect_live
from commands.evaluate.asked import Asked
from commands.evaluate.held_out import held_out
from commands.evaluate.running import Order, measured
from commands.evaluate.sides.managed import deployment_side
from commands.evaluate.sides.places import Places
from commands.grants import naming_missing_grants
from commands.managed.deploying import RULE, hosting_text
from commands.managed.options import CAPACITY, HostingChoices
from commands.managed.ordering import orders_for
from commands.output import confirm, say, shortened
from commands.session import Session
from core import managed_prices
from core.errors import PrerequisiteError, UserError
from core.home import home
from deploy.managed.contract import Hosted, HostedOrder, Hosting
from deploy.managed.hostings import hostings
from evaluation.cases import Case, Decoding
from evaluation.results import Evaluation
from evaluation.sides import Side
from evaluation.store import AnswerStore
from training.managed.contract import ManagedJob, TunedModel, TuningService
from training.managed.text_tokens import example_tokens

MARK = "bake-off"
"""How names of deployments begin that stand for a bake-off alone."""


@dataclass(frozen=True)
class Contender:
    """A state of the model, or its base."""

    asked: Asked
    """Its side; its way leads to what stands, or nowhere yet."""
    order: HostedOrder
    """What would have to be deployed."""
    is_standing: bool
    """It answers already, and stays when we go."""


def managed_bake_off(
    session: Session, service: TuningService, job: ManagedJob, order: Order
) -> Evaluation:
    """Ask a job's base, its checkpoints from the earliest on, and its model.

    Raises:
        UserError: the service keeps no checkpoints, or this job has none.
        SettingsError: its tokens would cost more than was allowed.
        PrerequisiteError: quota or a model stops it; nothing was sent.
        CloudError: Azure refused, or somebody does not answer; what came is kept.
    """
    hosting = next(
        one for one in hostings(session.cloud, session.outputs) if one.route == service.route
    )
    mark = mark_of(job)
    standing = hosting.deployments()
    leftovers = [one.name for one in standing if one.name.startswith(mark)]
    those = [one for one in standing if one.name not in leftovers]
    contenders = _contenders(session, service, job, hosting, mark, those)
    store, decoding = AnswerStore(home() / "answers"), order.suite.decoding
    asked = [one.asked for one in contenders]
    cases, source, notes = held_out(session, asked, order.data, order.suite, order.limit)
    missing = [one for one in contenders if store.missing(one.asked.side, decoding, cases)]
    _settle(session, hosting, missing, cases, decoding, order)
    _remove(hosting, leftovers)
    more = [note for one in missing
            for note in _ask(session, hosting, one, cases, decoding, store)]  # fmt: skip
    return measured(session, order, asked, cases, source, (*notes, *more), store)


def mark_of(job: ManagedJob) -> str:
    """Give how the names of a job's trial deployments begin."""
    return f"{MARK}-{hashlib.sha256(job.name.encode()).hexdigest()[:8]}-"


def _contenders(
    session: Session,
    service: TuningService,
    job: ManagedJob,
    hosting: Hosting,
    mark: str,
    standing: Sequence[Hosted],
) -> list[Contender]:
    """List the base, the checkpoints from the earliest on, and the job's model."""
    show = f"tunestack jobs checkpoints {job.name}"
    if not job.is_over and job.status != "Paused":
        raise UserError(f"The job {job.name} is {job.status}: it has not ended.", hint=show)
    kept = sorted(service.checkpoints(job.name), key=lambda one: one.step)
    models = [model for model in service.models() if model.job == job.name]
    if not kept or not models:
        raise UserError(f"{job.name}: {service.no_checkpoints}.", hint=show)
    base = HostedOrder(f"{mark}base", models[0].base, serves="base", sku="GlobalStandard",
                       capacity=CAPACITY)  # fmt: skip
    named = [("base", base)]
    for checkpoint in kept:
        order = _order(session, models[0], checkpoint.model, f"{mark}{checkpoint.step}")
        named.append((f"{job.name}@{checkpoint.step}", order))
    if job.tuned:
        named.append(("tuned", _order(session, models[0], job.tuned, f"{mark}tuned")))
    places = Places(session)
    return [_contender(places, name, order, hosting, standing) for name, order in named]


def _order(session: Session, model: TunedModel, path: str, name: str) -> HostedOrder:
    choices = HostingChoices(name=name)
    return orders_for(model, path, session.outputs.project, choices, standing=())[0]


def _contender(
    places: Places, name: str, order: HostedOrder, hosting: Hosting, standing: Sequence[Hosted]
) -> Contender:
    serving = [one for one in standing if one.is_ready and one.is_of(order.model, order.serves)]
    hosted = serving[-1] if serving else _planned(order, hosting)
    asked = deployment_side(places, name, (hosting, hosted))
    identity = {
        "scope": places.scope,
        "model": hosted.model,
        "serves": hosted.serves,
        "filter": hosted.content_filter or places.session.outputs.content_filter,
    }
    # Made anew: a copy would keep the key that the other identity had.
    side = Side.model_validate({**asked.side.model_dump(), "identity": identity})
    return Contender(Asked(side, asked.way), order, bool(serving))


def _planned(order: HostedOrder, hosting: Hosting) -> Hosted:
    return Hosted(
        name=order.name, route=hosting.route, model=order.model, serves=order.serves,
        state="planned", sku=order.sku, capacity=order.capacity,
        content_filter=order.content_filter, per_hour=hosting.per_hour(order),
    )  # fmt: skip


def _settle(
    session: Session,
    hosting: Hosting,
    missing: Sequence[Contender],
    cases: Sequence[Case],
    decoding: Decoding,
    order: Order,
) -> None:
    """Check quota and cost, say what is going to be done, and ask.

    The cost is that of the tokens: how long a trial stands is not known before.
    """
    orders = [one.order for one in missing if not one.is_standing]
    _require_room(session, hosting, orders)
    costs = [_most(one, cases, decoding) for one in missing]
    known = [cost for cost in costs if cost is not None]
    most = sum(known) if len(known) == len(costs) else None
    pricing.check_max_cost(
        order.max_cost, most, "what is asked, every answer as long as allowed,",
        [f"{one.asked.side.name}: {pricing.dollars(cost)}"
         for one, cost in zip(missing, costs, strict=True)],
        instead="Ask fewer (--limit), or allow more.",
    )  # fmt: skip
    if not missing:
        return
    for each in orders:
        say(
            f"{escape(shortened(each.model))} is deployed as {escape(each.name)} ({each.sku}),"
            f" asked, and taken down again: {hosting_text(hosting.per_hour(each))}"
        )
    limit = "what is not known here" if most is None else f"at most {pricing.dollars(most)}"
    by_hour = "; the hours of hosting come on top" if any(map(hosting.per_hour, orders)) else ""
    say(f"{len(cases)} questions to each of {len(missing)} cost {limit}, in tokens{by_hour}.")
    confirm("Begin the bake-off?", yes=order.yes or session.is_rehearsal)


def _require_room(session: Session, hosting: Hosting, orders: Sequence[HostedOrder]) -> None:
    # Each by itself: one goes before the next comes.
    found = dict.fromkeys(text for each in orders for text in hosting.findings([each]))
    if found:
        raise PrerequisiteError(
            "The bake-off has not begun, and nothing was sent:\n" + "\n".join(found),
            hint=f"tunestack status --stack {session.stack} lists what stands ({RULE}).",
        )


def _most(one: Contender, cases: Sequence[Case], decoding: Decoding) -> float | None:
    """Give USD if every answer is as long as allowed; None where the price is not known."""
    base = one.order.base or one.order.model
    price = managed_prices.inference(base, one.order.sku)
    if price is None:
        return None
    read = sum(example_tokens({"messages": case.asked()}) for case in cases)
    written = decoding.max_tokens * len(cases)
    return (read * price.read.per_million + written * price.written.per_million) / 1e6


def _ask(
    session: Session,
    hosting: Hosting,
    one: Contender,
    cases: Sequence[Case],
    decoding: Decoding,
    store: AnswerStore,
) -> tuple[str, ...]:
    if one.is_standing:
        return collect_live([one.asked], cases, decoding, store)
    with _deployed(session, hosting, one.order) as hosted:
        way = deployment_side(Places(session), one.asked.side.name, (hosting, hosted)).way
        return collect_live([replace(one.asked, way=way)], cases, decoding, store)


@contextmanager
def _deployed(session: Session, hosting: Hosting, order: HostedOrder) -> Iterator[Hosted]:
    """Have a model deployed for a while; whatever happens meanwhile, it goes."""
    try:
        with naming_missing_grants(session):
            hosted = hosting.deploy(order, _tell)
        yield hosted
    finally:
        _remove(hosting, [order.name])


def _remove(hosting: Hosting, names: Sequence[str]) -> None:
    for name in names:
        hosting.delete(name, _tell)


def _tell(text: str) -> None:
    say(f"  {escape(text)}")
