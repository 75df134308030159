"""Two models side by side: all that made them different, and their answers as an evaluation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from commands.evaluate.showing import print_evaluation
from commands.jobs.view import naming_stack
from commands.models.answers import Judged, of_two_models, read_answers, write_page
from commands.output import say, show, table
from commands.session import Session
from core.errors import UserError
from core.refs import ModelRef
from evaluation.report.verdicts import verdict
from evaluation.results import Evaluation
from training.lineage import (
    Change,
    Lineage,
    library_changes,
    machine_changes,
    read_lineage,
    recipe_changes,
)
from training.reproduction import judge


def compare_two(
    session: Session,
    models: Sequence[str],
    suite: Judged,
    rows: int,
    html: Path | None,
    *,
    as_json: bool,
) -> None:
    """Print two models' lineages and answers; write the page of the answers where one is wanted."""
    with naming_stack(session.stack):
        first, second = (
            read_lineage(session.cloud, session.outputs, ModelRef.parse(name)) for name in models
        )
        answers, why = _answers(session, first, second, suite)
    document = _document(first, second, answers, why)
    show(document, as_json, lambda: _print_two(document, answers, rows))
    if html and answers:
        write_page(html, answers)
        say(f"The page: {html}")
    elif html:
        say(f"No page of no answers: {escape(why.rstrip('.'))}.")


def _answers(
    session: Session, first: Lineage, second: Lineage, suite: Judged
) -> tuple[Evaluation | None, str]:
    """Put the answers side by side, where both were asked the same; else say why not."""
    held_out = [one.inputs["validation data"] for one in (first, second)]
    if not held_out[0] or held_out[0] != held_out[1]:
        return None, "their validation data are not the same"
    try:
        both = [read_answers(session, ModelRef.parse(one.name)) for one in (first, second)]
    except UserError as error:
        return None, str(error)
    return of_two_models(session, both[0], both[1], suite), ""


def _told_answers(found: Evaluation) -> dict[str, Any]:
    first, second = (side.name for side in found.sides)
    rows = []
    for result in found.cases:
        texts = result.replies[first].text, result.replies[second].text
        rows.append(
            {
                "question": result.case.question,
                "reference": result.case.reference,
                "first": texts[0],
                "second": texts[1],
                "same": texts[0] == texts[1],
            }
        )
    return {
        "same": sum(row["same"] for row in rows),
        "verdict": verdict(found, second).short,
        "metrics": found.document()["metrics"],
        "rows": rows,
    }


def _document(
    first: Lineage, second: Lineage, answers: Evaluation | None, why: str
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
        "answers": _told_answers(answers) if answers else None,
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


def _print_two(document: dict[str, Any], answers: Evaluation | None, rows: int) -> None:
    names = document["models"]
    table("", ["inputs", *names, ""], [_told_input(row) for row in document["inputs"]])
    for part in ("recipe", "machine", "libraries"):
        if document[part]:
            table("", [part, *names], [_told(row) for row in document[part]])
    metrics = [_told(row) for row in document["metrics"]]
    prices = [_cell(price) for price in document["price_usd"]]
    table("", ["metrics", *names], [*metrics, ("price, USD", *prices)])
    if answers is None:
        say(f"No answers side by side: {document['no_answers'].rstrip('.')}.")
    else:
        asked, same = len(answers.cases), document["answers"]["same"]
        click.echo(f"{asked} held-out questions, {same} answered alike")
        print_evaluation(answers, rows)
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
