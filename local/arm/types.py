"""The table of resource types: names, required properties, and what Azure adds to each.

Every rule here is Azure's own, published or known; what Azure also checks and this does not
(quota, policies, networks) is left out. Key vaults, AI accounts and Azure ML have modules of their
own.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.arm.holds import Hold, find_held
from local.operations import Call
from local.state import Document
from local.storage.containers import container_folder, delete_account_data, delete_container
from local.tenant import tenant
from local.world import World

Completion = Callable[[Call, Document, Document | None], None]


def _nothing(call: Call, document: Document, before: Document | None) -> None:
    """Add nothing."""


def _no_check(call: Call, document: Document) -> None:
    """Let it go."""


def _no_cleanup(world: World, document: Document) -> None:
    """Leave nothing behind anyway."""


@dataclass(frozen=True)
class ResourceType:
    """How one type behaves under PUT, GET and DELETE."""

    path: str
    """What follows `/providers/`, with `{name}` last and `{parent}` for the top-level resource."""
    name_rule: str
    name_error: str = "InvalidResourceName"
    required: tuple[str, ...] = ()
    """Dotted paths that the body must have."""
    references: tuple[str, ...] = ()
    """Dotted paths whose values, where given, are ids of resources that exist."""
    polls: int = 0
    """How many polls a creation takes; 0: it is final at once."""
    is_located: bool = True
    """A tracked resource: it has a location and tags, and lists of resources show it."""
    taken_error: str = ""
    """The error for a name that is taken anywhere; empty where names are the parent's own."""
    delete_polls: int = 0
    """How many polls a deletion takes; 0: it is gone at once, as Azure does it for this type."""
    busy_error: str = "AnotherOperationInProgress"
    """The error for a change while another one goes on."""
    hold: Hold | None = None
    """How it is kept after its deletion; None: it is gone."""
    nested: tuple[str, ...] = ()
    """Types of tracked resources in it that must be gone first."""
    complete: Completion = _nothing
    """Add what Azure computes; called with the document before, None at creation."""
    check_delete: Callable[[Call, Document], None] = _no_check
    """Refuse a DELETE that lacks something."""
    before_delete: Callable[[World, Document], None] = _no_cleanup
    """End what runs in it and drop its data; called when a deletion begins and when it ends."""
    fixed: tuple[str, ...] = field(default=())
    """Dotted paths that an update may not change."""
    note: str = ""

    @property
    def type(self) -> str:
        """The ARM type, e.g. `Microsoft.Storage/storageAccounts`."""
        provider, *rest = self.path.split("/")
        return "/".join([provider, *rest[::2]])

    @property
    def provider(self) -> str:
        """The namespace."""
        return self.path.partition("/")[0]

    @property
    def is_child(self) -> bool:
        """True for what lives in another resource."""
        return "{parent}" in self.path


def keep(document: Document, before: Document | None, **computed: Callable[[], Any]) -> None:
    """Set properties that Azure computes once and never changes."""
    earlier = (before or {}).get("properties", {})
    for name, compute in computed.items():
        document["properties"][name] = earlier[name] if name in earlier else compute()


def guid() -> str:
    """Make up an identifier."""
    return str(uuid.uuid4())


def now() -> str:
    """Write the time as Azure does."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _storage(call: Call, document: Document, before: Document | None) -> None:
    name = document["name"]
    document["sku"]["tier"] = document["sku"]["name"].partition("_")[0]
    kinds = ("blob", "dfs", "file", "queue", "table")
    keep(
        document,
        before,
        creationTime=now,
        primaryLocation=lambda: document["location"],
        statusOfPrimary=lambda: "available",
        primaryEndpoints=lambda: {k: f"https://{name}.{k}.core.windows.net/" for k in kinds},
    )
    defaults = {"allowBlobPublicAccess": False, "supportsHttpsTrafficOnly": True}
    document["properties"] = {**defaults, **document["properties"]}


def _container(call: Call, document: Document, before: Document | None) -> None:
    keep(
        document,
        before,
        lastModifiedTime=now,
        leaseStatus=lambda: "Unlocked",
        leaseState=lambda: "Available",
        hasImmutabilityPolicy=lambda: False,
        hasLegalHold=lambda: False,
    )
    document["properties"].setdefault("publicAccess", "None")
    document["etag"] = (before or {}).get("etag") or f'"0x{uuid.uuid4().hex[:15].upper()}"'
    folder = container_folder(call.world, call.parameters["parent"], document["name"])
    folder.mkdir(parents=True, exist_ok=True)


def _log_analytics(call: Call, document: Document, before: Document | None) -> None:
    document["properties"].setdefault("sku", {"name": "pergb2018"})
    keep(document, before, customerId=guid, createdDate=now)
    document["properties"]["modifiedDate"] = now()


def _recover_logs(call: Call, asked: Document) -> Document | None:
    """Bring a held workspace back, as a PUT of its name in its group does."""
    held = find_held(call.world.state, LOG_ANALYTICS.type, asked["id"])
    return held.resource if held else None


def _component(call: Call, document: Document, before: Document | None) -> None:
    name, region = document["name"], document["location"]
    keep(document, before, InstrumentationKey=guid, AppId=guid, CreationDate=now)
    properties = document["properties"]
    properties |= {
        "Name": name,
        "ApplicationId": name,
        "TenantId": tenant(call.world.folder).subscription_id,
        "ConnectionString": f"InstrumentationKey={properties['InstrumentationKey']};"
        f"IngestionEndpoint=https://{region}-0.in.applicationinsights.azure.com/;"
        f"LiveEndpoint=https://{region}.livediagnostics.monitor.azure.com/;"
        f"ApplicationId={properties['AppId']}",
    }


def _registry(call: Call, document: Document, before: Document | None) -> None:
    document["sku"]["tier"] = document["sku"]["name"]
    server = f"{document['name'].lower()}.azurecr.io"
    keep(document, before, creationDate=now, loginServer=lambda: server)
    document["properties"].setdefault("adminUserEnabled", False)


def _identity(call: Call, document: Document, before: Document | None) -> None:
    keep(document, before, principalId=guid, clientId=guid)
    document["properties"]["tenantId"] = tenant(call.world.folder).tenant_id


def _delete_account(world: World, document: Document) -> None:
    delete_account_data(world, document["name"])


def _delete_container(world: World, document: Document) -> None:
    account_id = document["id"].partition("/blobServices/")[0]
    delete_container(world, account_id, document["name"])


STORAGE = ResourceType(
    "Microsoft.Storage/storageAccounts/{name}",
    "[a-z0-9]{3,24}",
    name_error="AccountNameInvalid",
    required=("sku.name", "kind", "location"),
    polls=2,
    taken_error="StorageAccountAlreadyTaken",
    busy_error="StorageAccountOperationInProgress",
    fixed=("kind", "properties.isHnsEnabled"),
    complete=_storage,
    before_delete=_delete_account,
    note="endpoints, names unique in this world; network rules are stored, not enforced",
)
BLOB_SERVICE = ResourceType(
    "Microsoft.Storage/storageAccounts/{parent}/blobServices/{name}",
    "default",
    is_located=False,
    note="stored; soft delete and versioning are not played",
)
CONTAINER = ResourceType(
    "Microsoft.Storage/storageAccounts/{parent}/blobServices/default/containers/{name}",
    r"\$root|\$web|(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*",
    name_error="ContainerNameInvalid",
    is_located=False,
    complete=_container,
    before_delete=_delete_container,
    note="the same containers as the blob service's; never public",
)
LOG_ANALYTICS = ResourceType(
    "Microsoft.OperationalInsights/workspaces/{name}",
    "(?=.{4,63}$)[A-Za-z0-9][A-Za-z0-9-]+[A-Za-z0-9]",
    required=("location",),
    polls=1,
    complete=_log_analytics,
    hold=Hold(lambda workspace: 14, _recover_logs, "force"),
    note="customer id; held 14 days after a DELETE without force=true, and recovered by a PUT of"
    " its name in its group, but purged by no request; takes no logs",
)
COMPONENT = ResourceType(
    "Microsoft.Insights/components/{name}",
    ".{0,259}[^ ]",
    required=("kind", "properties.Application_Type", "location"),
    references=("properties.WorkspaceResourceId",),
    complete=_component,
    note="keys and connection string; takes no telemetry",
)
REGISTRY = ResourceType(
    "Microsoft.ContainerRegistry/registries/{name}",
    "[a-zA-Z0-9]{5,50}",
    required=("sku.name", "location"),
    polls=1,
    delete_polls=1,
    taken_error="AlreadyInUse",
    complete=_registry,
    note="login server; holds no images",
)
IDENTITY = ResourceType(
    "Microsoft.ManagedIdentity/userAssignedIdentities/{name}",
    "[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}",
    required=("location",),
    complete=_identity,
    note="a new principal at every creation",
)

PLAIN_TYPES = (
    STORAGE,
    BLOB_SERVICE,
    CONTAINER,
    LOG_ANALYTICS,
    COMPONENT,
    REGISTRY,
    IDENTITY,
)
