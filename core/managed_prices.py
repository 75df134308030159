"""What Azure asks for tuning and serving models that it hosts itself: a dated table.

`core.price_list` has what bills by the machine; here are tokens, and the hours that a tuned model
is kept ready. A figure that no source names is left out, and whoever asks gets None. Prices of
tuning move, and public copies of the pricing page do not agree: each row names the one it is of.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from core.catalog import Source
from core.price_list import EVERYWHERE, Quote

Serves = Literal["tuned", "base"]

COSTS_PAGE = Source(
    "azure-ai-docs, how-to-fine-tuning-cost-management", EVERYWHERE, date(2026, 3, 19)
)
SHEET = Source("a public copy of Azure OpenAI's pricing page", "eastus2", date(2025, 11, 4))
PHI = Source(
    "an undated public copy of the Foundry Models pricing page, read",
    EVERYWHERE,
    date(2026, 11, 22),
)

GLOBAL_UNDER_STANDARD = (0.1, 0.3)
"""Global training costs 10 to 30 % less than Standard (COSTS_PAGE)."""

DEVELOPER_OF_GLOBAL = 0.5
"""Developer training costs half of Global (COSTS_PAGE)."""


@dataclass(frozen=True)
class TokenQuote:
    """USD for a million tokens, and where that comes from."""

    per_million: float
    source: Source
    note: str = ""
    """How it was reckoned from another price; such a figure is the most that it can be."""


@dataclass(frozen=True)
class Inference:
    """What a model's answers cost."""

    read: TokenQuote
    written: TokenQuote


TRAINING: dict[tuple[str, str], tuple[float, Source]] = {
    ("gpt-4.1", "GlobalStandard"): (25.0, SHEET),
    ("gpt-4.1-mini", "Standard"): (5.5, SHEET),
}
"""USD for a million trained tokens, by model and tier. The costs page reckons an example for
GPT-4.1 with $2 and says itself that its figures are none. Phi's tuning has no price in public."""

ASKED: dict[str, tuple[float, float, float, float]] = {
    "gpt-4.1": (2.0, 8.0, 2.2, 8.8),
    "gpt-4.1-mini": (0.4, 1.6, 0.44, 1.76),
    "gpt-4.1-nano": (0.1, 0.4, 0.11, 0.44),
    "gpt-4o": (2.5, 10.0, 2.75, 11.0),
    "gpt-4o-mini": (0.15, 0.6, 0.165, 0.66),
    "o4-mini": (1.1, 4.4, 1.21, 4.84),
}
"""USD for a million tokens read and written: Global, then Standard (SHEET)."""

SERVERLESS_ASKED = {"phi-4": (0.125, 0.5), "phi-4-mini-instruct": (0.075, 0.3)}
"""The same of serverless endpoints with the base model (PHI)."""

TUNED_HOUR = {"standard": 1.7, "globalstandard": 1.7, "developertier": 0.0}
"""USD an hour for a tuned model of Azure OpenAI, by kind of deployment (COSTS_PAGE). A tuned
model behind a serverless endpoint costs by the hour, too; how much, no public page says."""


def hosting(model: str, sku: str, *, serves: Serves = "tuned") -> Quote | None:
    """Give what a deployment costs an hour without a token; None: not known.

    `model` is a base or a tuned name; `sku` one of `deploy.managed.contract.Sku`. Base models
    that are paid by the token cost nothing while nobody asks.
    """
    kind = sku.lower()
    if serves == "base" and kind in (*TUNED_HOUR, "datazonestandard", "consumption"):
        return Quote(0.0, COSTS_PAGE)
    if family(model) not in ASKED or kind not in TUNED_HOUR:
        return None
    return Quote(TUNED_HOUR[kind], COSTS_PAGE)


def training(model: str, tier: str) -> TokenQuote | None:
    """Give what a million trained tokens cost; None: not known.

    `tier` is a recipe's (Standard, GlobalStandard, Developer); any other finds nothing. Where
    only another tier's price is known, the documented distance between them gives the most that
    this one can be.
    """
    name = family(model)
    if (row := TRAINING.get((name, tier))) is not None:
        return TokenQuote(*row)
    if tier == "Developer":
        return _reckoned(training(model, "GlobalStandard"), DEVELOPER_OF_GLOBAL, "half of Global")
    least, most = GLOBAL_UNDER_STANDARD
    if tier == "GlobalStandard" and (row := TRAINING.get((name, "Standard"))):
        told = f"{least:.0%} under Standard, which is the least"
        return _reckoned(TokenQuote(*row), 1 - least, told)
    if tier == "Standard" and (row := TRAINING.get((name, "GlobalStandard"))):
        told = f"Global is {most:.0%} under it at the most"
        return _reckoned(TokenQuote(*row), 1 / (1 - most), told)
    return None


def inference(model: str, sku: str) -> Inference | None:
    """Give what a base model, or one tuned from it, costs to ask; None: not known.

    Tuned models of Azure OpenAI are asked at their base model's price, Developer at Global's.
    """
    name, kind = family(model), sku.lower()
    if name in ASKED and kind in ("globalstandard", "developertier"):
        return _inference(*ASKED[name][:2], SHEET)
    if name in ASKED and kind == "standard":
        return _inference(*ASKED[name][2:], SHEET)
    if name in SERVERLESS_ASKED and kind == "consumption":
        return _inference(*SERVERLESS_ASKED[name], PHI)
    return None


def family(model: str) -> str:
    """Give a model's name, in lower case, without what a date and tuning have added to it.

    gpt-4.1-mini-2025-04-14.ft-0e20-travel is one of gpt-4.1-mini.
    """
    name = model.lower().partition(".ft-")[0]
    parts = name.rsplit("-", 3)
    is_dated = len(parts) == 4 and all(part.isdigit() for part in parts[1:])
    return parts[0] if is_dated else name


def _reckoned(quote: TokenQuote | None, times: float, how: str) -> TokenQuote | None:
    if quote is None:
        return None
    told = "; ".join(filter(None, (quote.note, how)))
    return TokenQuote(quote.per_million * times, quote.source, told)


def _inference(read: float, written: float, source: Source) -> Inference:
    return Inference(TokenQuote(read, source), TokenQuote(written, source))
