"""Models of Azure's registries that its serverless service tunes and serves: where, and until when.

Regions are those of azure-ai-docs' `region-availability-maas` of February 2026; retirements those
of the page of retired models. A partner's model takes a marketplace subscription, one that Azure
itself sells (Microsoft's and DeepSeek's) takes none. Other models of the catalog are not known.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from local.state import Document, State

SIX = ("eastus", "eastus2", "northcentralus", "southcentralus", "westus", "westus3")
SEVEN = (*SIX, "swedencentral")
WORKSPACES = "Microsoft.MachineLearningServices/workspaces"
REGISTRY_ID = re.compile(
    r"azureml://registries/(?P<registry>[^/]+)/models/(?P<model>[^/]+)"
    r"(?:/(?:versions|labels)/(?P<version>[^/]+))?/?",
    re.IGNORECASE,
)
TUNED_ID = re.compile(
    r"azureml://locations/(?P<location>[^/]+)/workspaces/(?P<workspace>[^/]+)"
    r"/models/(?P<model>[^/]+)/versions/(?P<version>[^/]+)/?",
    re.IGNORECASE,
)
BASE_PROPERTY = "baseModelId"
"""What a tuned model's properties call the registry's model that it was tuned from."""


@dataclass(frozen=True)
class Served:
    """A model of a registry as the serverless service has it."""

    name: str
    registry: str = "azureml"
    publisher: str = "Microsoft"
    tuned_in: tuple[str, ...] = ()
    """Regions of hubs whose projects tune it; empty: it is not tuned."""
    deployed_in: tuple[str, ...] = SEVEN
    """Regions of projects that deploy the base model."""
    retired: str = ""
    """The day (YYYY-MM-DD) on which it left the service; empty: none is announced."""

    @property
    def id(self) -> str:
        """Its id in the registry, without a version, as endpoints and subscriptions name it."""
        return f"azureml://registries/{self.registry}/models/{self.name}"

    @property
    def needs_subscription(self) -> bool:
        """Say whether a project must subscribe to it in the marketplace."""
        return self.publisher in PARTNERS

    def is_over(self) -> bool:
        """Say whether it has left the service."""
        return bool(self.retired) and datetime.now(UTC).date().isoformat() >= self.retired


PARTNERS = {"Meta": "metagenai", "Mistral AI": "000-000", "Cohere": "cohere"}
"""Who sells through the marketplace, and their publisher there (Mistral's is recalled)."""

_PHI_3 = (
    "Phi-3-mini-4k-instruct",
    "Phi-3-mini-128k-instruct",
    "Phi-3-small-8k-instruct",
    "Phi-3-small-128k-instruct",
    "Phi-3-medium-4k-instruct",
    "Phi-3-medium-128k-instruct",
    "Phi-3.5-mini-instruct",
    "Phi-3.5-MoE-instruct",
)
MODELS = (
    Served("Phi-4-mini-instruct", tuned_in=SIX),
    Served("Phi-4", tuned_in=SIX),
    Served("Phi-4-multimodal-instruct", tuned_in=SIX),
    Served("Phi-4-reasoning", deployed_in=SIX),
    Served("Phi-4-mini-reasoning", deployed_in=SIX),
    *(Served(name, tuned_in=SIX, retired="2025-08-30") for name in _PHI_3),
    Served("DeepSeek-V3-0324", "azureml-deepseek", "DeepSeek", deployed_in=SIX),
    Served("Meta-Llama-3.1-8B-Instruct", "azureml-meta", "Meta", tuned_in=("westus3",)),
    Served("Llama-3.3-70B-Instruct", "azureml-meta", "Meta", tuned_in=("westus3",)),
    Served("Ministral-3B", "azureml-mistral", "Mistral AI", tuned_in=SIX),
    Served("Cohere-command-r-08-2024", "azureml-cohere", "Cohere"),
)


def served(model_id: str) -> Served | None:
    """Find a registry's model by its id, with or without a version."""
    found = REGISTRY_ID.fullmatch(model_id)
    if found is None:
        return None
    wanted = (found["registry"].lower(), found["model"].lower())
    return next((one for one in MODELS if (one.registry, one.name.lower()) == wanted), None)


def project_of_guid(state: State, guid: str) -> Document | None:
    """Find a workspace by the GUID that ids of tuned models have."""
    for _, workspace in state.find(WORKSPACES):
        if workspace["properties"].get("workspaceId") == guid.lower():
            return workspace
    return None


def tuned_model(state: State, model_id: str) -> Document | None:
    """Find the version of a workspace's model by `azureml://locations/…`; None: there is none."""
    found = TUNED_ID.fullmatch(model_id)
    owner = project_of_guid(state, found["workspace"]) if found else None
    if found is None or owner is None or found["location"].lower() != owner["location"]:
        return None
    return state.get(f"{owner['id']}/models/{found['model']}/versions/{found['version']}")


def base_of(model: Document) -> Served | None:
    """Give what a workspace's model was tuned from; None: this service has not tuned it."""
    return served(str(model["properties"].get("properties", {}).get(BASE_PROPERTY) or ""))


def subscription_to(state: State, project_id: str, model: Served) -> str:
    """Give the id of a project's marketplace subscription to a model; empty where there is none."""
    kind = f"{WORKSPACES}/marketplaceSubscriptions"
    for id, document in state.find(kind, below=project_id):
        properties = document["properties"]
        is_there = properties["provisioningState"] == "Succeeded"
        if is_there and properties["modelId"].lower() == model.id.lower():
            return id
    return ""
