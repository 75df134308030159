"""Which metrics an evaluation can have, told by their names alone."""

import difflib
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.metrics.definition import Definition

OF_RULES = "rule."
"""Before the name of a rule, which a suite declares."""


@cache
def metric_names() -> tuple[str, ...]:
    """List the names that any evaluation may have: all but those of a suite's rules."""
    return ("rules", *_of_any_suite())


def is_possible(name: str) -> bool:
    """Tell whether some evaluation can have a metric of this name."""
    return name in metric_names() or (name.startswith(OF_RULES) and name != OF_RULES)


def can_decide(name: str) -> bool:
    """Tell whether a metric can make a side the better one: a direction is, and it has a test."""
    found = _of_any_suite().get(name)
    return is_possible(name) and (found is None or (found.better != "" and found.is_tested))


@cache
def _of_any_suite() -> "dict[str, Definition]":
    from evaluation.metrics.catalogue import metrics
    from evaluation.suites.suite import Suite

    return {metric.name: metric for metric in metrics(Suite(name="any"))}


def nearest_names(name: str) -> list[str]:
    """Give up to three names that were probably meant."""
    return difflib.get_close_matches(name, metric_names(), n=3, cutoff=0.5)
