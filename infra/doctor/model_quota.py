"""The rule about models that Foundry tunes: how many of their tokens a minute are to be had."""

from collections.abc import Iterator, Sequence
from typing import Any

from core.facts import Facts
from core.model_dates import PROVIDER, TUNABLE
from core.rules import Finding, Rule, failed, ok, unknown

API = "2023-05-01"
TUNED = "-finetune"
ASK = "https://ai.azure.com > Management center > Quota > Request quota"


def tokens(facts: Facts) -> Iterator[Finding]:
    """Say which tunable models have tokens left, by the names of Azure's own rows.

    Such a row is `<provider>.<kind of deployment>.<model>`, in thousands of tokens a minute.
    """
    if not facts.settings.foundry:
        return
    rows = facts.get_list(facts.at_location(PROVIDER, "usages"), API)
    known = [row for row in rows if _model(row) in TUNABLE]
    if not known:
        yield unknown(f"Azure gave no quota of tunable models for {facts.settings.location}")
        return
    free = [row for row in known if _free(row) > 0]
    if free:
        yield ok(f"thousands of tokens a minute left: {_listed(free)}")
    else:
        yield failed(f"no tunable model has tokens left: {_listed(known)}", ASK)


def _listed(rows: Sequence[dict[str, Any]]) -> str:
    return ", ".join(f"{_name(row)} {_free(row)} of {int(row.get('limit') or 0)}" for row in rows)


def _free(row: dict[str, Any]) -> int:
    return max(0, int(row.get("limit") or 0) - int(row.get("currentValue") or 0))


def _name(row: dict[str, Any]) -> str:
    return str((row.get("name") or {}).get("value") or "")


def _model(row: dict[str, Any]) -> str:
    """Read the model out of a row's name; models have dots in theirs."""
    parts = _name(row).split(".", 2)
    return parts[2].removesuffix(TUNED) if len(parts) == 3 else ""


RULES = (Rule("quota.model", tokens, warns=frozenset({"up"})),)
