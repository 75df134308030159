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
    ACR_PULL = ("AcrPull", "7f951dda-4ed3-4680-a7ca-43fe172d538d")
    VAULT_ADMINISTRATOR = ("Key Vault Administrator", "00482a5a-887f-4fb3-b363-3b7fe8e74483")
    DATA_SCIENTIST = ("AzureML Data Scientist", "f6c7c914-8db3-469d-8ca1-694a8f32e121")

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
    PERSON = "person"


class Scope(StrEnum):
    """What a grant reaches, and nothing above it."""

    GROUP = "resource group"
    STORAGE = "storage account"
    VAULT = "key vault"
    REGISTRY = "container registry"
    INSIGHTS = "Application Insights"
    WORKSPACE = "workspace"


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
    def name(self) -> str:
        """The grant's name inside the program, e.g. `job-acrpull-container-registry`."""
        words = f"{self.who.removesuffix(' identity')} {self.role.title} {self.scope}"
        return words.lower().replace(" ", "-")


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
        for grant in GRANTS
        if (not grant.feature or grant.feature in features)
        and (own_group or grant.scope is not Scope.GROUP)
        and (own_workspace or grant.who not in (Who.WORKSPACE, Who.PERSON))
    )


_NAMESPACE = uuid.UUID("6f1b0a0e-6d0b-5f0e-9d0a-74756e657374")


def assignment_name(principal_id: str, role: Role, scope_id: str) -> str:
    """Derive a role assignment's GUID from who, what and where.

    Azure allows one assignment per triple: a fresh GUID would make the `up` of a rebuilt stack
    fail with RoleAssignmentExists.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{principal_id}|{role.guid}|{scope_id}".lower()))
