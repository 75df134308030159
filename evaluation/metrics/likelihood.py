"""How likely a model finds the reference: read of losses, so of sides that answer on a node."""

import numpy as np

from evaluation.cases import Case
from evaluation.metrics.definition import Definition, Statistics, is_everyday
from evaluation.numbers.statistics import Array, OfSums, ratio
from evaluation.replies import Reply
from evaluation.sides import Side

HIGHEST = 100.0
"""Nats a token, eight times those of guessing among all tokens: more is not told apart, so that
no power of it is too large for a float."""
_TOKENS = (
    "Models that cut text into different tokens have no comparable value, and are not compared."
)


def loss(case: Case, side: Side, reply: Reply) -> Statistics | None:
    """Give the reference's loss in nats, and over how many tokens."""
    if not _is_scored(case, reply) or reply.nll is None:
        return None
    return reply.nll, float(reply.scored_tokens or 0)


def right_tokens(case: Case, side: Side, reply: Reply) -> Statistics | None:
    """Give how many of the reference's tokens were the likeliest, and of how many."""
    if not _is_scored(case, reply) or reply.correct_tokens is None:
        return None
    return float(reply.correct_tokens), float(reply.scored_tokens or 0)


def _is_scored(case: Case, reply: Reply) -> bool:
    """Tell whether there are losses, and of this case's reference, not of one it had before."""
    is_of_case = reply.reference in ("", case.reference_id)
    return is_everyday(case) and is_of_case and bool(reply.scored_tokens)


def perplexity_of(sums: Array) -> Array:
    """Give e to the loss per token."""
    return np.asarray(np.exp(np.minimum(ratio(sums), HIGHEST)))


LIKELIHOOD = (
    Definition(
        "perplexity", "Perplexity", "ratio", "lower", 0.01, loss,
        "How surprised the model is by the reference, token by token, as in training: 1 is not at"
        f" all. e to the loss per token, over all tokens of all cases. {_TOKENS}",
        OfSums(perplexity_of), margin_is_relative=True, same_units=True,
    ),
    Definition(
        "token_accuracy", "Token accuracy", "score", "higher", 0.01, right_tokens,
        "Share of the reference's tokens that the model found likeliest, given those before."
        f" {_TOKENS}",
        same_units=True,
    ),
)  # fmt: skip
