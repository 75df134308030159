"""`tunestack deploy` of a managed model: what it means and costs, the question, the deployment."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click
from rich.markup import escape

from commands import pricing
from commands.deploying import Consent
from commands.grants import naming_missing_grants
from commands.managed import undeploying
from commands.managed.choosing import checkpoint_of
from commands.managed.options import HostingChoices
from commands.managed.ordering import names_for, orders_for
from commands.output import confirm, say, shortened
from commands.session import Session
from core import managed_prices
from core.errors import Interrupted, PrerequisiteError
from core.price_list import HOURS_A_MONTH
from deploy.managed.contract import Hosted, HostedOrder, Hosting, Sku
from deploy.managed.foundry import DEVELOPER_HOURS
from deploy.managed.hostings import hostings
from training.managed.contract import TunedModel, TuningService

RULE = "managed.deployment"
"""What `--ignore` calls all that is found before a managed deployment."""

IDLE_DAYS = 15
"""After which Azure takes a tuned model's deployment down (managed-wire facts, 1.7 and 3)."""


def deploy_managed(
    session: Session,
    found: tuple[TuningService, TunedModel],
    choices: HostingChoices,
    consent: Consent,
) -> dict[str, Any]:
    """Say what a deployment costs, ask, make it and put a question to it; JSON-ready.

    Raises:
        SettingsError: it costs more than was allowed.
        PrerequisiteError: quota, a name or the model stops it; nothing was sent.
        DeploymentFailed, CloudError: Azure did not make it.
    """
    service, model = found
    available = hostings(session.cloud, session.outputs)
    hosting = next(one for one in available if one.route == service.route)
    asked = model.path
    if choices.checkpoint is not None:
        asked = checkpoint_of(session, service, model, choices.checkpoint)
    project, standing = session.outputs.project, hosting.deployments()
    orders = orders_for(model, asked, project, choices, standing)
    names = names_for(model, project, "tuned", choices.checkpoint)
    earlier = [] if choices.name else names.earlier(asked, standing)
    _check_cost(hosting, orders, consent.max_cost)
    if RULE not in consent.ignored:
        _check_findings(session, hosting, orders)
    for order in orders:
        _say_cost(session, hosting, order, model.base)
    for one in earlier:
        say(f"{one.name} serves {shortened(one.model)} as before: Azure changes no deployment's"
            " model.")  # fmt: skip
    confirm(f"Deploy {' and '.join(one.name for one in orders)}?",
            yes=consent.yes or session.is_rehearsal)  # fmt: skip
    made = _make(session, hosting, orders)
    return {"model": str(model.ref), **described(made[0]),
            "base": described(made[1]) if made[1:] else None,
            "earlier": [described(one) for one in earlier]}  # fmt: skip


def managed_name(
    session: Session, found: tuple[TuningService, TunedModel], choices: HostingChoices
) -> str:
    """Name what is to be served as evaluations name it: the model, or a checkpoint of it.

    Raises:
        UserError: nothing was kept at the step that was chosen; lists the steps.
    """
    service, model = found
    if choices.checkpoint is None:
        return str(model.ref)
    return checkpoint_of(session, service, model, choices.checkpoint)


def described(hosted: Hosted) -> dict[str, Any]:
    """Give a deployment, JSON-ready, with the names that an endpoint's has."""
    told = asdict(hosted)
    url = told.pop("url")
    return {"deployed_model": told.pop("model"), **told, "scoring_url": url,
            "deployment": hosted.name}  # fmt: skip


def render(session: Session, document: dict[str, Any]) -> None:
    """Print what answers where, until when, and what may come next."""
    on = "" if session.is_rehearsal else f" --stack {session.stack}"
    for one in filter(None, (document, document["base"])):
        model = shortened(one["deployed_model"])
        click.echo(f"{model} answers as {one['name']} at {one['scoring_url']}")
    if document["expires"]:
        click.echo(f"Azure deletes {document['name']} by itself at {document['expires']}.")
    for one in document["earlier"]:
        click.echo(f"{one['name']} goes on serving {shortened(one['deployed_model'])}, at"
                   f" {undeploying.an_hour(one['per_hour'])}. When nobody asks it any more:"
                   f" tunestack undeploy {one['name']}{on}")  # fmt: skip
    if document["base"]:
        say(f"Next: tunestack models compare {escape(document['model'])}{on}")
    say(f"Next: tunestack chat{on}; the end of its cost: tunestack undeploy{on}")


def _make(session: Session, hosting: Hosting, orders: Sequence[HostedOrder]) -> list[Hosted]:
    try:
        with naming_missing_grants(session):
            return [hosting.deploy(one, lambda text: say(f"  {escape(text)}")) for one in orders]
    except KeyboardInterrupt:
        raise Interrupted(
            "Stopped; what Azure has begun goes on, and costs while it stands.",
            hint=f"The same command goes on; tunestack undeploy --stack {session.stack} ends it.",
        ) from None


def _check_findings(session: Session, hosting: Hosting, orders: Sequence[HostedOrder]) -> None:
    found = hosting.findings(orders)
    if found:
        raise PrerequisiteError(
            "`deploy` has not begun, and nothing was sent:\n" + "\n".join(found),
            hint=f"tunestack status --stack {session.stack} lists what stands."
            f" In spite of it: --ignore {RULE}",
        )


def _check_cost(hosting: Hosting, orders: Sequence[HostedOrder], limit: float | None) -> None:
    each = [(order, hosting.per_hour(order)) for order in orders]
    sums = [_hours(order) * price for order, price in each if price is not None]
    pricing.check_max_cost(
        limit,
        sum(sums) if len(sums) == len(each) else None,
        "a month of hosting, without a token,",
        [f"{one.name}: {pricing.dollars(price)} an hour, {_hours(one)} h" for one, price in each],
        instead="Take --sku DeveloperTier, or allow more.",
    )


def _hours(order: HostedOrder) -> int:
    """Give how long a deployment stands in a month at most."""
    return DEVELOPER_HOURS if order.sku == "DeveloperTier" else HOURS_A_MONTH


def _say_cost(session: Session, hosting: Hosting, order: HostedOrder, base: str) -> None:
    limits = f", {order.capacity} thousand tokens a minute" if order.sku != "Consumption" else ""
    kind = "serverless" if order.sku == "Consumption" else order.sku
    where = (
        "It runs on this machine and costs nothing; on Azure" if session.is_rehearsal else "Cost"
    )
    say(
        f"Serving [bold]{escape(shortened(order.model))}[/bold] as {escape(order.name)}"
        f" ({kind}{limits})."
        f" {where}: {hosting_text(hosting.per_hour(order))} {_tokens(base, order.sku)}"
    )
    if order.sku == "DeveloperTier":
        say("[yellow]Note:[/yellow] the Developer kind is for comparing: Azure deletes the"
            f" deployment {DEVELOPER_HOURS} h after it was made, and promises nothing meanwhile."
            " To last: --sku GlobalStandard.")  # fmt: skip
    elif order.serves == "tuned":
        say(f"Azure deletes it by itself after {IDLE_DAYS} days in which nobody asks; the model"
            " stays.")  # fmt: skip
    if not order.content_safety:
        say("[yellow]Note:[/yellow] content safety is off: nothing is filtered.")


def hosting_text(per_hour: float | None) -> str:
    """Say what standing there costs."""
    if per_hour is None:
        return "what hosting costs is not known here."
    if not per_hour:
        return "hosting costs nothing."
    month = pricing.dollars(per_hour * HOURS_A_MONTH)
    return (
        f"{pricing.dollars(per_hour)} an hour for as long as it stands, asked or not:"
        f" {month} a month of {HOURS_A_MONTH} h ({managed_prices.COSTS_PAGE})."
    )


def _tokens(base: str, sku: Sku) -> str:
    price = managed_prices.inference(base, sku)
    if price is None:
        return "What its tokens cost is not known here."
    read, written = price.read.per_million, price.written.per_million
    return (
        f"A million tokens: {pricing.dollars(read)} read, {pricing.dollars(written)} written"
        f" ({price.read.source})."
    )
