"""What is told of a run beside its curves: the best step, a few figures, the verdict.

Standard library only and nothing of the job's: the command line reads runs with it, too.
"""

from collections.abc import Callable
from typing import Any

Facts = dict[str, Any]
Judge = Callable[[list[Facts], list[Facts], int, str], object]


def complete(facts: Facts, judge: Judge) -> Facts:
    """Add to the facts of a run what follows from them; `judge` tells over-fitting."""
    history = facts.get("history") or []
    curve = [point for point in history if "loss" in point]
    evaluations = [point for point in history if "eval_loss" in point]
    measured = [point for point in evaluations if point["step"] > 0]
    best = min(measured, key=lambda point: point["eval_loss"], default=None)
    training = (facts.get("recipe") or {}).get("training") or {}
    found = {**facts, "best_step": best["step"] if best else None}
    found["figures"] = _figures(found, curve, evaluations) | (facts.get("figures") or {})
    if measured:
        kept = best["step"] if best and training.get("keep") == "best" else measured[-1]["step"]
        objective = (facts.get("recipe") or {}).get("objective", "sft")
        found["verdict"] = str(judge(curve, evaluations, facts.get("kept_step") or kept, objective))
    return found


def _figures(facts: Facts, curve: list[Facts], evaluations: list[Facts]) -> dict[str, str]:
    found = {
        "steps": _steps(facts, curve),
        "training loss": _from_to([point["loss"] for point in curve]),
        "validation loss": _from_to([point["eval_loss"] for point in evaluations]),
        "best checkpoint": f"step {facts['best_step']}" if facts.get("best_step") else "",
        "tokens a second": _speed(curve),
        "peak memory": _memory(curve),
    }
    return {name: text for name, text in found.items() if text}


def _steps(facts: Facts, curve: list[Facts]) -> str:
    if not curve:
        return ""
    return (
        f"{curve[-1]['step']} of {facts['steps']}" if facts.get("steps") else str(curve[-1]["step"])
    )


def _from_to(values: list[float]) -> str:
    if not values:
        return ""
    return f"{values[0]:.3f} → {values[-1]:.3f}" if len(values) > 1 else f"{values[0]:.3f}"


def _speed(curve: list[Facts]) -> str:
    known = [point["tokens_per_second"] for point in curve if "tokens_per_second" in point]
    return f"{sorted(known)[len(known) // 2]:,.0f} (median)" if known else ""


def _memory(curve: list[Facts]) -> str:
    for name, what in (("gpu_memory_mb", "GPU"), ("memory_mb", "RAM")):
        known = [point[name] for point in curve if name in point]
        if known:
            return f"{max(known) / 1024:.1f} GiB {what}"
    return ""
