"""What a reader of the numbers has to know: who has not answered what, and what is not compared."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from evaluation.metrics.service import bills_tokens
from evaluation.numbers.columns import Answers, Column, Reason
from evaluation.numbers.judging import FEWEST
from evaluation.sides import Side

WHY: dict[Reason, str] = {
    "no common cases": "there is no case for which both have it",
    "different places": "they answered at different places (a node, an endpoint, a file), and what"
    " an answer takes there is not comparable",
    "different tokens": "they cut the references into different tokens",
}


def remarks(
    answers: Answers, sides: Sequence[Side], columns: Sequence[Column], decides: Sequence[str] = ()
) -> Iterator[str]:
    """Yield them, a sentence or two each; `decides` are the main metrics, measured or not."""
    yield from _few(answers)
    if len(sides) > 1:
        yield from _unmeasured(columns, decides)
    for side in sides:
        yield from _unanswered(answers, side)
        yield from _ends(answers, side)
    for side in sides[1:]:
        yield from _common(answers, sides[0], side)
        yield from _not_compared(columns, sides[0], side)
    yield from _hosted(sides, columns)


def _few(answers: Answers) -> Iterator[str]:
    asked = sum(bool(replies) for _, replies in answers)
    if 0 < asked < FEWEST:
        yield (
            f"{_cases(asked)} are an impression, not a measurement:"
            f" nothing is called better or worse under {FEWEST}."
        )


def _unmeasured(columns: Sequence[Column], decides: Sequence[str]) -> Iterator[str]:
    missing = [name for name in decides if name not in {one.definition.name for one in columns}]
    if missing:
        yield f"Nobody was measured in {_listed(missing)}, by which the suite decides."


def _unanswered(answers: Answers, side: Side) -> Iterator[str]:
    missing = sum(side.name not in replies for _, replies in answers)
    if missing:
        yield f"{side.name} has no answer to {missing:,} of {_cases(len(answers))}."


def _ends(answers: Answers, side: Side) -> Iterator[str]:
    replies = [given[side.name] for _, given in answers if side.name in given]
    taken = sum(reply.finish == "filtered" for reply in replies)
    cut = sum(reply.finish == "length" for reply in replies)
    if taken:
        yield (
            f"{side.name}: the content filter took {taken:,} of {_answers(len(replies))};"
            " they count as empty answers."
        )
    if cut:
        yield (
            f"{side.name}: {cut:,} of {_answers(len(replies))} ended for being too long; what was"
            " written until then is judged."
        )


def _common(answers: Answers, reference: Side, side: Side) -> Iterator[str]:
    both = sum(reference.name in given and side.name in given for _, given in answers)
    either = sum(reference.name in given or side.name in given for _, given in answers)
    if both < either:
        yield (
            f"{side.name} is compared with {reference.name} over the {both:,} of {_cases(either)}"
            " that both have answered; their own values are over all that each has."
        )


def _not_compared(columns: Sequence[Column], reference: Side, side: Side) -> Iterator[str]:
    reasons: dict[Reason, list[str]] = defaultdict(list)
    for column in columns:
        reason = column.why_not(reference.name, side.name)
        if reason is not None and (column.rows[reference.name] or column.rows[side.name]):
            reasons[reason].append(column.definition.title)
    for reason, titles in reasons.items():
        pair = f"{side.name} and {reference.name}"
        yield f"{pair} are not compared in {_listed(titles)}: {WHY[reason]}."


def _hosted(sides: Sequence[Side], columns: Sequence[Column]) -> Iterator[str]:
    priced = {
        name
        for column in columns
        if column.definition.unit == "USD"
        for name, rows in column.rows.items()
        if rows
    }
    for side in sides:
        hourly = side.price.per_hour_usd
        if side.name in priced and bills_tokens(side) and hourly:
            yield f"{side.name} costs ${hourly:g} an hour on top of its tokens, asked or not."


def _cases(count: int) -> str:
    return f"{count:,} case{'s' if count != 1 else ''}"


def _answers(count: int) -> str:
    return f"{count:,} answer{'s' if count != 1 else ''}"


def _listed(titles: Sequence[str]) -> str:
    return titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} and {titles[-1]}"
