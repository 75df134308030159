"""`tunestack reproduce`: the same model once more, and how the two compare."""

from typing import Any

import click

from commands import pricing
from commands.jobs.view import naming_stack
from commands.options import json_option, stack_option, yes_option
from commands.output import confirm, say, show, table
from commands.preflight import ignore_option, preflight
from commands.session import Session
from commands.train.cost import nodes_of, say_cost
from commands.train.run import train_model
from core.errors import SettingsError, UserError
from core.refs import ModelRef
from training.environment import JOB_FOLDER
from training.lineage import Change, Lineage, read_lineage
from training.reproduction import Check, Outcome, checks, judge, order_of
from training.submission import Order

OF_THE_CODE = ("code of the job", "environment")
"""What `--with-this-code` lets pass."""


@click.command()
@click.argument("model", metavar="NAME[:VERSION]")
@click.option("--check-only", is_flag=True, help="Only say what is the same; nothing is sent.")
@click.option(
    "--with-this-code", is_flag=True, help="Train although this tunestack's job is another."
)
@click.option("--cluster", default="", help="Another of the stack's clusters.")
@stack_option
@pricing.max_cost_option("node price x nodes x timeout, the most that the run can cost,")
@yes_option
@json_option
@ignore_option
def reproduce(
    model: str,
    check_only: bool,
    with_this_code: bool,
    cluster: str,
    stack: str,
    max_cost: float | None,
    yes: bool,
    as_json: bool,
    ignored: tuple[str, ...],
) -> None:
    """Train a model again from what was kept of it, and compare the two.

    The same data, recipe, seed, code and environment; refused where they are not to be had.
    """
    session = Session(stack)
    cloud, outputs = session.cloud, session.outputs
    with naming_stack(stack):
        made = read_lineage(cloud, outputs, ModelRef.parse(model))
        order = order_of(made, outputs, cluster, JOB_FOLDER)
        found = checks(cloud, outputs, made, order)
    if check_only:
        document = {"model": made.name, "job": made.job, "checks": [vars(one) for one in found]}
        show(document, as_json, lambda: _print_checks(made, found))
        _refuse(made, found, with_this_code=with_this_code)
        return
    _refuse(made, found, with_this_code=with_this_code)
    _say_checks(found)
    again = _train(session, order, max_cost=max_cost, yes=yes, ignored=ignored)
    outcome = judge(made, again)
    show(_document(made, again, outcome), as_json, lambda: _print_outcome(made, again, outcome))
    if not outcome.is_reproduced:
        raise UserError(
            f"{again.name} is not {made.name}: the losses differ{_by(outcome)}.",
            hint=f"What else differs: tunestack models compare {made.name} {again.name}"
            f" --stack {stack}",
        )


def _refuse(made: Lineage, found: list[Check], *, with_this_code: bool) -> None:
    """Refuse what would not be the same model; all of it at once."""
    wrong = [
        one
        for one in found
        if one.state == "differs" and not (with_this_code and one.what in OF_THE_CODE)
    ]
    if wrong:
        lines = [f"{made.name} cannot be made again as it was; nothing was sent."]
        lines += [f"  {one.what}: {one.told}" for one in wrong]
        hints = dict.fromkeys(one.hint for one in wrong if one.hint)
        raise SettingsError("\n".join(lines), hint="\n".join(hints))


def _train(
    session: Session,
    order: Order,
    *,
    max_cost: float | None,
    yes: bool,
    ignored: tuple[str, ...],
) -> Lineage:
    node = nodes_of(session, order)
    preflight(session, "train", ignored=ignored, recipe=order.recipe, node=node)
    say_cost(session, order, max_cost)
    confirm("Submit the job?", yes=yes or session.is_rehearsal)
    trained = train_model(session, order)
    assert trained.model is not None, "the run was waited for"
    return read_lineage(session.cloud, session.outputs, trained.model)


def _document(made: Lineage, again: Lineage, outcome: Outcome) -> dict[str, Any]:
    difference = outcome.loss_difference
    return {
        "model": made.name,
        "again": again.name,
        "job": again.job,
        "verdict": outcome.verdict,
        "largest_loss_difference": None if difference == float("inf") else difference,
        "files": _rows(outcome.files),
        "known_to_differ": {part: _rows(changes) for part, changes in outcome.known.items()},
    }


def _rows(changes: list[Change]) -> list[dict[str, Any]]:
    return [vars(change) for change in changes]


def _print_checks(made: Lineage, found: list[Check]) -> None:
    table("", [made.name, "", ""], [(one.what, one.state, one.told) for one in found])


def _say_checks(found: list[Check]) -> None:
    for one in found:
        if one.state != "same":
            say(f"[yellow]{one.what}[/yellow]: {one.told}")


def _print_outcome(made: Lineage, again: Lineage, outcome: Outcome) -> None:
    click.echo(f"{again.name} beside {made.name}: {outcome.verdict}{_by(outcome)}")
    for part, changes in outcome.known.items():
        if changes:
            rows = [(one.what, one.first, one.second) for one in changes]
            table("", [f"{part} that differ", made.name, again.name], rows)
    if outcome.verdict != "byte-identical":
        table("", ["files that differ", "", ""], [(one.what, "", "") for one in outcome.files])
        if not any(outcome.known.values()):
            say("Nothing is known to have differed.")


def _by(outcome: Outcome) -> str:
    difference = outcome.loss_difference
    if difference is None:
        return " (no losses to compare)"
    if difference == float("inf"):
        return " (the curves have not the same steps)"
    return f" (by {difference:.2g} at most)"
