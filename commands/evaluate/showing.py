"""An evaluation in the terminal: which side is better, whether that is sure, and what shows it."""

from collections.abc import Sequence

import click
from rich.markup import escape

from commands.chat.printing import printable
from commands.output import say, shortened, table
from evaluation.report.numbers import difference_of, interval_of, p_of, share_of, value_of
from evaluation.report.pairs import Pair, pairs
from evaluation.report.verdicts import ASIDE, DECIDED, candidates, told, verdict
from evaluation.results import CaseResult, Difference, Evaluation, Metric

WIDEST = 58
"""Characters of a metric's title; the page has it whole."""
BRIEF = ("rules", "perplexity", "exact_match", "f1", "rouge_l", "bleu", "seconds",
         "usd_per_1k_answers", "tokens")  # fmt: skip
"""Metrics that are always shown, beside rules and safety; others where they differ for sure."""
COLORS = {"better": "green", "worse": "red"}


def print_evaluation(evaluation: Evaluation, rows: int) -> None:
    """Print the `rows` cases that changed most, metrics and differences, notes, and the verdict.

    Cases come first, so that the verdict is what stands last on a terminal.
    """
    _print_cases(evaluation, rows)
    others = candidates(evaluation)
    if len(others) == 1:
        _print_two(evaluation, others[0])
    else:
        _print_many(evaluation, others)
    more = len(evaluation.metrics) - len(_shown(evaluation))
    if more:
        say(f"and {more} more metric{'s' if more > 1 else ''}: --json, and the page")
    sure = share_of(evaluation.confidence)
    say(f"better, worse: sure at {sure}; too few (about N): with N cases it could be said")
    main = sum(metric.is_main for metric in evaluation.metrics)
    if main:
        say(f"the first {main} decide, as the suite declares; the others are secondary")
    for note in evaluation.notes:
        click.echo(f"Note: {note}")
    for name in others:
        click.echo(verdict(evaluation, name).short)


def _print_cases(evaluation: Evaluation, rows: int) -> None:
    for result in _most_changed(evaluation)[:rows]:
        sides = [(side.name, _answer(result, side.name)) for side in evaluation.sides]
        question = escape(printable(result.case.question))
        table("", ["", question], [*sides, ("", "")])
    left = len(evaluation.cases) - rows
    if rows and left > 0:
        say(f"and {left} more questions: --rows {len(evaluation.cases)}")


def _most_changed(evaluation: Evaluation) -> list[CaseResult]:
    """Order cases by how much the last side changed them: rules first, losses as well as gains."""
    if len(evaluation.sides) < 2:
        return list(evaluation.cases)
    found = sorted(pairs(evaluation, evaluation.sides[-1].name), key=_size)
    seen = {one.number for one in found}
    rest = [one for number, one in enumerate(evaluation.cases, 1) if number not in seen]
    return [one.result for one in found] + rest


def _size(pair: Pair) -> tuple[float, float]:
    return -abs(pair.rules), -abs(pair.score)


def _answer(result: CaseResult, name: str) -> str:
    reply = result.replies.get(name)
    if reply is None:
        return "[dim](no answer)[/dim]"
    rules = dict.fromkeys(one.rule.replace("_", " ") for one in result.found.get(name, ()))
    mark = f"[red]not kept ({', '.join(rules)}):[/red] " if rules else ""
    ended = {"filtered": "[red](taken by the content filter)[/red] "}.get(reply.finish, "")
    return mark + ended + escape(printable(reply.text.strip()))


def _shown(evaluation: Evaluation) -> list[Metric]:
    """Leave out what is akin to another, unless it decides something, and what is nought."""
    return [
        metric
        for metric in evaluation.metrics
        if metric.is_main
        or metric.name in BRIEF
        or metric.name.startswith(("rule.", "safety."))
        or (metric.name in ASIDE and any(one.value for one in metric.sides.values()))
        or any(one.judgement in DECIDED for one in metric.differences.values())
    ]


def _print_two(evaluation: Evaluation, candidate: str) -> None:
    reference = evaluation.sides[0].name
    sure = share_of(evaluation.confidence)
    head = [_title(evaluation), reference, candidate, "difference", f"{sure} interval", "judged"]
    rows = [
        (
            escape(shortened(metric.title, WIDEST)),
            *(_value(metric, name) for name in (reference, candidate)),
            *_difference(metric, metric.differences.get(candidate)),
        )
        for metric in _shown(evaluation)
    ]
    table(_models(evaluation), [escape(name) for name in head], rows)


def _print_many(evaluation: Evaluation, others: Sequence[str]) -> None:
    names = [side.name for side in evaluation.sides]
    rows = [
        (
            escape(shortened(metric.title, WIDEST)),
            *(f"{_value(metric, name)}{_word(metric.differences.get(name))}" for name in names),
        )
        for metric in _shown(evaluation)
    ]
    table(_models(evaluation), [_title(evaluation), *map(escape, names)], rows)


def _models(evaluation: Evaluation) -> str:
    """Name what stands behind the sides, where their own names do not."""
    named = [side for side in evaluation.sides if side.model not in ("", side.name)]
    return escape(", ".join(f"{side.name} is {shortened(side.model, 60)}" for side in named))


def _title(evaluation: Evaluation) -> str:
    count = len(evaluation.cases)
    return f"{count} case{'s' if count != 1 else ''}, suite {evaluation.suite.name}"


def _value(metric: Metric, name: str) -> str:
    measured = metric.sides.get(name)
    return value_of(measured.value if measured else None, metric.unit)


def _difference(metric: Metric, found: Difference | None) -> tuple[str, str, str]:
    if found is None or found.value is None:
        return "", "", ""
    test = f"[dim]{found.test}, corrected {p_of(found.p_corrected)}[/dim]" if found.test else ""
    return (
        difference_of(found.value, metric.unit),
        interval_of(found.interval, metric.unit),
        f"{_colored(found)}  {test}".rstrip(),
    )


def _word(found: Difference | None) -> str:
    return "" if found is None or found.value is None else f"  {_colored(found)}"


def _colored(found: Difference) -> str:
    color = COLORS.get(found.judgement, "")
    return f"[{color}]{told(found)}[/{color}]" if color else told(found)
