"""Azure's built-in roles that we use, and every grant of the stack with its reason.

The grants are data: `plan` prints them, the program makes them, the tests hold them.
"""

import uuid
from collections.abc import Set as AbstractSet
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
}
"""What fails first without a grant that a feature adds."""

GRANTS = (
    Grant(
        Who.ENDPOINT,
        Role.CONTRIBUTOR,
        Scope.GROUP,
        "asked for; serving a model would do with the two grants below",
    ),
    Grant(
        Who.ENDPOINT,
        Role.BLOB_READER,
        Scope.STORAGE,
        "reads the model's files when a deployment starts",
    ),
    Grant(
        Who.ENDPOINT,
        Role.ACR_PULL,
        Scope.REGISTRY,
        "pulls the image that a deployment runs, also without the Contributor above",
    ),
    Grant(
        Who.JOB,
        Role.BLOB_CONTRIBUTOR,
        Scope.STORAGE,
        "reads the training data, writes checkpoints and the tuned model",
    ),
    Grant(Who.JOB, Role.ACR_PULL, Scope.REGISTRY, "pulls the image that training runs in"),
    Grant(
        Who.JOB,
        Role.DATA_SCIENTIST,
        Scope.WORKSPACE,
        "logs metrics and its run's state to the workspace",
    ),
    Grant(
        Who.WORKSPACE,
        Role.CONTRIBUTOR,
        Scope.STORAGE,
        "the workspace keeps its datastores' containers there",
    ),
    Grant(
        Who.WORKSPACE,
        Role.BLOB_CONTRIBUTOR,
        Scope.STORAGE,
        "writes code snapshots and logs without account keys",
    ),
    Grant(Who.WORKSPACE, Role.CONTRIBUTOR, Scope.VAULT, "ties the vault to the workspace"),
    Grant(
        Who.WORKSPACE,
        Role.VAULT_ADMINISTRATOR,
        Scope.VAULT,
        "keeps endpoint keys and connections as secrets",
    ),
    Grant(Who.WORKSPACE, Role.CONTRIBUTOR, Scope.REGISTRY, "builds and pushes environment images"),
    Grant(Who.WORKSPACE, Role.CONTRIBUTOR, Scope.INSIGHTS, "sends the endpoints' logs and metrics"),
    Grant(
        Who.WORKSPACE,
        Role.CONTRIBUTOR,
        Scope.WORKSPACE,
        "a workspace whose identity is ours manages itself through it",
    ),
    Grant(
        Who.PERSON,
        Role.BLOB_CONTRIBUTOR,
        Scope.STORAGE,
        "uploads data and code, downloads results; there are no account keys to use instead",
    ),
)

AI_GRANTS = (
    Grant(
        Who.HUB,
        Role.CONTRIBUTOR,
        Scope.STORAGE,
        "hub and project keep their datastores' containers there",
        "hub",
    ),
    Grant(
        Who.HUB,
        Role.BLOB_CONTRIBUTOR,
        Scope.STORAGE,
        "reads training files and writes tuned models without account keys",
        "hub",
    ),
    Grant(Who.HUB, Role.CONTRIBUTOR, Scope.VAULT, "ties the vault to the hub", "hub"),
    Grant(
        Who.HUB,
        Role.VAULT_ADMINISTRATOR,
        Scope.VAULT,
        "keeps the keys of serverless endpoints as secrets",
        "hub",
    ),
    Grant(Who.HUB, Role.CONTRIBUTOR, Scope.REGISTRY, "ties the registry to the hub", "hub"),
    Grant(
        Who.HUB, Role.CONTRIBUTOR, Scope.INSIGHTS, "sends the endpoints' logs and metrics", "hub"
    ),
    Grant(
        Who.HUB,
        Role.COGNITIVE_CONTRIBUTOR,
        Scope.AI_ACCOUNT,
        "Azure makes no hub for an identity of ours without it",
        "hub",
    ),
    Grant(
        Who.HUB,
        Role.CONTRIBUTOR,
        Scope.HUB,
        "a hub whose identity is ours manages itself through it",
        "hub",
    ),
    Grant(
        Who.HUB,
        Role.CONTRIBUTOR,
        Scope.HUB_PROJECT,
        "a project whose identity is ours manages itself through it",
        "hub",
    ),
    Grant(
        Who.PERSON,
        Role.AI_DEVELOPER,
        Scope.HUB,
        "uses the hub's connections and joins projects to it",
        "hub",
    ),
    Grant(
        Who.PERSON,
        Role.AI_DEVELOPER,
        Scope.HUB_PROJECT,
        "tunes open models and deploys them as serverless endpoints",
        "hub",
    ),
    Grant(
        Who.AI_ACCOUNT,
        Role.BLOB_OWNER,
        Scope.STORAGE,
        "reads training files that the hub's portal keeps in the storage account",
        "hub",
    ),
    Grant(
        Who.PERSON,
        Role.OPENAI_CONTRIBUTOR,
        Scope.AI_ACCOUNT,
        "uploads files, tunes OpenAI models and deploys them; the account has no keys",
        "foundry",
    ),
    Grant(
        Who.PERSON,
        Role.FOUNDRY_USER,
        Scope.AI_PROJECT,
        "works through the project's own endpoint, too",
        "foundry",
    ),
)
"""What the features `hub` and `foundry` add."""

_APPROVES = "approves the managed network's private endpoint to it"
NETWORK_GRANTS = (
    *(
        Grant(Who.WORKSPACE, Role.NETWORK_APPROVER, scope, _APPROVES, "private_network")
        for scope in (Scope.STORAGE, Scope.VAULT, Scope.REGISTRY)
    ),
    Grant(
        Who.JOB,
        Role.ACR_PUSH,
        Scope.REGISTRY,
        "pushes the images that a cluster builds, as Azure's own machines cannot reach it",
        "private_network",
    ),
)
"""What the feature `private_network` adds. Microsoft lists the approvals for a user-assigned
identity; which identity pushes an image that a cluster built is not said anywhere."""

OWN_SCOPES = (Scope.HUB, Scope.HUB_PROJECT, Scope.AI_ACCOUNT, Scope.AI_PROJECT)
"""What is never adopted."""


def grants(
    *,
    own_group: bool = True,
    own_workspace: bool = True,
    features: AbstractSet[str] = frozenset(),
) -> tuple[Grant, ...]:
    """List the grants of a stack with these features.

    An adopted group holds what is none of the stack's business, so that nobody gets a role on
    all of it. An adopted workspace's own identity and the people who work in it have their
    grants already, and Azure refuses a second one of the same (RoleAssignmentExists).
    """
    return tuple(
        grant
        for grant in (*GRANTS, *AI_GRANTS, *NETWORK_GRANTS)
        if (not grant.feature or grant.feature in features)
        and (own_group or grant.scope is not Scope.GROUP)
        and (
            own_workspace
            or grant.who not in (Who.WORKSPACE, Who.PERSON)
            or grant.scope in OWN_SCOPES
        )
    )


_NAMESPACE = uuid.UUID("6f1b0a0e-6d0b-5f0e-9d0a-74756e657374")


def assignment_name(principal_id: str, role: Role, scope_id: str) -> str:
    """Derive a role assignment's GUID from who, what and where.

    Azure allows one assignment per triple: a fresh GUID would make the `up` of a rebuilt stack
    fail with RoleAssignmentExists.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{principal_id}|{role.guid}|{scope_id}".lower()))
