"""Which models Azure offers, until when, and how much of each a new subscription may use.

Fine-tuning: the table of 6 October 2026 (azure-ai-docs, articles/foundry/includes/
fine-tune-supported-models.md). Retirements: the page of July 2026; dates there move, an edition of
April 2026 said 2027. Who trained a retired model before may go on (until April 2027 at least); a
new subscription, such as this one, may not. Limits and versions of the open models are made up:
Azure's limits depend on the subscription and the month.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

REGIONAL = ("northcentralus", "swedencentral", "eastus2")
"""Where training stays in the region; elsewhere, and for the open models, it is Global."""

DEVELOPER = "DeveloperTier"
"""For tuned OpenAI models alone: no price by the hour, and gone after a day."""

TUNED = ".ft-"
"""What the name of a tuned model has between its base model and its own id."""


@dataclass(frozen=True)
class Model:
    """A model that can be tuned and deployed."""

    name: str
    version: str
    format: str = "OpenAI"
    retired: str = ""
    """The day (YYYY-MM-DD) from which a new subscription neither deploys the base model nor tunes
    it; empty: none is announced."""
    limit: int = 0
    """Thousands of tokens per minute that a new subscription may use, per kind of deployment."""

    @property
    def provider(self) -> str:
        """The first word of its usages' names."""
        return "OpenAI" if self.format == "OpenAI" else "AIServices"

    @property
    def skus(self) -> tuple[str, ...]:
        """The kinds of deployment of the base model."""
        if self.provider != "OpenAI":
            return ("GlobalStandard",)
        return ("Standard", "GlobalStandard", "DataZoneStandard")

    @property
    def tuned_skus(self) -> tuple[str, ...]:
        """The kinds of deployment of what was tuned from it."""
        return (*self.skus, DEVELOPER) if self.provider == "OpenAI" else self.skus

    def is_over(self) -> bool:
        """Say whether the base model has been retired."""
        return bool(self.retired) and datetime.now(UTC).date().isoformat() >= self.retired


MODELS = (
    Model("gpt-4o", "2024-08-06", retired="2026-10-01", limit=150),
    Model("gpt-4o-mini", "2024-07-18", retired="2026-10-01", limit=250),
    Model("gpt-4.1", "2025-04-14", retired="2026-10-14", limit=150),
    Model("gpt-4.1-mini", "2025-04-14", retired="2026-10-14", limit=250),
    Model("gpt-4.1-nano", "2025-04-14", retired="2026-10-14", limit=250),
    Model("o4-mini", "2025-04-16", retired="2026-10-16", limit=150),
    Model("gpt-oss-120b", "1", "OpenAI-OSS", limit=100),
    Model("gpt-oss-20b", "1", "OpenAI-OSS", limit=100),
    Model("Llama-3.3-70B-Instruct", "1", "Meta", limit=100),
    Model("Qwen3-32B", "1", "Alibaba", limit=100),
    Model("Qwen3.6-35B-A3B", "1", "Alibaba", limit=100),
    Model("Qwen3.8-27B", "1", "Alibaba", limit=100),
    Model("Ministral-3B", "1", "Mistral AI", limit=100),
    Model("Muse-Glimmer-30B", "1", "Microsoft", limit=100),
    Model("MAI-Code-1.1-Flash", "1", "Microsoft", limit=100),
)


def find_base(name: str) -> Model | None:
    """Find a model by its name, with or without its version behind it."""
    wanted = name.lower()
    for model in MODELS:
        if wanted in (model.name.lower(), f"{model.name}-{model.version}".lower()):
            return model
    return None


def base_of(name: str) -> tuple[Model | None, bool]:
    """Give the table's row for a base or tuned model's name, and whether it is a tuned one."""
    base, tuned, _ = name.partition(TUNED)
    return find_base(base), bool(tuned)
