"""Carrying an order out at the terminal: its cost, its rules, the question, the deploy itself.

`deploy` and `rollback` both order; what they ask of a person before it costs is the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from rich.markup import escape

from commands import pricing
from commands.endpoint.view import standing
from commands.grants import naming_missing_grants
from commands.output import confirm, say
from commands.preflight import preflight
from commands.session import Session
from core.errors import Interrupted, check_all
from core.facts import Serving
from core.price_list import HOURS_A_MONTH, Quote
from core.refs import EndpointRef, ModelRef
from deploy import sizing
from deploy.endpoint import DeploymentState, EndpointState, require_auth
from deploy.memory import parameters_of
from deploy.releasing.order import DeployOrder
from deploy.releasing.rollout import deploy as deploy_to_endpoint
from deploy.runtimes import choose
from deploy.upkeep.autoscale import read_scaling
from training.models import find_model


@dataclass(frozen=True)
class Consent:
    """What a person has said beforehand about going on."""

    max_cost: float | None = None
    ignored: tuple[str, ...] = ()
    yes: bool = False


def carry_out(
    session: Session,
    order: DeployOrder,
    consent: Consent,
    *,
    with_base: bool = False,
    before: Callable[[], None] = lambda: None,
) -> EndpointRef:
    """Say what an order means and costs, ask, and deploy; `before` is called in between.

    Raises:
        SettingsError: something in the order does not fit, or costs more than was allowed.
        PrerequisiteError: a rule stops it; nothing was sent.
        DeploymentFailed: the container did not get healthy; what served before still does.
    """
    state = standing(session)
    count = order.count(state, _same(state, order))
    quote = pricing.price_list(session, order.vm_size).vm(order.vm_size)
    most = _most(session, order, state, count)
    _check_cost(order, most + with_base, quote, consent.max_cost)
    counts = (count, 1) if with_base else (count,)
    preflight(
        session, "deploy", ignored=consent.ignored, vm_size=order.vm_size,
        serving=_serving(session, order, state, counts),
    )  # fmt: skip
    _say_cost(session, order, counts, quote)
    if most > count:
        say(f"Under load up to {most} instances. {sizing.price(order.vm_size, quote, most)}")
    _say_beside(order, state)
    confirm(f"Deploy {order.model}?", yes=consent.yes or session.is_rehearsal)
    before()
    if with_base:
        order = replace(order, base=_base_of(session, order.model))
    return deploy_model(session, order)


def deploy_model(session: Session, order: DeployOrder) -> EndpointRef:
    """Deploy a model and move the endpoint's traffic to it; say on stderr what happens.

    Raises:
        DeploymentFailed: the container did not get healthy; what served before still does.
        Interrupted: the person stopped it; says what may stand now.
    """
    try:
        with naming_missing_grants(session):
            return deploy_to_endpoint(
                session.cloud,
                session.outputs,
                order,
                progress=lambda text: say(f"  {escape(text)}"),
            )
    except KeyboardInterrupt:
        raise Interrupted(
            "Stopped; what Azure has begun goes on, and a new deployment costs while it stands."
            " What answered before still does.",
            hint=f"The same command goes on; tunestack endpoint show --stack {session.stack} shows"
            " what there is.",
        ) from None


def _base_of(session: Session, model: ModelRef) -> ModelRef:
    """Have the base model of a tuned one as a model of its own, made by a job where it is not."""
    from commands.models.export import exported

    return exported(session, model, "base")


def _serving(
    session: Session, order: DeployOrder, state: EndpointState | None, counts: tuple[int, ...]
) -> Serving:
    tags = find_model(session.cloud, session.outputs, order.model)["tags"]
    check_all(
        lambda: choose(order.runtime, tags, order.vm_size),
        lambda: require_auth(state, order.auth),
    )
    runtime = choose(order.runtime, tags, order.vm_size)
    told = str(order.model)
    return Serving(told, parameters_of(tags), runtime.name, runtime.concurrency, counts)


def _same(state: EndpointState | None, order: DeployOrder) -> DeploymentState | None:
    """Find what stands already for an order, as far as is known before its program is staged."""
    if state is None:
        return None
    wanted = (str(order.model), order.vm_size.lower())
    those = [item for item in state.tuned if (item.model, item.vm_size.lower()) == wanted]
    return those[-1] if those else None


def _most(session: Session, order: DeployOrder, state: EndpointState | None, count: int) -> int:
    """Give how many instances there may come to be, as ordered or as what answers now is scaled."""
    if order.max_instances is not None:
        return max(count, order.max_instances)
    if state is None or state.live is None:
        return count
    found = read_scaling(session.cloud.arm, session.outputs, state.ref.name, state.live.name)
    return max(count, found.high) if found else count


def _check_cost(order: DeployOrder, count: int, quote: Quote | None, limit: float | None) -> None:
    what = f"a month of one {order.vm_size}"
    if count > 1:
        what = f"a month of {count} x {order.vm_size}"
    each = quote.per_hour if quote else None
    pricing.check_max_cost(
        limit,
        None if each is None else each * count * HOURS_A_MONTH,
        what,
        [f"{pricing.dollars(each)} an hour each, {HOURS_A_MONTH} h"],
        instead="Take a smaller --vm-size or fewer --instances, or allow more.",
    )


def _say_cost(
    session: Session, order: DeployOrder, counts: tuple[int, ...], quote: Quote | None
) -> None:
    count, size = counts[0], order.vm_size
    where = "It runs on this machine and costs nothing; on Azure: " if session.is_rehearsal else ""
    on = "one instance" if count == 1 else f"{count} instances"
    price = sizing.price(size, quote, count)
    say(f"Serving [bold]{order.model}[/bold] on {on}. {where}{price}")
    if len(counts) > 1:
        beside = sizing.price(size, quote)
        say(f"The base model beside it, without traffic, on another instance: {beside}")
    if not session.is_rehearsal:
        for note in filter(None, (sizing.quota_note(size, each) for each in counts)):
            say(f"[yellow]Note:[/yellow] {note}")


def _say_beside(order: DeployOrder, state: EndpointState | None) -> None:
    """Say what becomes of what answers now."""
    live = state.live if state else None
    if live is None or live.model == str(order.model):
        return
    if order.canary is not None:
        rest = 100 - order.canary
        say(f"It gets {order.canary} % of the traffic; {live.name} keeps {rest} %, and both cost.")
        return
    after = "is kept without traffic, and costs" if order.keep else "is removed then"
    say(f"{live.name} ({live.model}) answers until it is ready, and {after}.")
