"""One line of a running job: step, losses, speed, memory, time left and cost so far."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from commands.jobs.cost import JobCost, utc_now

FIGURES = ("epoch", "loss", "eval_loss", "learning_rate")


def metrics_line(values: dict[str, Any], *more: str) -> str:
    """Write what was measured at a step in one line, and `more` behind it."""
    parts = []
    if "step" in values:
        steps = f"/{values['steps']}" if values.get("steps") else ""
        parts.append(f"step {values['step']}{steps}")
    known = {name: value for name, value in values.items() if isinstance(value, int | float)}
    parts += [
        f"{name.replace('_', ' ')} {_figure(name, known[name])}"
        for name in FIGURES
        if name in known
    ]
    if "tokens_per_second" in known:
        parts.append(f"{known['tokens_per_second']:,.0f} tokens/s")
    parts += [memory_text(known), *more]
    return "  ".join(part for part in parts if part)


def memory_text(values: dict[str, Any]) -> str:
    """Write the peak memory, of a GPU where there is one."""
    for name, what in (("gpu_memory_mb", "GPU"), ("memory_mb", "RAM")):
        if name in values:
            return f"{what} {values[name] / 1024:.1f} GiB"
    return ""


def eta_text(seconds: float | None) -> str:
    """Write how long the training still takes."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"ETA {max(0, seconds):.0f} s"
    minutes = round(seconds / 60)
    return f"ETA {minutes} min" if minutes < 90 else f"ETA {minutes // 60} h {minutes % 60:02d} min"


def _figure(name: str, value: float) -> str:
    if name == "learning_rate":
        return f"{value:.2g}"
    return f"{value:.2f}" if name == "epoch" else f"{value:.3f}"


class Meter:
    """What a job costs while it runs; its price and times are read once, when it runs."""

    def __init__(self, read: Callable[[], JobCost] | None) -> None:
        self._read = read
        self._cost = JobCost(None)

    def begin(self) -> None:
        """Read price and start; a start that is not told yet is now."""
        if self._read is not None and self._cost.per_hour is None:
            found = self._read()
            self._cost = replace(found, started=found.started or utc_now())

    @property
    def is_free(self) -> bool:
        """Tell whether it costs nothing, which need not stand in every line."""
        return self._cost.per_hour == 0

    def told(self) -> str:
        """Say what it has cost by now; empty where that is not known."""
        return self._cost.told(utc_now())
