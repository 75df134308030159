"""Which models Azure tunes on its own machines, and with what choices: a dated table.

`core.model_dates` asks Azure which of them a region has and until when; what no API tells (the
method, the tier, the maker's marketplace offer) is here.
"""

from dataclasses import dataclass
from datetime import date

from core.managed_prices import family

AS_OF = date(2026, 11, 22)
"""When the tables were last compared with their sources."""

SOURCE = "azure-ai-docs, fine-tune-supported-models.md (6 October 2026; regions: 5 March 2026)"
SERVERLESS_SOURCE = "azure-ai-docs, region-availability-maas.md (17 February 2026)"
SERVERLESS_REGIONS = (
    "eastus", "eastus2", "northcentralus", "southcentralus", "westus", "westus3",
)  # fmt: skip
"""Where hub projects tune Phi-4 and Ministral."""


@dataclass(frozen=True)
class FoundryOffer:
    """A model that Foundry tunes."""

    name: str
    version: str = ""
    """The one that is tuned, a date; empty where its name has none."""
    standard: tuple[str, ...] = ()
    """Regions in which Standard training is done; none: Global alone."""
    developer: bool = False
    methods: tuple[str, ...] = ("sft",)
    by_invitation: bool = False
    """True where Azure lets in those alone whom it has invited."""

    @property
    def id(self) -> str:
        """Give what a job names."""
        return f"{self.name}-{self.version}" if self.version else self.name


@dataclass(frozen=True)
class ServerlessOffer:
    """A model that a hub project tunes."""

    name: str
    registry: str = "azureml"
    """Its maker's; `core.marketplace` knows whose models are bought on the marketplace."""
    regions: tuple[str, ...] = SERVERLESS_REGIONS
    version: str = "1"
    """The first one, which is named where the registry does not tell its newest."""

    @property
    def model_id(self) -> str:
        """Give its id in the registry, without a version: what a subscription names."""
        return f"azureml://registries/{self.registry}/models/{self.name}"


TWO = ("northcentralus", "swedencentral")
FOUNDRY = (
    FoundryOffer("gpt-4o-mini", "2024-07-18", TWO, developer=True),
    FoundryOffer("gpt-4o", "2024-08-06", ("eastus2", *TWO), True, ("sft", "dpo")),
    FoundryOffer("gpt-4.1", "2025-04-14", TWO, True, ("sft", "dpo")),
    FoundryOffer("gpt-4.1-mini", "2025-04-14", TWO, True, ("sft", "dpo")),
    FoundryOffer("gpt-4.1-nano", "2025-04-14", TWO, True, ("sft", "dpo")),
    FoundryOffer("o4-mini", "2025-04-16", ("eastus2", "swedencentral"), methods=("rft",)),
    FoundryOffer("gpt-5", "2025-08-07", TWO, True, ("rft",), by_invitation=True),
    *map(
        FoundryOffer,
        (
            "gpt-oss-120b", "gpt-oss-20b", "Llama-3.3-70B-Instruct", "Qwen3-32B",
            "Qwen3.6-35B-A3B", "Qwen3.8-27B", "Ministral-3B", "Muse-Glimmer-30B",
            "MAI-Code-1.1-Flash",
        ),
    ),
)  # fmt: skip

SERVERLESS = (
    ServerlessOffer("Phi-4-mini-instruct"),
    ServerlessOffer("Phi-4"),
    ServerlessOffer("Phi-4-multimodal-instruct"),
    ServerlessOffer("Ministral-3B", "azureml-mistral"),
    ServerlessOffer("Llama-3.3-70B-Instruct", "azureml-meta", ("westus3",)),
)


def foundry_offer(model: str) -> FoundryOffer | None:
    """Find what Foundry offers for a base or a tuned model; None where it tunes no such one.

    A version other than the one that is tuned counts as no such model.
    """
    base = model.partition(".ft-")[0].lower()
    for offer in FOUNDRY:
        if base in (offer.name.lower(), offer.id.lower()):
            return offer
    return None


def foundry_namesake(model: str) -> FoundryOffer | None:
    """Find the offer of another version of a model; None where there is none."""
    return next((offer for offer in FOUNDRY if offer.name.lower() == family(model)), None)


def serverless_offer(model: str) -> ServerlessOffer | None:
    """Find what hub projects offer, by a model's name or its id on the hub of open models."""
    name = model.rpartition("/")[2].lower()
    return next((offer for offer in SERVERLESS if offer.name.lower() == name), None)
