"""A run's losses as a small picture: SVG of a few hundred bytes, coloured by the page."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from commands.status.page.markup import Html, tag

WIDTH, HEIGHT = 320, 92
EDGE, LEFT = 9, 36
"""Room around the lines: for the dots at their ends, and for the losses beside them."""
MOST = 140
"""Points of a line; more cannot be told apart."""

Point = tuple[float, float]


def sparkline(history: Sequence[Mapping[str, Any]], kept: int | None) -> Html | None:
    """Draw training and validation loss by step; None where nothing was measured.

    A loss that is no number is a gap. The dot is the evaluation of the step that is kept.
    """
    trained, evaluated = _points(history, "loss"), _points(history, "eval_loss")
    known = [point for point in (*trained, *evaluated) if math.isfinite(point[1])]
    if not known:
        return None
    place = _Scale(known)
    dots = [point for point in evaluated if point[0] == kept and math.isfinite(point[1])]
    lines = [
        *place.labels(),
        *_lines(_thinned(trained), place, "train"),
        *_lines(evaluated, place, "eval"),
        *(_dot(point, place, "eval") for point in dots or _alone(evaluated)),
    ]
    told = "; ".join(filter(None, (_told("training", trained), _told("validation", evaluated))))
    return tag(
        "svg", tag("title", told), tag("g", lines),
        class_="spark", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=told,
    )  # fmt: skip


class _Scale:
    """Where a step and a loss lie in the picture."""

    def __init__(self, points: Sequence[Point]) -> None:
        steps, values = [x for x, _ in points], [y for _, y in points]
        self.left, self.low = min(steps), min(values)
        self.top = max(values)
        self.wide = (max(steps) - self.left) or 1.0
        self.high = (self.top - self.low) or 1.0

    def labels(self) -> list[Html]:
        """Write the highest and the lowest loss beside the lines."""
        places = ((self.top, EDGE + 3), (self.low, HEIGHT - EDGE + 3))
        return [tag("text", f"{value:.2f}", x=LEFT - 7, y=y) for value, y in places]

    def __call__(self, point: Point) -> str:
        x = LEFT + (point[0] - self.left) / self.wide * (WIDTH - LEFT - EDGE)
        y = HEIGHT - EDGE - (point[1] - self.low) / self.high * (HEIGHT - 2 * EDGE)
        return f"{x:.1f} {y:.1f}"


def _points(history: Sequence[Mapping[str, Any]], name: str) -> list[Point]:
    found = {float(row["step"]): float(row[name]) for row in history if row.get(name) is not None}
    return sorted(found.items())


def _lines(points: Sequence[Point], place: _Scale, kind: str) -> Iterable[Html]:
    """Draw a line for each stretch of numbers."""
    stretch: list[str] = []
    for point in (*points, (0.0, math.nan)):
        if math.isfinite(point[1]):
            stretch.append(place(point))
        elif stretch:
            yield tag("path", d="M" + "L".join(stretch), class_=kind)
            stretch = []


def _alone(points: Sequence[Point]) -> list[Point]:
    """Give an evaluation that has no second to draw a line to."""
    return [point for point in points if math.isfinite(point[1])] if len(points) == 1 else []


def _dot(point: Point, place: _Scale, kind: str) -> Html:
    x, y = place(point).split()
    return tag("circle", cx=x, cy=y, r="3.5", class_=kind)


def _thinned(points: Sequence[Point]) -> list[Point]:
    """Average neighbours until the line has few enough points; its ends stay."""
    if len(points) <= MOST:
        return list(points)
    inner, wide = points[1:-1], math.ceil((len(points) - 2) / (MOST - 2))
    groups = [inner[at : at + wide] for at in range(0, len(inner), wide)]
    means = [tuple(sum(part) / len(group) for part in zip(*group, strict=True)) for group in groups]
    return [points[0], *((x, y) for x, y in means), points[-1]]


def _told(name: str, points: Sequence[Point]) -> str:
    if not points:
        return ""
    first, last = points[0], points[-1]
    if len(points) == 1:
        return f"{name} loss {first[1]:.3f} at step {first[0]:.0f}"
    return f"{name} loss {first[1]:.3f} to {last[1]:.3f}, steps {first[0]:.0f} to {last[0]:.0f}"


def legend() -> Html:
    """Say what the lines are."""
    told = "validation loss; the dot is the model that was kept"
    return tag(
        "p",
        tag("span", tag("i", class_="line train"), "training loss"),
        tag("span", tag("i", class_="line eval"), told),
        class_="legend",
    )
