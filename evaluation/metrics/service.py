"""What an answer takes: its length, time and money. Of the product's cases, not safety prompts."""

from evaluation.cases import Case
from evaluation.metrics.definition import Definition, Statistics, is_everyday, one
from evaluation.numbers.statistics import Quantile
from evaluation.replies import Reply
from evaluation.sides import Price, Side

PER = 1000
"""Answers that a price is told for."""
FEWEST_FOR_P95 = 72
"""The largest of so many cases lies above the 95th percentile with 97.5 % certainty (1 - 0.95^72);
of fewer, no interval can say where that percentile ends."""
_DEPLOYED = "Read of sides that answer where they are deployed, network included."


def tokens(case: Case, side: Side, reply: Reply) -> Statistics | None:
    """Give the length of an answer."""
    return one(reply.tokens) if is_everyday(case) else None


def seconds(case: Case, side: Side, reply: Reply) -> Statistics | None:
    """Give how long the whole answer took."""
    return one(reply.seconds) if _is_timed(case, side) else None


def first_token_seconds(case: Case, side: Side, reply: Reply) -> Statistics | None:
    """Give how long the first word took."""
    return one(reply.first_token_seconds) if _is_timed(case, side) else None


def speed(case: Case, side: Side, reply: Reply) -> Statistics | None:
    """Give tokens and seconds."""
    if not _is_timed(case, side) or reply.tokens is None or not reply.seconds:
        return None
    return float(reply.tokens), reply.seconds


def usd(case: Case, side: Side, reply: Reply) -> Statistics | None:
    """Give what `PER` answers like this one cost; None where prices or counts are not known."""
    if not is_everyday(case):
        return None
    price = _of_tokens(side.price, reply) if bills_tokens(side) else _of_hours(side, reply)
    return one(None if price is None else PER * price)


def bills_tokens(side: Side) -> bool:
    """Tell whether a side is billed by the token; what it costs by the hour then comes on top."""
    price = side.price
    return price.input_usd_per_million is not None and price.output_usd_per_million is not None


def billed_at(side: Side) -> str:
    """Tell a price of deployed models from that of a batch on a node, which is another thing."""
    return "node" if side.where == "node" and not bills_tokens(side) else "deployed"


def _of_tokens(price: Price, reply: Reply) -> float | None:
    if reply.tokens is None or reply.prompt_tokens is None:
        return None
    asked = reply.prompt_tokens * (price.input_usd_per_million or 0.0)
    return (asked + reply.tokens * (price.output_usd_per_million or 0.0)) / 1e6


def _of_hours(side: Side, reply: Reply) -> float | None:
    if side.where == "file" or side.price.per_hour_usd is None or reply.seconds is None:
        return None
    return side.price.per_hour_usd * reply.seconds / 3600


def _is_timed(case: Case, side: Side) -> bool:
    return is_everyday(case) and side.where == "endpoint"


SERVICE = (
    Definition(
        "answer_tokens", "Length of an answer", "tokens", "", 0.05, tokens,
        "Mean length, counted by each side's own tokenizer. Neither longer nor shorter is better.",
        margin_is_relative=True,
    ),
    Definition(
        "seconds", "Time to the last word", "seconds", "lower", 0.05, seconds,
        f"Mean. {_DEPLOYED}",
        margin_is_relative=True, place=lambda side: side.where,
    ),
    Definition(
        "seconds_p95", "Time to the last word, 95th percentile", "seconds", "lower", 0.05, seconds,
        f"Nineteen of twenty answers take no longer. {_DEPLOYED} No interval under"
        f" {FEWEST_FOR_P95} cases, and no test.",
        Quantile(0.95), margin_is_relative=True, place=lambda side: side.where,
        is_tested=False, fewest=FEWEST_FOR_P95,
    ),
    Definition(
        "first_token_seconds", "Time to the first word", "seconds", "lower", 0.05,
        first_token_seconds, f"Mean. {_DEPLOYED}",
        margin_is_relative=True, place=lambda side: side.where,
    ),
    Definition(
        "tokens_per_second", "Tokens a second", "ratio", "higher", 0.05, speed,
        "All tokens of all answers over all seconds, waiting for the first word included, each"
        f" answer by itself. {_DEPLOYED}",
        margin_is_relative=True, place=lambda side: side.where,
    ),
    Definition(
        "usd_per_1k_answers", f"Price of {PER:,} answers", "USD", "lower", 0.05, usd,
        "Where tokens are billed: tokens of prompt and answer at list prices, without what hosting"
        " costs by the hour. Else the price of an hour for as long as an answer took: what a"
        " machine costs that is never idle and answers one question at a time. Idle hours make it"
        " dearer, questions answered at the same time cheaper. On a node: its price while it"
        " answered in batches; not compared with what is deployed.",
        margin_is_relative=True, place=billed_at,
    ),
)  # fmt: skip
