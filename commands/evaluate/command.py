"""`tunestack evaluate`: which model is better, how sure that is, and whether it is good enough."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands import pricing
from commands.options import json_option, stack_option, yes_option
from commands.output import say, show
from commands.session import Session
from core.errors import SettingsError, UserError, check_all

if TYPE_CHECKING:
    from evaluation.gate import Gate, Outcome
    from evaluation.ranking import Ranking
    from evaluation.results import Evaluation
    from evaluation.suite import Suite


@click.command()
@click.argument("sides", nargs=-1, metavar="[SIDE]...")
@click.option(
    "--data", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="Held-out chats.  [default: the validation data of the training]",
)  # fmt: skip
@click.option(
    "--suite", default="chat", show_default=True, metavar="NAME|FILE",
    help="Rules, safety prompts and decoding, as YAML.",
)  # fmt: skip
@click.option(
    "--gate", metavar="NAME|FILE",
    help="Thresholds, as YAML: exit code 1 with the reasons where a model misses one.",
)  # fmt: skip
@click.option(
    "--limit", type=click.IntRange(0), metavar="N",
    help="Ask at most N of the chats; 0 asks all.  [default: the suite's]",
)  # fmt: skip
@click.option("--live", is_flag=True, help="Ask what is deployed: latency, too, but no losses.")
@click.option(
    "--checkpoints", is_flag=True,
    help="Instead of models: every kept checkpoint of a training, and which is best; SIDE is"
    " the job.",
)  # fmt: skip
@click.option("--cluster", default="", help="Where own models answer.  [default: the main one]")
@click.option("--rows", default=3, show_default=True, help="Answers to print; the page has all.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
    help="Where evaluation.json and index.html go.  [default: .tunestack/evaluations/…]",
)  # fmt: skip
@click.option(
    "--from", "saved", type=click.Path(exists=True, path_type=Path), metavar="FOLDER",
    help="Nobody is asked: the same numbers again from an earlier evaluation's answers.",
)  # fmt: skip
@pricing.max_cost_option("the most that the nodes of the evaluation can cost")
@stack_option
@yes_option
@json_option
def evaluate(
    sides: tuple[str, ...],
    gate: str | None,
    saved: Path | None,
    out: Path | None,
    rows: int,
    stack: str,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Compare models on held-out data: which is better, and is it good enough.

    SIDE is base, tuned, a model NAME[:VERSION], a checkpoint JOB@STEP, what is deployed
    (azureml/tuned, openai/base, endpoint/DEPLOYMENT), an OpenAI-compatible address or a file of
    answers. The first is what the others are compared with; without any, base and tuned.

    Own models answer on a node of the cluster; --live and managed models where they are deployed.
    Answers are kept: run again, it asks only what is missing.
    """
    check_all(lambda: _gate(gate), lambda: _suite(chosen["suite"]) if not saved else None)
    if saved:
        _refuse_beside_saved(sides, chosen)
        found = _again(saved)
        session = None
    else:
        session = Session(stack)
        found = _anew(session, sides, _gate(gate), chosen)
    finish(session, found, _gate(gate), Shown(out, rows, as_json))


@dataclass(frozen=True)
class Shown:
    """How a person wants to see an evaluation."""

    out: Path | None
    rows: int
    as_json: bool


@dataclass(frozen=True)
class Found:
    """What an evaluation has found; a ranking where checkpoints were asked."""

    evaluation: "Evaluation"
    ranking: "Ranking | None" = None


def _gate(name: str | None) -> "Gate | None":
    from evaluation.gate import load_gate

    return load_gate(name) if name else None


def _suite(name: str) -> "tuple[Suite, str]":
    from evaluation.suite import load_suite

    return load_suite(name)


def _anew(
    session: Session, sides: tuple[str, ...], gate: "Gate | None", chosen: dict[str, Any]
) -> Found:
    from commands.evaluate.bake_off import bake_off
    from commands.evaluate.running import Order, evaluated

    suite, text = _suite(chosen.pop("suite"))
    is_bake_off = chosen.pop("checkpoints")
    # One side alone is compared with its base.
    names = ("base", *(sides or ("tuned",))) if len(sides) < 2 else sides
    order = Order(names, suite, text, **chosen)
    if not is_bake_off:
        return Found(evaluated(session, order))
    if len(sides) > 1 or order.live:
        raise SettingsError("--checkpoints takes one job, and neither other sides nor --live.")
    return Found(*bake_off(session, "".join(sides), order, gate))


def _again(saved: Path) -> Found:
    from commands.evaluate.folder import read
    from evaluation.measuring import measured_again

    return Found(measured_again(read(saved)))


def finish(session: Session | None, found: Found, gate: "Gate | None", shown: Shown) -> None:
    """Write, keep and show it; then hold it to the gate.

    Raises:
        UserError: a side missed the gate, or no checkpoint is left to take; every reason.
    """
    from commands.evaluate import folder
    from commands.evaluate.bake_off import require_choice
    from commands.evaluate.keeping import keep
    from evaluation.gate import judge
    from evaluation.report.page import page

    evaluation, ranking = found.evaluation, found.ranking
    outcomes = [judge(gate, evaluation, side.name) for side in evaluation.sides[1:]] if gate else []
    place = shown.out or folder.default_folder(evaluation)
    written = page(evaluation, outcomes[-1] if outcomes else None)
    folder.write(place, evaluation, written)
    if session is not None:
        keep(session, evaluation, written)
    document = {
        **{key: value for key, value in evaluation.document().items() if key != "cases"},
        "questions": len(evaluation.cases),
        "gate": [outcome.document() for outcome in outcomes] or None,
        "ranking": ranking.document() if ranking else None,
        "folder": str(place),
    }
    show(document, shown.as_json, lambda: _print(found, outcomes, shown.rows))
    say(f"The page: {place / folder.PAGE}")
    if ranking:
        require_choice(ranking)
    else:
        _hold(outcomes, place)


def _print(found: Found, outcomes: "list[Outcome]", rows: int) -> None:
    from commands.evaluate.bake_off import print_ranking
    from commands.evaluate.showing import print_evaluation

    print_evaluation(found.evaluation, rows)
    if found.ranking:
        print_ranking(found.ranking)
    for outcome in outcomes if not found.ranking else ():
        if outcome.passed:
            click.echo(f"{outcome.candidate} passes the gate {outcome.gate}.")


def _hold(outcomes: "list[Outcome]", place: Path) -> None:
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if failed:
        reasons = [f"{one.candidate}: {reason}" for one in failed for reason in one.reasons]
        raise UserError(
            f"The gate {failed[0].gate} is missed:\n" + "\n".join(reasons),
            hint=f"Another gate over the same answers: tunestack evaluate --from {place} --gate …",
        )


def _refuse_beside_saved(sides: tuple[str, ...], chosen: dict[str, Any]) -> None:
    given = [name for name in ("data", "limit", "live", "checkpoints", "cluster", "max_cost")
             if chosen[name]]  # fmt: skip
    if sides or given:
        beside = [*sides, *(f"--{name.replace('_', '-')}" for name in given)]
        raise SettingsError(
            f"--from has its sides, data and answers with it; {', '.join(beside)} is not asked."
        )
