"""`tunestack models compare`: base beside tuned, or two models and what made them different."""

from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from commands.jobs.view import naming_stack
from commands.managed.choosing import managed_model
from commands.managed.live_compare import LONGEST, chosen_questions, compare_live
from commands.models.export import refuse_export
from commands.options import json_option, stack_option
from commands.output import say, show, table
from commands.session import Session
from core.errors import SettingsError, UserError
from core.refs import ModelRef
from evaluation.comparison import Answer, Comparison, Counts, compare
from evaluation.side_by_side import SideBySide, side_by_side
from training.artifacts import output_folder
from training.jobs import find_job
from training.lineage import (
    Change,
    Lineage,
    library_changes,
    machine_changes,
    read_lineage,
    recipe_changes,
)
from training.models import find_model
from training.reproduction import judge

COUNTED = (
    ("break the hard rule", "breaking_the_rule"),
    ("end with a question", "ending_with_a_question"),
    ("equal the reference", "equal_to_reference"),
    ("are empty", "empty"),
)


@click.command(name="compare")
@click.argument("model", metavar="[NAME[:VERSION]]", default="")
@click.argument("other", metavar="[NAME[:VERSION]]", default="")
@click.option("--rows", default=5, show_default=True, help="Questions to print; --json has all.")
@click.option(
    "--questions",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Chats to ask a managed model and its base.  [default: the travel lab's five questions]",
)
@click.option(
    "--system",
    metavar="TEXT",
    help="System message over the questions.  [default: the file's own, or the lab's]",
)
@click.option("--max-tokens", type=click.IntRange(1), help="Longest live answer.  [default: 400]")
@stack_option
@json_option
def compare_command(
    model: str,
    other: str,
    rows: int,
    questions: Path | None,
    system: str | None,
    max_tokens: int | None,
    stack: str,
    as_json: bool,
) -> None:
    """Put base beside tuned answers; of two models, all that differs: recipe, inputs, answers.

    Without NAME the newest. A managed model and its base are asked now: both must be deployed.
    """
    session = Session(stack)
    if not other and (managed := managed_model(session, ModelRef.parse(model))) is not None:
        asked = chosen_questions(questions, system)
        ref = str(managed[1].ref)
        comparison = compare_live(session, managed[1], asked, max_tokens or LONGEST)
        document = {"model": ref, **comparison.document()}
        show(document, as_json, lambda: _print_comparison(ref, comparison, rows, "live"))
        return
    _refuse_questions(questions, system, max_tokens)
    if other:
        _refuse_managed(session, model, other)
        _compare_two(session, model, other, rows, as_json=as_json)
        return
    with naming_stack(stack):
        found, comparison = compare_model(session, ModelRef.parse(model))
    document = {"model": f"{found['name']}:{found['version']}", **comparison.document()}
    show(document, as_json, lambda: _print_comparison(document["model"], comparison, rows))


def _refuse_managed(session: Session, *names: str) -> None:
    """Refuse two models of which one is managed: such a one has no lineage to put beside."""
    for name in names:
        if (managed := managed_model(session, ModelRef.parse(name))) is not None:
            raise SettingsError(
                f"{managed[1].ref} is tuned by Azure, which keeps no lineage of it and leaves no"
                " samples: it is compared with its own base model.",
                hint=f"tunestack models compare {managed[1].ref} --stack {session.stack}",
            )


def _refuse_questions(*live: object) -> None:
    if any(option is not None for option in live):
        raise SettingsError(
            "--questions, --system and --max-tokens are for a managed model: of one's own the"
            " answers are those of its job to the held-out questions.",
            hint="tunestack chat asks a deployed model anything.",
        )


def compare_model(session: Session, wanted: ModelRef) -> tuple[dict[str, Any], Comparison]:
    """Find a model (the newest where none is named) and judge the samples of its job.

    Raises:
        UserError: no such model, or its job left no samples.
    """
    cloud, outputs = session.cloud, session.outputs
    found = find_model(cloud, outputs, wanted)
    refuse_export(found, "answers of its own")
    job = find_job(cloud, outputs, found["tags"]["job"])
    samples = output_folder(cloud, outputs, job, "report").read("samples.jsonl")
    if samples is None:
        raise UserError(
            f"The job {job.name} left no samples.",
            hint="Its recipe's samples.count may be 0; training again with it makes some.",
        )
    return found, compare(samples)


def _compare_two(session: Session, model: str, other: str, rows: int, *, as_json: bool) -> None:
    with naming_stack(session.stack):
        first, second = (
            read_lineage(session.cloud, session.outputs, ModelRef.parse(name))
            for name in (model, other)
        )
        answers, why = _answers(session, first, second)
    document = _document(first, second, answers, why)
    show(document, as_json, lambda: _print_two(document, answers, rows))


def _answers(session: Session, first: Lineage, second: Lineage) -> tuple[SideBySide | None, str]:
    """Put the answers side by side, where both were asked the same; else say why not."""
    held_out = [one.inputs["validation data"] for one in (first, second)]
    if not held_out[0] or held_out[0] != held_out[1]:
        return None, "their validation data are not the same"
    try:
        judged = [compare_model(session, ModelRef.parse(one.name))[1] for one in (first, second)]
    except UserError as error:
        return None, str(error)
    return side_by_side(*judged), ""


def _document(
    first: Lineage, second: Lineage, answers: SideBySide | None, why: str
) -> dict[str, Any]:
    outcome = judge(first, second)
    both = (first, second)
    metrics = dict.fromkeys(name for one in both for name in one.metrics)
    return {
        "models": [one.name for one in both],
        "verdict": outcome.verdict,
        "largest_loss_difference": _finite(outcome.loss_difference),
        "recipe": _rows(recipe_changes(*both)),
        "inputs": [_input(what, *both) for what in first.inputs],
        "machine": _rows(machine_changes(*both)),
        "libraries": _rows(library_changes(*both)),
        "metrics": [_pair(name, *(one.metrics.get(name) for one in both)) for name in metrics],
        "price_usd": [_price(one) for one in both],
        "answers": answers.document() if answers else None,
        "no_answers": why,
    }


def _input(what: str, first: Lineage, second: Lineage) -> dict[str, Any]:
    """Say whether an input was the same; None where it is known of neither or of one alone."""
    mine, other = first.inputs[what], second.inputs[what]
    return {**_pair(what, mine, other), "same": mine == other if mine and other else None}


def _rows(changes: list[Change]) -> list[dict[str, Any]]:
    return [_pair(change.what, change.first, change.second) for change in changes]


def _pair(what: str, first: Any, second: Any) -> dict[str, Any]:
    return {"what": what, "first": first, "second": second}


def _price(one: Lineage) -> float | None:
    price = one.model["tags"].get("price_usd")
    return None if price is None else float(price)


def _finite(value: float | None) -> float | None:
    return None if value is None or value == float("inf") else value


def _print_two(document: dict[str, Any], answers: SideBySide | None, rows: int) -> None:
    names = document["models"]
    table("", ["inputs", *names, ""], [_told_input(row) for row in document["inputs"]])
    for part in ("recipe", "machine", "libraries"):
        if document[part]:
            table("", [part, *names], [_told(row) for row in document[part]])
    metrics = [_told(row) for row in document["metrics"]]
    prices = [_cell(price) for price in document["price_usd"]]
    table("", ["metrics", *names], [*metrics, ("price, USD", *prices)])
    if answers is None:
        say(f"No answers side by side: {document['no_answers']}.")
    else:
        _print_answers(names, answers, rows)
    click.echo(f"Weights and losses: {document['verdict']}")


def _told_input(row: dict[str, Any]) -> tuple[str, ...]:
    mark = {True: "same", False: "differs", None: "" if not row["first"] else "not known of one"}
    return (row["what"], *(_cell(row[side])[:40] for side in ("first", "second")),
            mark[row["same"]])  # fmt: skip


def _told(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["what"], _cell(row["first"]), _cell(row["second"])


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, list):
        return escape(", ".join(map(str, value)))
    return "-" if value in (None, "") else escape(str(value))


def _print_answers(names: list[str], answers: SideBySide, rows: int) -> None:
    # Where both say the same there is nothing to see: those come last.
    for pair in sorted(answers.pairs, key=lambda pair: pair.is_same)[:rows]:
        sides = [(name, _marked(answer)) for name, answer in
                 zip(names, (pair.first, pair.second), strict=True)]  # fmt: skip
        table("", ["", escape(pair.question)], [*sides, ("", "")])
    same = sum(pair.is_same for pair in answers.pairs)
    _print_counts(
        f"{len(answers.pairs)} held-out questions, {same} answered alike",
        names,
        (answers.first, answers.second),
    )


def _print_comparison(
    model: str, comparison: Comparison, rows: int, kind: str = "held-out"
) -> None:
    # A base that breaks the rule first: there the two differ most.
    for row in sorted(comparison.rows, key=lambda row: not row.base.breaches)[:rows]:
        table(
            "",
            ["", escape(row.question)],
            [("base", _marked(row.base)), ("tuned", _marked(row.tuned)), ("", "")],
        )
    left = len(comparison.rows) - rows
    if left > 0:
        say(f"and {left} more questions: --rows {len(comparison.rows)}")
    both = comparison.base, comparison.tuned
    title = f"{model}, {comparison.tuned.answers} {kind} questions"
    _print_counts(title, ["base", "tuned"], both)


def _print_counts(title: str, names: list[str], both: tuple[Counts, Counts]) -> None:
    rows = [(label, *(getattr(counts, key) for counts in both)) for label, key in COUNTED]
    table("", [title, *names], [row for row in rows if row[1:] != (None, None)])


def _marked(answer: Answer) -> str:
    topics = sorted({breach.topic for breach in answer.breaches})
    mark = f"[red]recommends {', '.join(topics)}:[/red] " if topics else ""
    return mark + escape(answer.text.strip())
