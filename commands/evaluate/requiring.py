"""A gate before something else: a model goes on only with a kept evaluation that passes it.

Nobody is asked again: the gate is held against the stored numbers, so that it may be a stricter
one than the evaluation itself was judged by.
"""

import shlex
from datetime import UTC, datetime
from typing import Any

import click
from rich.markup import escape

from commands.evaluate.keeping import checkpoint_of, find_kept, sides_of
from commands.output import say
from commands.session import Session
from core.errors import UserError
from evaluation.gates.gate import Outcome, judge, load_gate
from evaluation.gates.thresholds import Check
from evaluation.results import Evaluation

gate_option = click.option(
    "--gate", default="", metavar="NAME|FILE",
    help="Deploy only what has passed: its newest kept evaluation is held to these thresholds.",
)  # fmt: skip


def require_gate(session: Session, model: str, gate: str) -> dict[str, Any]:
    """Hold a model's newest kept evaluation to a gate; give the outcomes, JSON-ready.

    Nothing where no gate was asked for.

    Raises:
        SettingsError: there is no such gate, or it is not one.
        UserError: no evaluation of this very model was kept, or it fails; every reason.
    """
    if not gate:
        return {}
    held_to = load_gate(gate)
    again = _command(session, model, gate)
    same = tuple(filter(None, (model, checkpoint_of(session, model))))
    evaluation = find_kept(session, *same)
    if evaluation is None:
        raise UserError(
            f"{model} has not been evaluated against another model, so that nobody knows whether"
            f" it passes the gate {held_to.name}. Nothing was sent.",
            hint=again,
        )
    now = datetime.now(UTC)
    outcomes = [judge(held_to, evaluation, one, now) for one in sides_of(evaluation, *same)]
    _tell(evaluation, outcomes)
    failed = [reason for outcome in outcomes for reason in outcome.reasons]
    if failed:
        raise UserError(
            f"{model} fails the gate {held_to.name}, and nothing was sent:\n"
            + "\n".join(dict.fromkeys(failed)),
            hint=f"Evaluate anew once it is better: {again}",
        )
    return {"gate": [outcome.document() for outcome in outcomes]}


def check_line(check: Check) -> str:
    """Write a check as a line of a list, in rich markup."""
    mark = "[green]passed[/green]" if check.passed else "[red]failed[/red]"
    return f"{mark}  {escape(check.reason)}"


def _tell(evaluation: Evaluation, outcomes: list[Outcome]) -> None:
    held_out = sum(case.case.kind == "held-out" for case in evaluation.cases)
    say(
        f"The gate {outcomes[0].gate}, held against the evaluation of {evaluation.made}"
        f" ({held_out} held-out cases of {escape(evaluation.data.name)}, suite"
        f" {escape(evaluation.suite.name)}):"
    )
    for outcome in outcomes:
        for check in outcome.checks:
            say(f"  {check_line(check)}")


def _command(session: Session, model: str, gate: str) -> str:
    on = "" if session.is_rehearsal else f" --stack {shlex.quote(session.stack)}"
    return f"tunestack evaluate base {shlex.quote(model)} --gate {shlex.quote(gate)}{on}"
