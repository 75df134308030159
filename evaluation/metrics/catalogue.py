"""All metrics of an evaluation, in the order in which tables show them."""

from evaluation.metrics.conduct import CONDUCT, RuleBook, rule_metrics
from evaluation.metrics.definition import Definition
from evaluation.metrics.likelihood import LIKELIHOOD
from evaluation.metrics.overlap import OVERLAP
from evaluation.metrics.service import SERVICE
from evaluation.suites.suite import Suite


def metrics(suite: Suite, book: RuleBook | None = None) -> tuple[Definition, ...]:
    """Give the metrics of a suite; `book` holds what its rules have found already."""
    rules = rule_metrics(book or RuleBook(suite.rules))
    return (*rules, *CONDUCT, *LIKELIHOOD, *OVERLAP, *SERVICE)
