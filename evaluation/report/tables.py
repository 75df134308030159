"""The page's tables: every metric of every side, what was run, and what to keep in mind."""

from collections.abc import Iterable, Sequence
from html import escape

from evaluation.report.numbers import (
    difference_of,
    interval_of,
    margin_of,
    p_of,
    share_of,
    value_of,
)
from evaluation.report.verdicts import candidates, told
from evaluation.results import Difference, Evaluation, Measured, Metric
from evaluation.sides import Side

LIMITS = (
    "Rules read words, not meaning: a pattern can miss what it has no word for, and can take a"
    " mention for a recommendation.",
    "ROUGE, BLEU, chrF and F1 count words shared with one reference: another good answer scores"
    " low.",
    "All of it holds for questions like these: the intervals say how other questions of the same"
    " kind would move the numbers, not how another kind would.",
)


def metrics_table(evaluation: Evaluation) -> str:
    """Write all metrics: what each means, its values, differences and judgements."""
    others = candidates(evaluation)
    reference = evaluation.sides[0].name
    head = [f"<th scope=col>{escape(side.name)}" for side in evaluation.sides]
    head += [f"<th scope=col>{escape(name)} less {escape(reference)}" for name in others]
    rows = "".join(_metric_row(evaluation, metric, others) for metric in evaluation.metrics)
    caption = (
        f"Below a value: its {share_of(evaluation.confidence)} interval over the cases, by"
        f" {evaluation.resamples:,} paired resamples."
    )
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="All metrics">'
        f'<table class="metrics"><caption>{caption}</caption>'
        f"<thead><tr><th scope=col>Metric{''.join(head)}<tbody>{rows}</table></div>"
    )


def _metric_row(evaluation: Evaluation, metric: Metric, others: Sequence[str]) -> str:
    way = {"higher": "Higher is better", "lower": "Lower is better"}.get(metric.better, "")
    margin = f"; {margin_of(metric)} is no difference" if metric.margin and way else ""
    family = ("Main" if metric.is_main else "Secondary") if evaluation.decides else ""
    means = ". ".join(part for part in (family, metric.note.rstrip("."), way + margin) if part)
    names = [side.name for side in evaluation.sides]
    # On a narrow screen the heads go, and each cell says whose it is.
    cells = [
        f'<td data-side="{escape(name)}">{_value(metric, metric.sides.get(name))}' for name in names
    ]
    cells += [
        f'<td class="less" data-side="{escape(name)} less {escape(names[0])}">'
        f"{_difference(metric, metric.differences.get(name))}"
        for name in others
    ]
    return (
        f'<tr><th scope=row>{escape(metric.title)}<span class="small">{escape(means)}</span>'
        f"{''.join(cells)}"
    )


def _value(metric: Metric, measured: Measured | None) -> str:
    if measured is None or measured.value is None:
        return '<span class="quiet">not measured</span>'
    span = interval_of(measured.interval, metric.unit, signed=False) if measured.interval else ""
    cases = f"{measured.cases:,} cases" if measured.cases else ""
    below = " · ".join(part for part in (span, cases) if part)
    return f'{value_of(measured.value, metric.unit)}<span class="small">{below}</span>'


def _difference(metric: Metric, found: Difference | None) -> str:
    if found is None or found.value is None:
        return '<span class="quiet">–</span>'
    lines = [interval_of(found.interval, metric.unit)] if found.interval else []
    if found.test:
        corrected = p_of(found.p_corrected)
        more = f" ({corrected.removeprefix('p ')} corrected)" if corrected else ""
        lines.append(f"{escape(found.test)} {p_of(found.p)}{more}")
    below = "".join(f'<span class="small">{line}</span>' for line in lines)
    return f"{difference_of(found.value, metric.unit)} {judgement(found)}{below}"


def judgement(found: Difference) -> str:
    """Write a judgement as a word in its frame; a broken one where it is not sure."""
    return f'<span class="word {found.judgement.removeprefix("too ")}">{escape(told(found))}</span>'


def facts(evaluation: Evaluation, common_system: str) -> str:
    """Write what was run: enough to do it again."""
    kinds: dict[str, int] = {}
    for result in evaluation.cases:
        kinds[result.case.kind] = kinds.get(result.case.kind, 0) + 1
    rows = [
        ("Suite", f"{evaluation.suite.name}, SHA-256 {evaluation.suite.sha256}"),
        ("Data", f"{evaluation.data.name}, SHA-256 {evaluation.data.sha256}"),
        ("Cases", ", ".join(f"{count:,} {kind}" for kind, count in kinds.items()) or "none"),
        ("Decoding", _decoding(evaluation)),
        ("Intervals", f"{share_of(evaluation.confidence)}, {evaluation.resamples:,} paired"
         f" resamples, seed {evaluation.seed}"),
        ("Stack", evaluation.stack),
        ("Made", evaluation.made),
        ("System message", common_system),
    ]  # fmt: skip
    table = "".join(
        f"<tr><th scope=row>{escape(name)}<td>{escape(value)}" for name, value in rows if value
    )
    suite = (
        f"<details><summary>The suite as it was read</summary><pre>{escape(evaluation.suite_text)}"
        "</pre></details>" if evaluation.suite_text else ""
    )  # fmt: skip
    return (
        f'<div class="wide"><table class="facts"><tbody>{table}</table></div>'
        f"<h3>Who answered</h3>{_sides(evaluation.sides)}{suite}"
    )


def _decoding(evaluation: Evaluation) -> str:
    chosen = evaluation.decoding
    way = "greedy" if chosen.temperature == 0 else (
        f"temperature {chosen.temperature:g}, top-p {chosen.top_p:g}, seed {chosen.seed}"
    )  # fmt: skip
    return f"{way}, at most {chosen.max_tokens:,} tokens, the same for every side"


def _sides(sides: Iterable[Side]) -> str:
    rows = "".join(
        f"<tr><th scope=row>{escape(side.name)}<td>{escape(side.model or side.role)}"
        f"<td>{_place(side)}<td>{escape(_price(side))}<td>{_identity(side)}"
        for side in sides
    )
    head = "".join(
        f"<th scope=col>{name}" for name in ("Side", "Model", "Where", "Price", "Identity")
    )
    return f'<div class="wide"><table class="facts"><thead><tr>{head}<tbody>{rows}</table></div>'


def _place(side: Side) -> str:
    place = {"node": "a job on a node", "endpoint": "where it is deployed", "file": "saved answers"}
    return escape(", ".join(part for part in (place[side.where], side.route) if part))


def _price(side: Side) -> str:
    price = side.price
    parts = [
        f"training {value_of(price.training_usd, 'USD')}" if price.training_usd is not None else "",
        f"{value_of(price.per_hour_usd, 'USD')} an hour" if price.per_hour_usd is not None else "",
        f"{value_of(price.input_usd_per_million, 'USD')} in, "
        f"{value_of(price.output_usd_per_million, 'USD')} out per million tokens"
        if price.input_usd_per_million is not None else "",
        price.source, price.training_source,
    ]  # fmt: skip
    return "; ".join(part for part in parts if part) or "not known"


def _identity(side: Side) -> str:
    known = "".join(f"{escape(name)}: {escape(value)}<br>" for name, value in side.identity.items())
    return f"<details><summary><code>{side.key}</code></summary><code>{known}</code></details>"


def notes(evaluation: Evaluation) -> str:
    """Write what a reader has to know."""
    items = "".join(f"<li>{escape(note)}</li>" for note in (*evaluation.notes, *LIMITS))
    return f"<ul>{items}</ul>"
