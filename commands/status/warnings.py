"""What of a stack a person should look at: what is idle, over, broken, or watched by nobody."""

import shlex
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from commands.pricing import dollars
from core.settings import Settings

if TYPE_CHECKING:
    from infra.standing.stacks import Running

WELL = ("Succeeded", "Online")
GOING = ("Creating", "Updating", "Accepted", "Scaling", "Deleting")
"""States of a deployment on its way."""

Warned = dict[str, str]


def warnings(facts: Mapping[str, Any], idle: "list[Running]", settings: Settings) -> list[Warned]:
    """List what is to be looked at, the dearest kinds first, each with what helps."""
    on = "" if facts["is_rehearsal"] else f" --stack {shlex.quote(facts['stack'])}"
    return [
        *_idle(idle),
        *_ended(settings, facts, on),
        *_resources(facts, on),
        *_broken(facts, on),
        *_overfit(facts),
        *_unwatched(settings, facts),
    ]


def _idle(found: "list[Running]") -> Iterator[Warned]:
    for item in found:
        if item.is_idle:
            price = f" for {dollars(item.per_hour)} an hour"
            told = f"The {item.kind} {item.name} stands idle{price}: {item.sign}."
            yield {"text": told, "fix": item.command}


def _ended(settings: Settings, facts: Mapping[str, Any], on: str) -> Iterator[Warned]:
    today = datetime.fromisoformat(facts["as_of"]).astimezone(UTC).date()
    if settings.expires and date.fromisoformat(settings.expires) < today:
        told = f"The stack's last day was {settings.expires}, and it still stands."
        yield {"text": told, "fix": f"tunestack destroy{on}"}


def _resources(facts: Mapping[str, Any], on: str) -> Iterator[Warned]:
    gone = [item["name"] for item in facts["resources"] if item["is_there"] is False]
    if gone:
        told = f"Deleted behind the stack's back: {', '.join(gone)}."
        yield {"text": told, "fix": f"tunestack up{on}"}
    elif not facts["is_up"]:
        yield {"text": "An earlier `up` did not come to its end.", "fix": f"tunestack up{on}"}


def _broken(facts: Mapping[str, Any], on: str) -> Iterator[Warned]:
    for answer in facts["answers"]:
        if answer["state"] not in (*WELL, *GOING):
            yield {
                "text": f"The deployment {answer['name']} is {answer['state']}, and may bill.",
                "fix": f"tunestack undeploy {answer['name']}{on}",
            }
        elif (answer.get("asked") or {}).get("is_well") is False:
            told = answer["asked"]["told"]
            yield {"text": f"{answer['name']} did not answer: {told}", "fix": ""}


def _overfit(facts: Mapping[str, Any]) -> Iterator[Warned]:
    """Tell of models that answer now; what was trained and dropped needs no warning."""
    serving = {model["tags"].get("job") for model in facts["models"] if model["serves"]}
    for run in facts["runs"]:
        band = (run["verdict"] or {}).get("band")
        if run["name"] in serving and band in ("moderate", "severe"):
            told = f"What {run['name']} made is served, and its over-fit is {band}."
            yield {"text": told, "fix": run["verdict"]["advice"]}


def _unwatched(settings: Settings, facts: Mapping[str, Any]) -> Iterator[Warned]:
    if not settings.budget:
        told = "No budget is set: nobody hears of it when a month costs more than was meant."
        chosen = "tunestack:budget: 50, tunestack:alertEmails: [you@example.org]"
        yield {"text": told, "fix": f"Pulumi.{facts['stack']}.yaml: {chosen}; then tunestack up"}
