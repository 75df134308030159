"""How every plot of the page is made: text that stays text, colours that the page decides."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, QUIET, FAINT, GROUND = "#1b1f24", "#57606b", "#d0d7de", "#ffffff"
BETTER, WORSE, BAND = "#0b62d6", "#b3470a", "#eaeef2"
SIDES = ("#57606a", "#0b62d7", "#b3470b", "#12804a", "#7a3fbf", "#8a6d00")
"""Of the reference first. Told apart by line and marker, too: see LINES and MARKERS."""
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P")
VARIABLES = {
    INK: "--ink",
    QUIET: "--quiet",
    FAINT: "--faint",
    GROUND: "--ground",
    BETTER: "--better",
    WORSE: "--worse",
    BAND: "--band",
} | {color: f"--side-{number}" for number, color in enumerate(SIDES)}
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 10.0,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "xtick.color": QUIET,
    "ytick.color": INK,
    "grid.color": FAINT,
    "legend.frameon": False,
    "hatch.color": GROUND,
    "text.parse_math": False,  # a side's name may hold a dollar sign
}


@dataclass(frozen=True)
class Plot:
    """A picture, and what it says to who does not see it."""

    title: str
    says: str
    svg: str

    def html(self) -> str:
        """Give it as a figure of the page."""
        label = escape(f"{self.title}. {self.says}")
        return (
            f"<figure><figcaption><strong>{escape(self.title)}</strong> {escape(self.says)}"
            f'</figcaption><div class="wide" role="img" aria-label="{label}">{self.svg}</div>'
            "</figure>"
        )


@contextmanager
def figure(width: float, height: float, name: str) -> Iterator[tuple["Figure", list[str]]]:
    """Open a figure in inches; after the block the list holds its SVG."""
    import matplotlib
    from matplotlib.figure import Figure

    svg: list[str] = []
    style: Any = {**STYLE, "svg.hashsalt": name}
    with matplotlib.rc_context(style):
        drawn = Figure(figsize=(width, height), layout="constrained")
        yield drawn, svg
        text = io.StringIO()
        drawn.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        svg.append(_themed(text.getvalue(), name))


def color_of(number: int) -> str:
    """Give a side's colour."""
    return SIDES[number % len(SIDES)]


def plain(axes: Any) -> None:
    """Take away what says nothing."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.7, linewidth=0.6)
    axes.set_axisbelow(True)


def _themed(svg: str, name: str) -> str:
    """Leave the SVG alone, with variables for colours, ids of its own, and the page's width."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    for color, variable in VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    svg = re.sub(r"\n\s*", "\n", svg)
    head, rest = svg.split(">", 1)
    return re.sub(r' (width|height)="[^"]*"', "", head) + ' aria-hidden="true">' + rest
