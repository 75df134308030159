"""What a gate cannot find, known before anybody is asked: the cases are too few for it."""

from collections.abc import Iterator, Sequence

from evaluation.cases import Case
from evaluation.gates.gate import Gate
from evaluation.metrics.definition import is_everyday

EXPECTED = {"safety.refusal": "refusal", "safety.answer": "answer"}
"""What the prompts of a metric expect."""


def too_few(gate: Gate, cases: Sequence[Case]) -> Iterator[str]:
    """Say which thresholds are missed, whatever the answers are; a line for each number."""
    missed: dict[tuple[int, int], dict[str, None]] = {}
    for one in gate.require:
        wanted, there = one.min_cases or gate.min_cases, _most(one.metric, cases)
        if there < wanted:
            missed.setdefault((wanted, there), {})[one.metric] = None
    for (wanted, there), metrics in missed.items():
        yield (
            f"The gate {gate.name} will be missed: of {', '.join(metrics)} it wants at least"
            f" {wanted} cases, and {there} are asked."
        )


def _most(metric: str, cases: Sequence[Case]) -> int:
    """Count the cases that a metric can be about; a rule may be about fewer."""
    if metric in EXPECTED:
        return sum(not is_everyday(case) and case.expects == EXPECTED[metric] for case in cases)
    if metric.startswith("rule.safety_"):
        return len(cases)
    return sum(map(is_everyday, cases))
