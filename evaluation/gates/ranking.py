"""Which of several candidates is best, and whether that is sure.

The rule, declared before anybody looks: who passes the gate (if there is one) and has answered
every case; of those the best by one metric; and where others cannot be told from the best, the
first of them in the order of the sides - of checkpoints the earliest, which has seen its data
least often.

That somebody is best by chance among k is counted in: a candidate is called worse than the best
only by a p times k - 1 (Bonferroni, over all that may turn out best), so that the best in truth is
among those that are not told from it 95 times of 100. What that cannot mend: the value of whoever
was chosen is too good on the very cases it was chosen by.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from evaluation.gates.gate import Gate, Outcome, judge
from evaluation.record import Record
from evaluation.results import Difference, Evaluation, Interval, Measured

if TYPE_CHECKING:
    from evaluation.numbers.judging import Compared

ORDER = ("perplexity", "chrf", "f1", "rouge_l", "token_accuracy", "bleu", "exact_match")
"""By what is ranked where neither gate nor suite says: what tells small differences soonest comes
first."""

Standing = Literal["best", "not told from the best", "worse", "out"]

CURSE = (
    "The best of several on these cases looks better on them than it is: confirm the choice on"
    " cases that had no part in it (--data with a fresh file), and report those numbers."
)


class Row(Record):
    """One candidate."""

    side: str
    standing: Standing
    value: float | None = None
    interval: Interval | None = None
    cases: int = 0
    against_best: Difference | None = None
    """Of the metric; its p is corrected for being many, its interval is not."""
    reasons: tuple[str, ...] = ()
    """Why it is out."""


class Ranking(Record):
    """All candidates, the best first, those that are out last."""

    metric: str
    """By which is ranked; empty where no metric could decide."""
    best: str
    """Who has the best value; empty where nobody is in."""
    chosen: str
    """Who is to be taken: the first in order of those that are not told from the best."""
    rows: tuple[Row, ...]
    gate: str = ""
    notes: tuple[str, ...] = ()


def rank(evaluation: Evaluation, gate: Gate | None = None, by: Sequence[str] = ()) -> Ranking:
    """Rank every side but the reference; `by` are metrics, the first that all have decides."""
    names = [side.name for side in evaluation.sides[1:]]
    outcomes = {name: judge(gate, evaluation, name) for name in names} if gate else {}
    # Who is out in any case has no say in which metric all have.
    whole = [name for name in names if not _failed(outcomes, name)
             and not _unanswered(evaluation, name)]  # fmt: skip
    order = by or (gate.rank_by if gate else ()) or (*evaluation.decides, *ORDER)
    metric = _deciding(evaluation, whole, order)
    reasons = {name: _reasons(evaluation, outcomes, name, metric) for name in names}
    within = [name for name in names if not reasons[name]]
    best = _best(evaluation, metric, within)
    against = _against(evaluation, metric, best, within)
    level = [name for name in within if _is_level(name, best, against)]
    rows = [_row(evaluation, metric, name, best, against, reasons[name]) for name in names]
    return Ranking(
        metric=metric,
        best=best,
        chosen=level[0] if level else "",
        rows=tuple(sorted(rows, key=lambda row: _place(row, evaluation, metric))),
        gate=gate.name if gate else "",
        notes=tuple(_notes(evaluation, metric, best, level, within)),
    )


def _failed(outcomes: dict[str, Outcome], name: str) -> bool:
    return name in outcomes and not outcomes[name].passed


def _unanswered(evaluation: Evaluation, name: str) -> int:
    return sum(name not in case.replies for case in evaluation.cases)


def _value(evaluation: Evaluation, metric: str, name: str) -> Measured:
    found = evaluation.metric(metric)
    return (found.sides.get(name) if found else None) or Measured(value=None)


def _deciding(evaluation: Evaluation, names: Sequence[str], order: Sequence[str]) -> str:
    """Give the first metric of `order` that says which is better and that all of them have."""
    for name in order:
        found = evaluation.metric(name)
        if found is None or not found.better:
            continue
        if all(_value(evaluation, name, one).value is not None for one in names):
            return name
    return ""


def _reasons(
    evaluation: Evaluation, outcomes: dict[str, Outcome], name: str, metric: str
) -> tuple[str, ...]:
    """Say why a candidate is out; nothing where it is in."""
    if _failed(outcomes, name):
        return outcomes[name].reasons
    if without := _unanswered(evaluation, name):
        return (f"{without} of {len(evaluation.cases)} cases have no answer of it",)
    return () if metric else ("no metric to rank by was measured of every candidate",)


def _best(evaluation: Evaluation, metric: str, names: Sequence[str]) -> str:
    """Give who has the best value, the first of equals."""
    found = evaluation.metric(metric)
    if found is None or not names:
        return ""
    sign = -1 if found.better == "higher" else 1
    return min(names, key=lambda name: sign * (_value(evaluation, metric, name).value or 0.0))


def _against(
    evaluation: Evaluation, metric: str, best: str, names: Sequence[str]
) -> dict[str, Difference]:
    """Compare everybody with the best, case by case, as measuring compares with the reference."""
    others = [name for name in names if name != best]
    if not others:
        return {}
    found = _compared(evaluation, metric, best, others)
    return {name: _difference(one, len(others)) for name, one in found.items()}


def _compared(
    evaluation: Evaluation, metric: str, best: str, others: Sequence[str]
) -> "dict[str, Compared]":
    from evaluation.metrics.catalogue import metrics
    from evaluation.numbers.columns import draw, read
    from evaluation.suites.suite import parse_suite

    suite = parse_suite(evaluation.suite_text, evaluation.suite.name)
    definition = next(one for one in metrics(suite) if one.name == metric)
    sides = [evaluation.side(name) for name in (best, *others)]
    answers = [
        (one.case, {side.name: one.replies[side.name] for side in sides})
        # By their ids: the order in which the file has them decides nothing.
        for one in sorted(evaluation.cases, key=lambda one: one.case.id)
    ]
    (column,) = read([definition], answers, sides)
    draw([column], evaluation.resamples, evaluation.seed)
    known = evaluation.metric(metric)
    margin = known.margin if known else definition.margin
    found = {name: column.compared(best, name, margin, evaluation.confidence) for name in others}
    return {name: one for name, one in found.items() if one is not None}


def _difference(one: "Compared", comparisons: int) -> Difference:
    """Judge a difference from the best; without a test nobody is told from it."""
    from evaluation.numbers.judging import judged

    corrected = 1.0 if one.p is None else min(1.0, one.p * comparisons)
    return Difference(
        value=one.value,
        interval=Interval(low=one.bounds[0], high=one.bounds[1]) if one.bounds else None,
        p=one.p,
        p_corrected=corrected,
        cases=one.cases,
        judgement=judged(one, corrected),
    )


def _is_level(name: str, best: str, against: dict[str, Difference]) -> bool:
    """Say whether a candidate is the best, or is not known to be worse."""
    found = against.get(name)
    return name == best or found is None or found.judgement != "worse"


def _row(
    evaluation: Evaluation,
    metric: str,
    name: str,
    best: str,
    against: dict[str, Difference],
    reasons: tuple[str, ...],
) -> Row:
    found = _value(evaluation, metric, name)
    standing: Standing = "worse"
    if reasons:
        standing = "out"
    elif _is_level(name, best, against):
        standing = "best" if name == best else "not told from the best"
    return Row(
        side=name,
        standing=standing,
        value=found.value,
        interval=found.interval,
        cases=found.cases,
        against_best=against.get(name),
        reasons=reasons,
    )


def _place(row: Row, evaluation: Evaluation, metric: str) -> tuple[bool, float]:
    found = evaluation.metric(metric)
    sign = -1 if found is not None and found.better == "higher" else 1
    return row.standing == "out", sign * (row.value or 0.0)


def _notes(
    evaluation: Evaluation, metric: str, best: str, level: list[str], within: list[str]
) -> list[str]:
    if not best:
        return ["Nobody is left to choose from."]
    notes = []
    if len(level) > 1:
        others = ", ".join(name for name in level if name != best)
        notes.append(
            f"{others} cannot be told from {best} by {metric}: {level[0]} is taken, the first."
        )
    found = evaluation.metric(metric)
    difference = found.differences.get(level[0]) if found else None
    if difference is None or difference.judgement != "better":
        reference = evaluation.sides[0].name
        notes.append(f"{level[0]} is not known to be better than {reference} by {metric}.")
    return [*notes, CURSE] if len(within) > 1 else notes
