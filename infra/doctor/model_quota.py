"""The rule about models that Foundry tunes: how many of their tokens a minute are to be had.

With a recipe of Foundry's it is about that recipe's base model, beside which the tuned one is
compared; what was tuned from it has rows of its own, which `quota.tuned-model` is about.
"""

from collections.abc import Iterator, Sequence

from core.facts import Facts
from core.managed_prices import family
from core.managed_recipe import OpenAIRecipe
from core.model_dates import TUNABLE
from core.model_quota import ASK, TokenQuota, listed, token_quotas
from core.rules import Finding, Rule, failed, ok, unknown

MOST_SHOWN = 3
"""Rows that are told where no recipe says which model is wanted: a region has dozens."""


def tokens(facts: Facts) -> Iterator[Finding]:
    """Say which tunable models have tokens left, by the names of Azure's own rows."""
    if not facts.settings.foundry:
        return
    what, rows = "any tunable model", token_quotas(facts)
    if isinstance(facts.managed, OpenAIRecipe):
        what = family(facts.managed.base.id)
        rows = [row for row in rows if row.model == what and not row.is_tuned]
    else:
        wanted = {name.lower() for name in TUNABLE}
        rows = [row for row in rows if row.model in wanted]
    if not rows:
        yield unknown(f"Azure tells no quota for deployments of {what}", ASK)
    elif free := [row for row in rows if row.free]:
        yield ok(f"thousands of tokens a minute left{_best(free, rows)}")
    else:
        yield failed(f"no tokens are left for {what}: {_told(rows)}", ASK)


def _best(free: Sequence[TokenQuota], rows: Sequence[TokenQuota]) -> str:
    """Write all rows that have tokens where they are few, else how many, and the best of them."""
    best = sorted(free, key=lambda row: row.free, reverse=True)
    if len(best) <= MOST_SHOWN:
        return f": {listed(best)}"
    return f" in {len(free)} of {len(rows)} rows, the most: {listed(best[:MOST_SHOWN])}"


def _told(rows: Sequence[TokenQuota]) -> str:
    more = len(rows) - MOST_SHOWN
    return listed(rows[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


RULES = (Rule("quota.model", tokens, warns=frozenset({"up"})),)
