"""An endpoint and its deployments as commands show them: shares, states, sizes and their cost."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from commands import pricing
from commands.endpoint.ending import told_expiry
from commands.output import table
from commands.session import Session
from core.errors import PrerequisiteError
from deploy.endpoint import DeploymentState, EndpointState, find

if TYPE_CHECKING:
    from core.price_list import PriceList

COLUMNS = ("deployment", "model", "traffic", "state", "runtime", "runs on", "USD an hour")


def standing(session: Session) -> EndpointState | None:
    """Read the stack's endpoint; None where there is none."""
    return find(session.cloud, session.outputs)


def required(session: Session) -> EndpointState:
    """Read the stack's endpoint.

    Raises:
        PrerequisiteError: there is none; names the command that makes it.
    """
    state = standing(session)
    if state is None:
        hint = f"tunestack deploy --stack {session.stack}"
        raise PrerequisiteError(f"The stack {session.stack} has no endpoint.", hint=hint)
    return state


def document(session: Session, state: EndpointState) -> dict[str, Any]:
    """Give what is worth showing of an endpoint, JSON-ready; no key is in it."""
    listed = pricing.price_list(session, *_sizes(state), asks=False)
    deployments = [_item(item, listed) for item in state.deployments]
    known = [item["per_hour"] for item in deployments]
    return {
        "endpoint": state.ref.name,
        "state": state.state,
        "scoring_url": state.ref.scoring_url,
        "auth": state.ref.auth,
        "deployments": deployments,
        "per_hour": None if None in known else round(sum(known), 4),
        **told_expiry(session, state.ref.name),
        "is_rehearsal": session.is_rehearsal,
    }


def render(shown: dict[str, Any]) -> None:
    """Print the deployments of an endpoint as a table, and what they cost together."""
    import click

    name = shown["endpoint"]
    if not shown["deployments"]:
        click.echo(f"{name} has no deployment: nothing answers, and it costs nothing.")
        return
    table(f"{name} ({shown['auth']})", COLUMNS, [_row(item) for item in shown["deployments"]])
    where = "would cost on Azure" if shown["is_rehearsal"] else "cost"
    click.echo(f"Together they {where} {pricing.dollars(shown['per_hour'])} an hour.")
    if shown["expiry"]:
        click.echo(f"The endpoint {shown['expiry']}.")


def told(item: DeploymentState) -> str:
    """Name a deployment for a sentence."""
    model = item.model or "a model"
    return f"{item.name} ({model} on {item.instances} x {item.vm_size})"


def _sizes(state: EndpointState) -> list[str]:
    return sorted({item.vm_size for item in state.deployments})


def _item(item: DeploymentState, listed: "PriceList") -> dict[str, Any]:
    each = listed.per_hour(item.vm_size)
    return {**asdict(item), "per_hour": None if each is None else round(each * item.instances, 4)}


def _row(item: dict[str, Any]) -> tuple[str, ...]:
    model = f"{item['model'] or '?'}{' (base)' if item['serves'] == 'base' else ''}"
    price = "?" if item["per_hour"] is None else f"{item['per_hour']:.3f}"
    return (
        item["name"], model, f"{item['traffic']} %", item["state"], item["runtime"],
        f"{item['instances']} x {item['vm_size']}", price,
    )  # fmt: skip
