"""The curves of a run as one drawing: PNG for wherever a picture is looked at, SVG for its page.

The SVG's colours are put in as CSS variables, so that the page decides between light and dark.
"""

import io
import re
from typing import Any

INK, FAINT, GROUND = "#1b1f24", "#d0d7de", "#ffffff"
TRAIN, VALIDATION, RATE, SPEED, MEMORY = "#0b62d6", "#c2500a", "#7a3fbf", "#12804a", "#8a6d00"
VARIABLES = {
    INK: "--ink",
    FAINT: "--faint",
    GROUND: "--ground",
    TRAIN: "--train",
    VALIDATION: "--validation",
    RATE: "--rate",
    SPEED: "--speed",
    MEMORY: "--memory",
}
STYLE = {
    "svg.fonttype": "none",  # text stays text: it can be found and takes the page's colours
    "svg.hashsalt": "tunestack",
    "font.size": 9.0,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.facecolor": GROUND,
    "figure.facecolor": GROUND,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": FAINT,
    "legend.frameon": False,
}

Point = dict[str, Any]


def draw(history: list[Point], title: str, best: int | None = None) -> tuple[bytes, str]:
    """Draw loss, learning rate, speed and memory over the steps; give the PNG and the SVG."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 8), layout="constrained")
        loss, rate, speed = figure.subplots(3, 1, sharex=True, height_ratios=(3, 1, 1.4))
        figure.suptitle(title, fontsize=11)
        _draw_loss(loss, history, best)
        _plain(rate, history, "learning_rate", RATE, "learning rate")
        _plain(speed, history, "tokens_per_second", SPEED, "tokens a second")
        _draw_memory(speed, history)
        speed.set_xlabel("step")
        return _saved(figure)


def _draw_loss(axes: Any, history: list[Point], best: int | None) -> None:
    trained = series(history, "loss")
    measured = series(history, "eval_loss")
    axes.plot(*trained, color=TRAIN, linewidth=1.4, label="training loss")
    axes.plot(*measured, color=VALIDATION, marker="o", markersize=4, label="validation loss")
    if best is not None:
        axes.axvline(best, color=VALIDATION, linestyle=":", label=f"best checkpoint, step {best}")
    _finish(axes, "loss")
    if trained[0] or measured[0]:
        axes.legend(loc="best")


def _plain(axes: Any, history: list[Point], name: str, color: str, label: str) -> None:
    axes.plot(*series(history, name), color=color, linewidth=1.4)
    _finish(axes, label)
    axes.yaxis.label.set_color(color)


def _draw_memory(beside: Any, history: list[Point]) -> None:
    name = "gpu_memory_mb" if series(history, "gpu_memory_mb")[0] else "memory_mb"
    steps, megabytes = series(history, name)
    if not steps:
        return
    axes = beside.twinx()
    axes.plot(steps, [value / 1024 for value in megabytes], color=MEMORY, linestyle="--")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("GPU memory, GiB" if name.startswith("gpu") else "memory, GiB", color=MEMORY)
    axes.spines[:].set_visible(False)


def _finish(axes: Any, label: str) -> None:
    axes.set_ylabel(label)
    axes.grid(alpha=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def series(history: list[Point], name: str) -> tuple[list[int], list[float]]:
    """Take one figure over the steps; a step that was measured twice counts the last time."""
    found = {
        int(point["step"]): float(point[name])
        for point in history
        if isinstance(point.get(name), int | float) and "step" in point
    }
    steps = sorted(found)
    return steps, [found[step] for step in steps]


def _saved(figure: Any) -> tuple[bytes, str]:
    png, svg = io.BytesIO(), io.StringIO()
    figure.savefig(png, format="png", dpi=130, metadata={"Software": None})
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    return png.getvalue(), _themed(svg.getvalue())


def _themed(svg: str) -> str:
    """Leave the SVG alone, with variables for colours and the page's width."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, count=1, flags=re.DOTALL)
    for color, variable in VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    return re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1).replace(
        ' height="', ' data-height="', 1
    )
