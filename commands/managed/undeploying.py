"""`tunestack undeploy` of managed deployments: listed with their cost, then deleted one by one."""

from collections.abc import Sequence
from typing import Any

from rich.markup import escape

from commands import pricing
from commands.output import say, shortened
from commands.session import Session
from deploy.managed.contract import Hosted, Hosting
from deploy.managed.hostings import standing

Pair = tuple[Hosting, Hosted]


def standing_in(session: Session) -> list[Pair]:
    """List the stack's managed deployments; asks nobody where the stack has no managed route."""
    return standing(session.cloud, session.outputs)


def named(found: Sequence[Pair], name: str) -> list[Pair]:
    """Find managed deployments by their whole name, in any case.

    A beginning is not enough: it may be meant for one of the stack's own endpoint.
    """
    return [pair for pair in found if pair[1].name.lower() == name.lower()]


def listed(found: Sequence[Pair]) -> str:
    """Say what goes, and what each costs while it stands."""
    return "\n".join(f"  {line(hosted)}" for _, hosted in found)


def line(hosted: Hosted) -> str:
    """Name a deployment for a list."""
    kind = f"{hosted.sku} {hosted.capacity}" if hosted.capacity else hosted.sku or hosted.route
    model = escape(shortened(hosted.model))
    return f"{hosted.name}: {model} ({kind}), {hosted.state}, {an_hour(hosted.per_hour)}"


def an_hour(per_hour: float | None) -> str:
    """Say what an hour of a deployment costs, unasked; most cost nothing but their tokens."""
    return f"{pricing.dollars(per_hour)} an hour" if per_hour != 0 else "billed by the token"


def delete(found: Sequence[Pair]) -> list[dict[str, Any]]:
    """Delete these, one after another; the models stay. Gives what is gone, JSON-ready."""
    for hosting, hosted in found:
        hosting.delete(hosted.name, lambda text: say(f"  {escape(text)}"))
    return [
        {"name": hosted.name, "route": hosted.route, "model": hosted.model} for _, hosted in found
    ]
