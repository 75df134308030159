"""The plots: differences with their intervals, what changed case by case, latency, checkpoints."""

import re
from collections.abc import Sequence
from textwrap import shorten
from typing import Any

from evaluation.report.drawing import (
    BAND,
    BETTER,
    FAINT,
    INK,
    LINES,
    MARKERS,
    QUIET,
    WORSE,
    Plot,
    color_of,
    figure,
    plain,
)
from evaluation.report.numbers import difference_of
from evaluation.report.verdicts import told
from evaluation.results import Difference, Evaluation, Metric

BINS = 24
AXES = {
    "share": "points of a hundred",
    "score": "score, of 1",
    "points": "points, of 100",
    "seconds": "seconds",
    "tokens": "tokens",
    "USD": "USD",
    "nats": "nats",
    "ratio": "ratio",
}
SHAPES = {"better": ">", "worse": "<", "alike": "s", "too few": "o", "different": "D"}


def forest(evaluation: Evaluation, candidate: str) -> Plot | None:
    """Draw every difference with its interval and the band that does not matter."""
    rows = [
        (metric, difference)
        for metric in evaluation.metrics
        if (difference := metric.differences.get(candidate)) is not None
        and difference.value is not None
        and difference.interval is not None
        and metric.better
    ]
    units = list(dict.fromkeys(metric.unit for metric, _ in rows))
    if not rows:
        return None
    groups = [[row for row in rows if row[0].unit == unit] for unit in units]
    # A panel takes its rows and the room of its own axis.
    heights = [len(group) + 1.1 for group in groups]
    with figure(4.8, 0.5 * sum(heights) + 0.1, f"forest-{_slug(candidate)}") as (drawn, svg):
        panels = drawn.subplots(len(groups), 1, squeeze=False, height_ratios=heights)
        for axes, group in zip(panels[:, 0], groups, strict=True):
            _panel(axes, group)
    reference = evaluation.sides[0].name
    return Plot(
        f"{candidate} less {reference}.",
        "To the right of zero it is better. The line is the interval, the grey band the difference"
        " that does not matter; filled marks are sure, hollow ones are not.",
        svg[0],
    )


def _panel(axes: Any, rows: Sequence[tuple[Metric, Difference]]) -> None:
    unit = rows[0][0].unit
    scale = 100.0 if unit == "share" else 1.0
    for place, (metric, difference) in enumerate(reversed(rows)):
        _row(axes, place, metric, difference, scale)
    axes.set_yticks([])
    axes.set_ylim(-0.45, len(rows) - 0.3)
    axes.tick_params(length=0, labelsize=8.5)
    axes.margins(x=0.06)
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.set_xlabel(AXES[unit], fontsize=8.5, color=QUIET, labelpad=1)
    plain(axes)
    axes.spines["left"].set_visible(False)


def _row(axes: Any, place: int, metric: Metric, difference: Difference, scale: float) -> None:
    assert difference.value is not None
    assert difference.interval is not None
    sign = -scale if metric.better == "lower" else scale
    ends = sorted((sign * difference.interval.low, sign * difference.interval.high))
    color = {"better": BETTER, "worse": WORSE}.get(difference.judgement, QUIET)
    margin = metric.margin * scale
    axes.barh(place, 2 * margin, left=-margin, height=0.36, color=BAND, linewidth=0)
    axes.vlines(0, place - 0.24, place + 0.24, color=INK, linewidth=1)  # not through the words
    axes.plot(ends, [place, place], color=color, linewidth=2.2, solid_capstyle="butt")
    sure = difference.judgement != "too few"
    axes.plot(
        [sign * difference.value], [place], SHAPES[difference.judgement], color=color,
        markersize=8, markerfacecolor=color if sure else "none", markeredgewidth=1.6,
    )  # fmt: skip
    above = {"xy": (0, place + 0.28), "xycoords": ("axes fraction", "data"), "va": "bottom"}
    title = shorten(metric.title, 38, placeholder=" …")
    axes.annotate(title, fontsize=9.5, **above)
    text = f"{difference_of(difference.value, metric.unit)}, {told(difference)}"
    right = {**above, "xy": (1, place + 0.28)}
    axes.annotate(text, fontsize=9, color=color, ha="right", **right)


def changes(evaluation: Evaluation, candidate: str, metric: Metric) -> Plot | None:
    """Draw by how much single cases changed: a histogram, or for yes and no four counts."""
    reference = evaluation.sides[0].name
    both = _both(evaluation, metric, reference, candidate)
    if len(both) < 2:
        return None
    sign = -1 if metric.better == "lower" else 1
    if {value for pair in both for value in pair} <= {0.0, 1.0}:
        return _four_counts(reference, candidate, metric, both)
    return _histogram(reference, candidate, metric, [sign * (b - a) for a, b in both])


def _both(
    evaluation: Evaluation, metric: Metric, reference: str, candidate: str
) -> list[tuple[float, float]]:
    found = [result.scores.get(metric.name, {}) for result in evaluation.cases]
    pairs = [(one.get(reference), one.get(candidate)) for one in found]
    return [(a, b) for a, b in pairs if a is not None and b is not None]


def _four_counts(
    reference: str, candidate: str, metric: Metric, both: list[tuple[float, float]]
) -> Plot:
    good = (1.0, 0.0) if metric.better != "lower" else (0.0, 1.0)
    counts = {
        "both": both.count((good[0], good[0])),
        f"only {candidate}": both.count((good[1], good[0])),
        f"only {reference}": both.count((good[0], good[1])),
        "neither": both.count((good[1], good[1])),
    }
    colors, hatches = (FAINT, BETTER, WORSE, BAND), ("", "", "////", "")
    with figure(5.2, 1.9, f"counts-{_slug(candidate + metric.name)}") as (drawn, svg):
        axes = drawn.subplots()
        bars = axes.barh(list(counts)[::-1], list(counts.values())[::-1], height=0.72)
        for bar, color, hatch in zip(bars, colors[::-1], hatches[::-1], strict=True):
            bar.set(facecolor=color, hatch=hatch, linewidth=0)
        axes.bar_label(bars, padding=4)
        axes.tick_params(length=0)
        axes.margins(x=0.12)
        plain(axes)
    said = ", ".join(f"{name} {count}" for name, count in counts.items())
    return Plot(f"{metric.title}, case by case.", f"Held by: {said}.", svg[0])


def _histogram(reference: str, candidate: str, metric: Metric, gains: list[float]) -> Plot:
    from matplotlib.ticker import MaxNLocator

    better, worse = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    most = max(map(abs, gains)) or 1.0
    width = 2 * most / BINS
    edges = [-most + width * number for number in range(BINS + 1)]
    with figure(5.2, 2.3, f"gains-{_slug(candidate + metric.name)}") as (drawn, svg):
        axes = drawn.subplots()
        axes.hist([g for g in gains if g > 0], edges, color=BETTER, label=f"{better} better")
        axes.hist([g for g in gains if g < 0], edges, color=WORSE, hatch="////",
                  label=f"{worse} worse")  # fmt: skip
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_ylabel("cases")
        axes.set_xlabel(f"{metric.title}: gain of {candidate}", fontsize=9, color=QUIET)
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.legend(loc="upper left", fontsize=8.5, bbox_to_anchor=(1, 1))
        plain(axes)
    equal = len(gains) - better - worse
    says = f"Better on {better}, equal on {equal}, worse on {worse} of {len(gains)} cases."
    return Plot(f"{metric.title}, case by case.", says, svg[0])


def latency(evaluation: Evaluation) -> Plot | None:
    """Draw the share of answers that came within so many seconds, a line a side."""
    found = {
        side.name: sorted(
            reply.seconds
            for result in evaluation.cases
            if (reply := result.replies.get(side.name)) is not None and reply.seconds is not None
        )
        for side in evaluation.sides
        if side.where == "endpoint"
    }
    found = {name: seconds for name, seconds in found.items() if len(seconds) > 1}
    if not found:
        return None
    numbers = {side.name: number for number, side in enumerate(evaluation.sides)}
    with figure(5.2, 2.5, "latency") as (drawn, svg):
        axes = drawn.subplots()
        for name, seconds in found.items():
            line = LINES[numbers[name] % len(LINES)]
            axes.plot(*_steps(seconds), linestyle=line, color=color_of(numbers[name]),
                      label=name, linewidth=1.8)  # fmt: skip
        axes.set_xlim(left=0)
        axes.set_xlabel("seconds to the last word", fontsize=9, color=QUIET)
        axes.set_ylabel("% of answers")
        axes.legend(loc="lower right", fontsize=8.5)
        plain(axes)
    medians = ", ".join(f"{name} {_middle(seconds):.3g} s" for name, seconds in found.items())
    return Plot("How long an answer takes.", f"Half of them within: {medians}.", svg[0])


def _steps(seconds: list[float], most: int = 200) -> tuple[list[float], list[float]]:
    """Give an ECDF in at most so many points."""
    count = len(seconds)
    places = sorted({round(k * (count - 1) / (most - 1)) for k in range(most)})
    return [seconds[place] for place in places], [100 * (place + 1) / count for place in places]


def _middle(values: list[float]) -> float:
    return values[len(values) // 2]


def over_sides(evaluation: Evaluation, metric: Metric) -> Plot | None:
    """Draw a metric of more than two sides, with intervals; checkpoints along their steps."""
    scale = 100.0 if metric.unit == "share" else 1.0
    points = [
        (number, side.name, measured.value * scale, measured.interval)
        for number, side in enumerate(evaluation.sides)
        if (measured := metric.sides.get(side.name)) is not None and measured.value is not None
    ]
    if len(points) < 3:
        return None
    steps = {name: step for _, name, _, _ in points if (step := step_of(name)) is not None}
    with figure(5.2, 2.5, f"sides-{_slug(metric.name)}") as (drawn, svg):
        axes = drawn.subplots()
        for place, (number, name, value, interval) in enumerate(points):
            at = steps.get(name, place) if len(steps) > 1 else place
            if len(steps) > 1 and name not in steps:
                axes.axhline(value, color=color_of(number), linestyle=LINES[number % 6], label=name)
                continue
            low, high = ((interval.low * scale, interval.high * scale) if interval
                         else (value, value))  # fmt: skip
            marker = "o" if len(steps) > 1 else MARKERS[number % 6]
            color = BETTER if len(steps) > 1 else color_of(number)
            axes.plot([at, at], [low, high], color=color, linewidth=1.8)
            axes.plot([at], [value], marker, color=color, markersize=7)
        _label_sides(axes, points, steps)
        axes.set_ylabel(AXES[metric.unit] if metric.unit != "share" else "%", fontsize=9)
        plain(axes)
        axes.grid(axis="y", alpha=0.7, linewidth=0.6)
    way = {"higher": "Higher is better.", "lower": "Lower is better."}.get(metric.better, "")
    return Plot(f"{metric.title}, all sides.", way, svg[0])


def _label_sides(axes: Any, points: Sequence[Any], steps: dict[str, int]) -> None:
    if len(steps) > 1:
        line = sorted((steps[name], value) for _, name, value, _ in points if name in steps)
        axes.plot(*zip(*line, strict=True), color=BETTER, linewidth=1, zorder=1)
        axes.set_xlabel("step", fontsize=9, color=QUIET)
        if len(steps) < len(points):
            axes.legend(loc="upper left", fontsize=8.5, bbox_to_anchor=(1, 1))
        return
    axes.set_xticks(range(len(points)), [name for _, name, _, _ in points], rotation=20, ha="right")


def step_of(name: str) -> int | None:
    """Give a checkpoint's step by its side's name, `JOB@STEP`; None where it is none."""
    found = re.search(r"@(?:step-|checkpoint-)?(\d+)$", name)
    return int(found[1]) if found else None


def _slug(name: str) -> str:
    import hashlib

    return hashlib.sha256(name.encode()).hexdigest()[:8]
