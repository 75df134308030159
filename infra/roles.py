"""Azure's built-in roles that we use, and what a grant of one is."""

import uuid
from dataclasses import dataclass
from enum import Enum, StrEnum


class Role(Enum):
    """A built-in role: the name that people read, the id that Azure reads."""

    CONTRIBUTOR = ("Contributor", "b24988ac-6180-42a0-ab88-20f7382dd24c")
    BLOB_READER = ("Storage Blob Data Reader", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1")
    BLOB_CONTRIBUTOR = ("Storage Blob Data Contributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe")
    ACR_PUSH = ("AcrPush", "8311e382-0749-4cb8-b61a-304f252e45ec")
    ACR_PULL = ("AcrPull", "7f951dda-4ed3-4680-a7ca-43fe172d538d")
    VAULT_ADMINISTRATOR = ("Key Vault Administrator", "00482a5a-887f-4fb3-b363-3b7fe8e74483")
    NETWORK_APPROVER = (
        "Azure AI Enterprise Network Connection Approver",
        "b556d68e-0be0-4f35-a333-ad7ee1ce17ea",
    )
    READER = ("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7")
    IDENTITY_OPERATOR = ("Managed Identity Operator", "f1a07417-d97a-45cb-824c-7a7467783830")
    DATA_SCIENTIST = ("AzureML Data Scientist", "f6c7c914-8db3-469d-8ca1-694a8f32e121")
    BLOB_OWNER = ("Storage Blob Data Owner", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b")
    AI_DEVELOPER = ("Azure AI Developer", "64702f94-c441-49e6-a78b-ef80e0188fee")
    COGNITIVE_CONTRIBUTOR = (
        "Cognitive Services Contributor",
        "25fbc0a9-bd7c-42a3-aa1a-3b75d497ee68",
    )
    OPENAI_CONTRIBUTOR = (
        "Cognitive Services OpenAI Contributor",
        "a001fd3d-188f-4b5d-821b-7da978bf7442",
    )
    FOUNDRY_USER = ("Foundry User", "53ca6127-db72-4b80-b1b0-d745d6d5456d")
    """Azure AI User until May 2026; tenants may show either name."""

    @property
    def title(self) -> str:
        """The role's name in Azure."""
        return self.value[0]

    @property
    def guid(self) -> str:
        """The role's id, the same in every tenant."""
        return self.value[1]

    def definition_id(self, subscription: str) -> str:
        """Give the role definition's ARM id as seen from a subscription."""
        return (
            f"/subscriptions/{subscription}"
            f"/providers/Microsoft.Authorization/roleDefinitions/{self.guid}"
        )


class Who(StrEnum):
    """Who a grant is for."""

    ENDPOINT = "endpoint identity"
    JOB = "job identity"
    WORKSPACE = "workspace identity"
    HUB = "hub identity"
    AI_ACCOUNT = "AI account identity"
    PERSON = "person"
    WORKFLOW = "workflow identity"


class Scope(StrEnum):
    """What a grant reaches, and nothing above it."""

    GROUP = "resource group"
    STORAGE = "storage account"
    VAULT = "key vault"
    REGISTRY = "container registry"
    INSIGHTS = "Application Insights"
    WORKSPACE = "workspace"
    HUB = "hub"
    HUB_PROJECT = "hub project"
    AI_ACCOUNT = "AI account"
    AI_PROJECT = "Foundry project"
    ENDPOINT_IDENTITY = "endpoint identity"


@dataclass(frozen=True)
class Grant:
    """One role for one principal on one scope, and why."""

    who: Who
    role: Role
    scope: Scope
    reason: str
    feature: str = ""
    """The setting that asks for it (`Features`); empty where every stack has it."""

    @property
    def needed_by(self) -> str:
        """The operation that fails without it, as a person would name it."""
        return OF_FEATURES.get(self.feature) or NEEDED_BY.get(self.who, "`tunestack up`")

    @property
    def name(self) -> str:
        """The grant's name inside the program, e.g. `job-acrpull-container-registry`."""
        words = f"{self.who.removesuffix(' identity')} {self.role.title} {self.scope}"
        return words.lower().replace(" ", "-")


NEEDED_BY = {
    Who.ENDPOINT: "`tunestack deploy`",
    Who.JOB: "`tunestack train`",
    Who.PERSON: "`tunestack train`",
}
"""Which operation fails first without a grant; without the workspace's own, `up` does."""

OF_FEATURES = {
    "hub": "the hub, its project and serverless tuning",
    "foundry": "tuning OpenAI models",
    "github": "the workflow of `tunestack ci`",
}
"""What fails first without a grant that a feature adds."""


_NAMESPACE = uuid.UUID("6f1b0a0e-6d0b-5f0e-9d0a-74756e657374")


def assignment_name(principal_id: str, role: Role, scope_id: str) -> str:
    """Derive a role assignment's GUID from who, what and where.

    Azure allows one assignment per triple: a fresh GUID would make the `up` of a rebuilt stack
    fail with RoleAssignmentExists.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{principal_id}|{role.guid}|{scope_id}".lower()))
