"""Which cases show best what changed: by how much a side gained or lost on each.

The score is declared on the page: first the rules (each one kept or broken, safety prompts too),
then the first of MAIN that both sides have. It only orders cases; no verdict rests on it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from evaluation.results import CaseResult, Evaluation, Metric

MAIN = ("rouge_l", "f1", "chrf", "bleu", "exact_match", "token_accuracy", "perplexity")


@dataclass(frozen=True)
class Pair:
    """A case, and what the candidate gained on it over the reference."""

    number: int
    """Its place in the evaluation, from 1."""
    result: CaseResult
    rules: float
    """Rules kept that the reference broke, less those broken that it kept."""
    score: float
    """By the main metric, better is positive."""

    @property
    def gain(self) -> tuple[float, float]:
        """What cases are ordered by."""
        return self.rules, self.score

    @property
    def change(self) -> str:
        """gained, lost, or equal."""
        zero = (0.0, 0.0)
        return "equal" if self.gain == zero else "gained" if self.gain > zero else "lost"


def main_metric(evaluation: Evaluation) -> Metric | None:
    """Give the metric that orders cases where the rules say nothing."""
    measured = {
        name for result in evaluation.cases for name, by in result.scores.items() if by.values()
    }
    found = (evaluation.metric(name) for name in MAIN if name in measured)
    return next((metric for metric in found if metric is not None and metric.better), None)


def pairs(evaluation: Evaluation, candidate: str) -> list[Pair]:
    """Give every case that both sides answered, with the candidate's gain on it."""
    reference = evaluation.sides[0].name
    kept = [metric for metric in evaluation.metrics if _is_rule(metric)]
    main = main_metric(evaluation)
    return [
        Pair(
            number,
            result,
            sum(_gain(result, metric, candidate, reference) for metric in kept),
            _gain(result, main, candidate, reference) if main else 0.0,
        )
        for number, result in enumerate(evaluation.cases, 1)
        if candidate in result.replies and reference in result.replies
    ]


def worst(found: Iterable[Pair], most: int) -> list[Pair]:
    """Give the largest losses, the largest first."""
    return sorted((one for one in found if one.change == "lost"), key=lambda one: one.gain)[:most]


def best(found: Iterable[Pair], most: int) -> list[Pair]:
    """Give the largest gains, the largest first."""
    gained = (one for one in found if one.change == "gained")
    return sorted(gained, key=lambda one: one.gain, reverse=True)[:most]


def declared(evaluation: Evaluation) -> str:
    """Say what cases are ordered by."""
    main = main_metric(evaluation)
    rules = any(_is_rule(metric) for metric in evaluation.metrics)
    parts = ["rules kept and broken"] if rules else []
    parts += [main.title] if main else []
    return ", then ".join(parts) or "nothing: no metric has a value of its own for a case"


def _is_rule(metric: Metric) -> bool:
    return metric.name.startswith(("rule.", "safety.")) and metric.better != ""


def _gain(result: CaseResult, metric: Metric, candidate: str, reference: str) -> float:
    by = result.scores.get(metric.name) or {}
    mine, its = by.get(candidate), by.get(reference)
    if mine is None or its is None:
        return 0.0
    return (mine - its) * (-1 if metric.better == "lower" else 1)
