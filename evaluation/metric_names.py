"""Which metrics an evaluation can have, told by their names alone."""

import difflib
from functools import cache

OF_RULES = "rule."
"""Before the name of a rule, which a suite declares."""


@cache
def metric_names() -> tuple[str, ...]:
    """List the names that any evaluation may have: all but those of a suite's rules."""
    from evaluation.metrics.catalogue import metrics
    from evaluation.suite import Suite

    return ("rules", *(metric.name for metric in metrics(Suite(name="any"))))


def is_possible(name: str) -> bool:
    """Tell whether some evaluation can have a metric of this name."""
    return name in metric_names() or (name.startswith(OF_RULES) and name != OF_RULES)


def nearest_names(name: str) -> list[str]:
    """Give up to three names that were probably meant."""
    return difflib.get_close_matches(name, metric_names(), n=3, cutoff=0.5)
