"""From cases and replies to an `Evaluation`: all its numbers, and the same ones again.

Nothing here asks a model or reads a clock: equal replies give equal numbers, to the bit. How a
difference is judged stands in judging.py beside this, how it is drawn in statistics.py, what each
metric reads in evaluation/metrics/.
"""

import hashlib
from collections.abc import Mapping, Sequence

from evaluation.cases import Case, Decoding
from evaluation.metrics.catalogue import metrics
from evaluation.metrics.conduct import RuleBook
from evaluation.metrics.definition import Definition
from evaluation.numbers.columns import Answers, Column, draw, read
from evaluation.numbers.judging import Compared, differences
from evaluation.numbers.remarks import remarks
from evaluation.replies import Reply
from evaluation.results import CaseResult, Difference, Evaluation, Found, Metric, Source
from evaluation.sides import Side
from evaluation.suites.suite import Suite, parse_suite

CONFIDENCE = 0.95
SEED = 0


def measure(
    suite: Suite,
    suite_text: str,
    cases: Sequence[Case],
    sides: Sequence[Side],
    replies: Mapping[str, Mapping[str, Reply]],
    *,
    data: Source,
    made: str,
    stack: str = "",
    decoding: Decoding | None = None,
    resamples: int = 10_000,
) -> Evaluation:
    """Measure every side, and compare each with the first; `made` is when, ISO 8601 in UTC.

    `replies` are by side's name and case's id. Neither the order of the cases nor one that nobody
    has answered changes a number.
    """
    answers = sorted(((case, _replies(case, sides, replies)) for case in cases), key=_order)
    book = RuleBook(suite.rules)
    columns = [one for one in read(_definitions(suite, book), answers, sides) if not one.is_empty]
    draw(columns, resamples, SEED)
    found = _metrics(columns, suite, sides)
    return Evaluation(
        made=made,
        stack=stack,
        suite=Source(name=suite.name, sha256=hashlib.sha256(suite_text.encode()).hexdigest()),
        suite_text=suite_text,
        data=data,
        decoding=decoding or suite.decoding,
        sides=tuple(sides),
        decides=suite.decides,
        metrics=found,
        cases=_results(cases, answers, columns, book),
        confidence=CONFIDENCE,
        resamples=resamples,
        seed=SEED,
        notes=tuple(remarks(answers, sides, columns, suite.decides)),
    )


def measured_again(saved: Evaluation) -> Evaluation:
    """Make the numbers anew from what a saved evaluation holds: its suite, cases and replies.

    Raises:
        SettingsError: its suite is none that this version reads.
    """
    replies: dict[str, dict[str, Reply]] = {side.name: {} for side in saved.sides}
    for one in saved.cases:
        for name, reply in one.replies.items():
            replies[name][one.case.id] = reply
    return measure(
        parse_suite(saved.suite_text, saved.suite.name),
        saved.suite_text,
        [one.case for one in saved.cases],
        saved.sides,
        replies,
        data=saved.data,
        made=saved.made,
        stack=saved.stack,
        decoding=saved.decoding,
        resamples=saved.resamples,
    )


def _definitions(suite: Suite, book: RuleBook) -> list[Definition]:
    """Give all metrics, those that decide first."""
    found = {one.name: one for one in metrics(suite, book)}
    return list({name: found[name] for name in (*suite.decides, *found)}.values())


def _replies(
    case: Case, sides: Sequence[Side], replies: Mapping[str, Mapping[str, Reply]]
) -> dict[str, Reply]:
    given = {side.name: replies.get(side.name, {}).get(case.id) for side in sides}
    return {name: reply for name, reply in given.items() if reply is not None}


def _order(answer: tuple[Case, Mapping[str, Reply]]) -> tuple[str, ...]:
    """Order cases by what they are, not by where they stood."""
    return _identity(answer[0])


def _identity(case: Case) -> tuple[str, ...]:
    return case.id, case.reference, case.kind, case.expects, case.name


def _metrics(columns: Sequence[Column], suite: Suite, sides: Sequence[Side]) -> tuple[Metric, ...]:
    margins = [_margin(column, suite, sides[0].name) for column in columns]
    compared = {
        side.name: _compared(columns, margins, suite.decides, sides[0], side) for side in sides[1:]
    }
    return tuple(
        Metric(
            name=column.definition.name,
            title=column.definition.title,
            unit=column.definition.unit,
            better=column.definition.better,
            margin=margin,
            is_main=column.definition.name in suite.decides,
            sides={side.name: column.measured(side.name, CONFIDENCE) for side in sides},
            differences={
                name: found[column.definition.name]
                for name, found in compared.items()
                if column.definition.name in found
            },
            note=column.definition.note,
        )
        for column, margin in zip(columns, margins, strict=True)
    )


def _margin(column: Column, suite: Suite, reference: str) -> float:
    definition = column.definition
    if definition.name in suite.margins:
        return suite.margins[definition.name]
    if not definition.margin_is_relative:
        return definition.margin
    return definition.margin * abs(column.measured(reference, CONFIDENCE).value or 0.0)


def _compared(
    columns: Sequence[Column],
    margins: Sequence[float],
    decides: Sequence[str],
    reference: Side,
    side: Side,
) -> dict[str, Difference]:
    """Compare two sides in all metrics that both have, by metric's name.

    The main metrics are corrected for being many among themselves, the others among themselves:
    which is which was declared before anybody answered.
    """
    main: dict[str, Compared] = {}
    others: dict[str, Compared] = {}
    for column, margin in zip(columns, margins, strict=True):
        found = column.compared(reference.name, side.name, margin, CONFIDENCE)
        if found is not None:
            family = main if column.definition.name in decides else others
            family[column.definition.name] = found
    return {
        name: difference
        for family in (main, others)
        for name, difference in zip(family, differences(list(family.values())), strict=True)
    }


def _results(
    cases: Sequence[Case], answers: Answers, columns: Sequence[Column], book: RuleBook
) -> tuple[CaseResult, ...]:
    """Give what was found of each case, in the order in which they were given."""
    results = {
        _identity(case): CaseResult(
            case=case,
            replies=dict(given),
            scores=_scores(place, columns),
            found={name: _found(case, reply, book) for name, reply in given.items()},
        )
        for place, (case, given) in enumerate(answers)
    }
    return tuple(results[_identity(case)] for case in cases)


def _scores(place: int, columns: Sequence[Column]) -> dict[str, dict[str, float | None]]:
    """Give everybody's score of a case by metric; a metric that nobody has of it is left out."""
    scores = {
        column.definition.name: {
            side: column.scores.get(side, {}).get(place) for side in column.rows
        }
        for column in columns
    }
    return {
        name: by_side
        for name, by_side in scores.items()
        if any(score is not None for score in by_side.values())
    }


def _found(case: Case, reply: Reply, book: RuleBook) -> tuple[Found, ...]:
    return tuple(found for broken in book.findings(case, reply).values() for found in broken)
