"""`tunestack jobs explain`: why a job failed, by which rule, and in which lines that stands."""

from typing import Any

import click

from commands.jobs.handler import handler
from commands.jobs.view import naming_stack
from commands.options import json_option, stack_option
from commands.output import show
from commands.session import Session
from training.explain import Explanation


@click.command()
@click.argument("name")
@stack_option
@json_option
def explain(name: str, stack: str, as_json: bool) -> None:
    """Say why a job failed: cause, rule, fix, and the lines that tell so."""
    session = Session(stack)
    with naming_stack(stack):
        status, found = handler(session, name).failure()
    if found is None:
        show({"job": name, "status": status}, as_json, lambda: _print_well(name, status))
        return
    document = {"job": name, "status": status, **as_document(found)}
    show(document, as_json, lambda: _print(name, status, found))


def as_document(found: Explanation) -> dict[str, Any]:
    """Give an explanation JSON-ready."""
    return {
        "rule": found.rule,
        "cause": found.cause,
        "fix": found.fix,
        "confidence": str(found.confidence),
        "evidence": list(found.evidence),
    }


def _print_well(name: str, status: str) -> None:
    click.echo(f"{name} is {status}: there is no failure to explain.")


def _print(name: str, status: str, found: Explanation) -> None:
    click.echo(f"{name} ended as {status}.")
    for line in found.lines():
        click.echo(line)
    if found.evidence:
        click.echo("It stands in:")
    for line in found.evidence:
        click.echo(f"  {line[:500]}")
