"""`tunestack evaluate`: which model is better, how sure that is, and whether it is good enough."""

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands import pricing
from commands.options import json_option, stack_option, yes_option
from commands.output import say, show
from commands.session import Session
from core.errors import SettingsError, UserError, check_all

if TYPE_CHECKING:
    from evaluation.gates.gate import Gate, Outcome
    from evaluation.gates.ranking import Ranking
    from evaluation.results import Evaluation
    from evaluation.suites.suite import Suite

DEFAULT_SUITE = "chat"


@click.command()
@click.argument("sides", nargs=-1, metavar="[SIDE]...")
@click.option(
    "--data", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="Held-out chats.  [default: the validation data of the training]",
)  # fmt: skip
@click.option(
    "--suite", default="", metavar="NAME|FILE",
    help="Rules, safety prompts and decoding, as YAML.  [default: the gate's, else chat]",
)  # fmt: skip
@click.option(
    "--gate", metavar="NAME|FILE",
    help="Thresholds, as YAML: exit code 1 with the reasons where a model misses one.",
)  # fmt: skip
@click.option(
    "--limit", type=click.IntRange(0), metavar="N",
    help="Ask at most N of the chats, beside the safety prompts; 0 asks all."
    "  [default: the suite's]",
)  # fmt: skip
@click.option("--no-safety", is_flag=True, help="Leave the suite's safety prompts out: quicker.")
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
    suite: str,
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
    shown = Shown(out, rows, as_json)
    if saved:
        _refuse_beside_saved(sides, {**chosen, "suite": suite})
        held_to = _gate(gate)
        finish(None, _again(saved), held_to, shown)
        return
    held_to, judged = judged_by(gate, suite)
    session = Session(stack)
    finish(session, _anew(session, sides, judged, held_to, chosen), held_to, shown)


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
    from evaluation.gates.gate import load_gate

    return load_gate(name) if name else None


def judged_by(gate: str | None, suite: str) -> "tuple[Gate | None, tuple[Suite, str]]":
    """Read gate and suite; without a suite it is the gate's own, where that comes with us.

    Raises:
        SettingsError: what is wrong with either, or the gate judges answers to another suite.
    """
    from evaluation.suites.suite import load_suite, suite_names

    if suite:
        check_all(lambda: _gate(gate), lambda: load_suite(suite))
    held_to = _gate(gate)
    wanted = held_to.suite if held_to else ""
    if not suite and wanted not in ("", *suite_names()):
        raise SettingsError(
            f"The gate {gate} is about the suite {wanted}, which does not come with the program.",
            hint="Name its file: --suite FILE.",
        )
    judged = load_suite(suite or wanted or DEFAULT_SUITE)
    if held_to:
        _refuse_other_answers(held_to, judged[0])
    return held_to, judged


def _refuse_other_answers(gate: "Gate", suite: "Suite") -> None:
    """Refuse, before anybody is asked, what the gate fails whatever the answers are."""
    if gate.suite not in ("", suite.name):
        raise SettingsError(
            f"The gate {gate.name} is about the suite {gate.suite}, not {suite.name}: every model"
            " misses it.",
            hint="Leave --suite out, or name the gate's suite.",
        )
    for field in sorted(gate.decoding.model_fields_set if gate.decoding else ()):
        wanted, chosen = getattr(gate.decoding, field), getattr(suite.decoding, field)
        if wanted != chosen:
            raise SettingsError(
                f"The gate {gate.name} is about answers of {field} {wanted:g}, the suite"
                f" {suite.name} decodes with {chosen:g}: every model misses it."
            )


def _anew(
    session: Session,
    sides: tuple[str, ...],
    judged: "tuple[Suite, str]",
    gate: "Gate | None",
    chosen: dict[str, Any],
) -> Found:
    from commands.evaluate.bake_off import bake_off
    from commands.evaluate.running import Order, evaluated
    from commands.evaluate.sides.resolving import with_reference

    is_bake_off, no_safety = chosen.pop("checkpoints"), chosen.pop("no_safety")
    suite, text = judged
    if no_safety:
        suite = suite.model_copy(update={"safety": ()})
    if is_bake_off:
        if len(sides) > 1 or chosen["live"]:
            raise SettingsError("--checkpoints takes one job, and neither other sides nor --live.")
        order = Order((), suite, text, gate=gate, **chosen)
        return Found(*bake_off(session, "".join(sides), order, gate))
    order = Order(with_reference(sides), suite, text, gate=gate, **chosen)
    return Found(evaluated(session, order))


def _again(saved: Path) -> Found:
    from commands.evaluate.folder import read
    from evaluation.numbers.measuring import measured_again

    before = read(saved)
    again = measured_again(before)
    # What was found while asking, such as questions that were learned, is in no answer.
    notes = dict.fromkeys((*before.notes, *again.notes))
    return Found(again.model_copy(update={"notes": tuple(notes)}))


def finish(session: Session | None, found: Found, gate: "Gate | None", shown: Shown) -> None:
    """Write, keep and show it; then hold it to the gate.

    Raises:
        UserError: a side missed the gate, or no checkpoint is left to take; every reason.
        CloudError: it could not be kept with the stack; it was shown and written here before.
    """
    from commands.evaluate import folder
    from commands.evaluate.bake_off import require_choice
    from commands.evaluate.keeping import keep
    from evaluation.gates.gate import judge
    from evaluation.report.page import page

    evaluation, ranking = found.evaluation, found.ranking
    now = datetime.now(UTC)  # with --from it may be old, which a gate may forbid
    outcomes = [judge(gate, evaluation, side.name, now) for side in evaluation.sides[1:] if gate]
    place = shown.out or folder.default_folder(evaluation)
    written = page(evaluation, *outcomes)
    folder.write(place, evaluation, written)
    document = {
        **{key: value for key, value in evaluation.document().items() if key != "cases"},
        "questions": len(evaluation.cases),
        "gate": [outcome.document() for outcome in outcomes] or None,
        "ranking": ranking.document() if ranking else None,
        "folder": str(place),
    }
    show(document, shown.as_json, lambda: _print(found, outcomes, shown.rows))
    say(f"The page: {place / folder.PAGE}")
    if session is not None:
        keep(session, evaluation, written)
    if ranking:
        require_choice(ranking)
    else:
        _hold(outcomes, place)


def _print(found: Found, outcomes: "list[Outcome]", rows: int) -> None:
    from commands.evaluate.bake_off import print_ranking
    from commands.evaluate.showing import print_evaluation

    print_evaluation(found.evaluation, rows)
    if found.ranking:
        print_ranking(found.ranking, found.evaluation)
    for outcome in outcomes if not found.ranking else ():
        if outcome.passed:
            click.echo(f"{outcome.candidate} passes the gate {outcome.gate}.")


def _hold(outcomes: "list[Outcome]", place: Path) -> None:
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if failed:
        told = [
            line
            for one in failed
            for line in (
                f"{one.candidate} misses the gate {one.gate}:",
                *dict.fromkeys(one.reasons),
            )
        ]
        raise UserError(
            "\n".join(told),
            hint="Another gate over the same answers: tunestack evaluate --from"
            f" {shlex.quote(str(place))} --gate …",
        )


def _refuse_beside_saved(sides: tuple[str, ...], chosen: dict[str, Any]) -> None:
    given = [name for name in chosen if name != "yes" and chosen[name] not in (None, False, "")]
    if sides or given:
        beside = [*sides, *(f"--{name.replace('_', '-')}" for name in given)]
        raise SettingsError(
            f"--from makes the numbers of an earlier evaluation again, with its sides, suite and"
            f" answers: leave out {', '.join(beside)}.",
            hint="--gate, --rows, --out and --json go with it.",
        )
