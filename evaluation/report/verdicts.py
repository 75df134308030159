"""What an evaluation says in plain words: which side is better, at what, and how sure that is.

Better and worse are the judgements of evaluation/numbers/judging.py. Where an interval leaves out
zero and the judgement is "too few" all the same, it is told as what it is: it looks so, and is not
sure.

Which side is better is said by the main metrics alone, where the suite has declared any: one of
them at least is better, and none is worse. What the others found is told after them, as secondary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.report.numbers import (
    difference_of,
    interval_of,
    margin_of,
    p_of,
    share_of,
    value_of,
)
from evaluation.results import Difference, Evaluation, Metric

COSTS = ("seconds", "USD", "tokens")
"""Units of what an answer takes; all other metrics are about how good it is."""
ASIDE = ("empty", "filtered", "cut_off")
"""Told where they differ, but none of them makes a model the better one."""
DECIDED = ("better", "worse")
SINGLE = (*DECIDED, "not sure", "different")
"""What has a sentence of its own; the rest shares one."""
SECONDARY = "(secondary) "
NAMED = 3
"""Measures that a headline names."""
Compared = Sequence[tuple[Metric, Difference]]


@dataclass(frozen=True)
class Sentence:
    """One thing that was found, and how it is to be taken: a judgement, or `not sure`."""

    kind: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """What is said of a side against the reference."""

    candidate: str
    short: str
    """Which is better, in one sentence."""
    sentences: tuple[Sentence, ...]


def candidates(evaluation: Evaluation) -> tuple[str, ...]:
    """Give the sides that are compared with the first."""
    return tuple(side.name for side in evaluation.sides[1:])


def verdict(evaluation: Evaluation, candidate: str) -> Verdict:
    """Say what was found of one side against the reference."""
    compared = [
        (metric, difference)
        for metric in evaluation.metrics
        if (difference := metric.differences.get(candidate)) is not None
        and difference.value is not None
    ]
    main = [one for one in compared if one[0].is_main]
    others = [one for one in compared if not one[0].is_main]
    lead = SECONDARY if evaluation.decides else ""
    return Verdict(
        candidate,
        _short(evaluation, candidate, _deciding(evaluation, compared)),
        (
            *_sentences(evaluation, candidate, main),
            *(
                Sentence(one.kind, f"{lead}{one.text}")
                for one in _sentences(evaluation, candidate, others)
            ),
        ),
    )


def told(difference: Difference) -> str:
    """Give the judgement of a difference in a word or four."""
    if difference.judgement != "too few":
        return difference.judgement
    return f"too few{f' (about {difference.needed:,})' if difference.needed else ''}"


def _deciding(evaluation: Evaluation, compared: Compared) -> Compared:
    """Give what says which side is better: what was declared, else all that is about quality."""
    if evaluation.decides:
        return [one for one in compared if one[0].is_main]
    return [
        (metric, difference)
        for metric, difference in compared
        if metric.better and metric.unit not in COSTS and metric.name not in ASIDE
    ]


def _sentences(evaluation: Evaluation, candidate: str, compared: Compared) -> list[Sentence]:
    single = [_single(evaluation, candidate, *one) for one in compared if _kind(*one) in SINGLE]
    single.sort(key=lambda sentence: SINGLE.index(sentence.kind))
    return single + _together([one for one in compared if one[0].better])


def _kind(metric: Metric, difference: Difference) -> str:
    """Give a judgement, or `not sure` for what looks better or worse and is not shown to be."""
    span = difference.interval
    if difference.judgement != "too few" or span is None or not metric.better:
        return difference.judgement
    return "not sure" if span.low > 0 or span.high < 0 else "too few"


def _single(
    evaluation: Evaluation, candidate: str, metric: Metric, difference: Difference
) -> Sentence:
    reference, kind = evaluation.sides[0].name, _kind(metric, difference)
    mine, its = (value_of(metric.sides[name].value, metric.unit) for name in (candidate, reference))
    gained = ((difference.value or 0) > 0) == (metric.better == "higher")
    verb = {"different": "gives", "not sure": f"looks {'better' if gained else 'worse'},"}
    text = (
        f"{metric.title}: {candidate} {verb.get(kind, f'is {kind},')} {mine} against {its} over"
        f" {_cases(difference.cases)} ({_evidence(evaluation, metric, difference)})."
    )
    if kind == "not sure":
        about = f"; about {difference.needed:,} cases would tell" if difference.needed else ""
        text += f" That may be chance{about}."
    return Sentence(kind, text)


def _evidence(evaluation: Evaluation, metric: Metric, difference: Difference) -> str:
    parts = [f"difference {difference_of(difference.value, metric.unit)}"]
    if difference.interval:
        span = interval_of(difference.interval, metric.unit)
        parts.append(f"{share_of(evaluation.confidence)} interval {span}")
    said = ", ".join(parts)
    if not difference.test:
        return said
    alone, corrected = p_of(difference.p), p_of(difference.p_corrected)
    more = f", corrected {corrected}" if corrected not in ("", alone) else ""
    return f"{said}; {difference.test} {alone}{more}"


def _together(compared: Compared) -> list[Sentence]:
    kinds: dict[str, list[str]] = {"alike": [], "too few": []}
    for metric, difference in compared:
        if (kind := _kind(metric, difference)) in kinds:
            kinds[kind].append(metric.title + _aside(metric, difference))
    leads = {"alike": "Alike", "too few": "Too few cases to tell"}
    return [
        Sentence(kind, f"{leads[kind]}: {_listed(titles)}.")
        for kind, titles in kinds.items()
        if titles
    ]


def _aside(metric: Metric, difference: Difference) -> str:
    if difference.judgement == "alike":
        return f" (within {margin_of(metric)})"
    return f" (about {difference.needed:,} would)" if difference.needed else ""


def _short(evaluation: Evaluation, candidate: str, deciding: Compared) -> str:
    reference, measures = evaluation.sides[0].name, _measures(evaluation, deciding)
    better, worse = (
        [metric.title for metric, difference in deciding if difference.judgement == judgement]
        for judgement in DECIDED
    )
    if better and worse:
        return (
            f"{candidate} is better than {reference} in {len(better)} of {measures}"
            f" ({_few(better)}), and worse in {len(worse)} ({_listed(worse)})."
        )
    if better or worse:
        word, other = ("better", "worse") if better else ("worse", "better")
        count = f"{len(better or worse)} of {measures} ({_few(better or worse)})"
        return f"{candidate} is {word} than {reference} in {count}, {other} in none."
    return _undecided(evaluation, candidate, deciding)


def _undecided(evaluation: Evaluation, candidate: str, deciding: Compared) -> str:
    reference = evaluation.sides[0].name
    judgements = {difference.judgement for _, difference in deciding}
    if not judgements:
        what = "None of the main measures" if evaluation.decides else "Nothing"
        return f"{what} was measured on both {reference} and {candidate}."
    if judgements == {"alike"}:
        where = _measures(evaluation, deciding) if evaluation.decides else "that was measured"
        return f"{candidate} and {reference} are alike in all {where}."
    needed = [difference.needed for _, difference in deciding if difference.needed]
    more = f"; about {min(needed):,} might" if needed else ""
    return f"Too few cases to tell {candidate} from {reference}{more}."


def _measures(evaluation: Evaluation, deciding: Compared) -> str:
    main = "main " if evaluation.decides else ""
    return f"{len(deciding)} {main}measure{'s' if len(deciding) != 1 else ''}"


def _few(titles: Sequence[str]) -> str:
    """Name the first of them: a headline is no table."""
    return _listed([*titles[:NAMED], *(["…"] if len(titles) > NAMED else [])])


def _listed(parts: Sequence[str]) -> str:
    """Join with semicolons: a metric's title may hold a comma."""
    return "; ".join(parts)


def _cases(count: int) -> str:
    return f"{count:,} case{'s' if count != 1 else ''}"
