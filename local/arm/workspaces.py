"""Azure ML as Pulumi meets it: workspaces, compute clusters and datastores.

Jobs, models, endpoints and everything else in a workspace is in `local/ml/`.
"""

from typing import Any

from local.access import identity_principal, require
from local.arm.checks import check_fixed
from local.arm.cluster_sizes import check_size
from local.arm.holds import Hold, find_held
from local.arm.hubs import check_hub_rights, check_without_projects, settle_kind
from local.arm.ids import name_of
from local.arm.networks import provision_network, settle_network
from local.arm.types import ResourceType, guid, keep, now
from local.operations import Call, Refusal
from local.state import Document
from local.storage.containers import create_container
from local.tenant import tenant
from local.world import World

ML = "Microsoft.MachineLearningServices/workspaces"
BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
ARTIFACTS = "azureml"

LINKED = {
    "storageAccount": ("Microsoft.Storage/storageAccounts/write", f"{BLOBS}/write"),
    "keyVault": (
        "Microsoft.KeyVault/vaults/write",
        "Microsoft.KeyVault/vaults/secrets/setSecret/action",
    ),
    "applicationInsights": ("Microsoft.Insights/components/write", ""),
    "containerRegistry": ("Microsoft.ContainerRegistry/registries/push/write", ""),
}
"""What a workspace is linked to, and the action and data action that its identity needs there.

Microsoft's list for a user-assigned primary identity: Contributor on each of the four, Key Vault
Administrator on the vault, Storage Blob Data Contributor on the storage account.
"""

FIXED = ("kind", "properties.storageAccount", "properties.keyVault", "properties.hubResourceId")
"""What cannot change; compared after a project has taken over its hub's stores."""

IDLE = {
    "allocationState": "Steady",
    "currentNodeCount": 0,
    "targetNodeCount": 0,
    "nodeStateCounts": {
        "idleNodeCount": 0,
        "leavingNodeCount": 0,
        "preemptedNodeCount": 0,
        "preparingNodeCount": 0,
        "runningNodeCount": 0,
        "unusableNodeCount": 0,
    },
    "errors": None,
}


def _workspace(call: Call, document: Document, before: Document | None) -> None:
    properties, region = document["properties"], document["location"]
    settle_kind(call, document)
    check_fixed(FIXED if before else (), document, before or {})
    _check_primary_identity(call, document)
    settle_network(call, document, before)
    keep(document, before, workspaceId=guid, creationTime=now)
    document.setdefault("kind", "Default")
    document.setdefault("sku", {"name": "Basic", "tier": "Basic"})
    properties |= {
        "discoveryUrl": f"https://{region}.api.azureml.ms/discovery",
        "mlFlowTrackingUri": f"azureml://{region}.api.azureml.ms/mlflow/v1.0{document['id']}",
        "tenantId": tenant(call.world.folder).tenant_id,
    }
    properties.setdefault("friendlyName", document["name"])
    _make_datastores(call, document)


def _check_primary_identity(call: Call, document: Document) -> None:
    primary = document["properties"].get("primaryUserAssignedIdentity", "")
    own = document.get("identity", {})
    assigned = {id.lower() for id in own.get("userAssignedIdentities", {})}
    if not primary and "SystemAssigned" not in own.get("type", ""):
        raise Refusal(
            400,
            "BadRequest",
            "A workspace needs a system-assigned identity or a primaryUserAssignedIdentity.",
        )
    if not primary:
        return
    if primary.lower() not in assigned:
        raise Refusal(
            400,
            "BadRequest",
            f"primaryUserAssignedIdentity '{primary}' is not among the assigned identities.",
        )
    _check_rights(call, document, primary)


def _check_rights(call: Call, document: Document, primary: str) -> None:
    principal = identity_principal(call.world.state, primary)
    for name, (action, data_action) in LINKED.items():
        target = document["properties"].get(name)
        if not target:
            continue
        require(call.world.state, principal, action, target)
        if data_action:
            require(call.world.state, principal, data_action, target, data=True)
    check_hub_rights(call, document, principal)


def _make_datastores(call: Call, workspace: Document) -> None:
    account_id = workspace["properties"]["storageAccount"]
    default = f"azureml-blobstore-{workspace['properties']['workspaceId']}"
    stores = (("workspaceblobstore", default, True), ("workspaceartifactstore", ARTIFACTS, False))
    for name, container, is_default in stores:
        id = f"{workspace['id']}/datastores/{name}"
        create_container(call.world, account_id, container)
        if call.world.state.get(id) is None:
            kind = f"{ML}/datastores"
            store = _blob_store(name_of(account_id), container, is_default)
            document = {"id": id, "name": name, "type": kind, "properties": store}
            call.world.state.put(id, kind, document)


def _blob_store(account: str, container: str, is_default: bool) -> dict[str, Any]:
    return {
        "datastoreType": "AzureBlob",
        "accountName": account,
        "containerName": container,
        "endpoint": "core.windows.net",
        "protocol": "https",
        "credentials": {"credentialsType": "None"},
        "isDefault": is_default,
        "serviceDataAccessAuthIdentity": "WorkspaceUserAssignedIdentity",
        "description": None,
        "tags": {},
        "properties": {},
    }


def _end_processes(world: World, document: Document) -> None:
    world.processes.end_below(document["id"])


def _meet(call: Call, asked: Document) -> Document | None:
    """Refuse a held name.

    Code and message as in Azure/ResourceModules#3596 and Azure/CanadaPubSecALZ#380; the status
    that goes with the code was not seen.
    """
    if find_held(call.world.state, ML, asked["id"]) is not None:
        raise Refusal(
            400,
            "BadRequest",
            "Soft-deleted workspace exists. Please purge or recover it. https://aka.ms/wsoftdelete",
        )
    return None


def _compute(call: Call, document: Document, before: Document | None) -> None:
    properties = document["properties"]
    if properties["computeType"] != "AmlCompute":
        raise Refusal(
            400, "BadRequest", f"Compute of type '{properties['computeType']}' is not played here."
        )
    cluster = properties.setdefault("properties", {})
    scale = cluster.get("scaleSettings") or {}
    missing = [
        name
        for name, value in (
            ("vmSize", cluster.get("vmSize")),
            ("scaleSettings.maxNodeCount", scale.get("maxNodeCount")),
        )
        if value is None
    ]
    if missing:
        raise Refusal(400, "BadRequest", f"AmlCompute lacks: {', '.join(missing)}.")
    _check_compute_identity(document)
    _check_own_rights(call, document)
    earlier = (before or {}).get("properties", {}).get("properties", {})
    cluster |= {name: earlier.get(name, value) for name, value in IDLE.items()}
    cluster["scaleSettings"] = {"minNodeCount": 0, **scale}
    check_size(call, document, before)
    provision_network(call.world.state, document["id"].rpartition("/computes/")[0])
    keep(document, before, createdOn=now)
    properties |= {
        "modifiedOn": now(),
        "computeLocation": document["location"],
        "isAttachedCompute": False,
        "provisioningErrors": None,
    }


def _check_compute_identity(document: Document) -> None:
    kind = document.get("identity", {}).get("type", "")
    if "SystemAssigned" in kind and "UserAssigned" in kind:
        raise Refusal(
            400, "BadRequest", "A compute takes a system-assigned or user-assigned identities."
        )


def _check_own_rights(call: Call, document: Document) -> None:
    """Refuse where the workspace's own primary identity may not make computes in it."""
    workspace_id = document["id"].rpartition("/computes/")[0]
    workspace = call.world.state.get(workspace_id) or {}
    primary = workspace.get("properties", {}).get("primaryUserAssignedIdentity")
    if primary:
        principal = identity_principal(call.world.state, primary)
        require(call.world.state, principal, f"{ML}/computes/write", workspace_id)


def _check_delete_compute(call: Call, document: Document) -> None:
    if call.query.get("underlyingResourceAction", "").lower() not in ("delete", "detach"):
        raise Refusal(
            400,
            "UserError",
            "The query parameter underlyingResourceAction is required: Delete or Detach.",
        )


def _end_jobs(world: World, compute: Document) -> None:
    for id, job in world.state.find(f"{ML}/jobs"):
        if str(job["properties"].get("computeId", "")).lower() == compute["id"].lower():
            world.processes.end(id)


def _datastore(call: Call, document: Document, before: Document | None) -> None:
    properties = document["properties"]
    properties.setdefault("credentials", {"credentialsType": "None"})
    properties["credentials"].pop("secrets", None)
    properties.setdefault("isDefault", False)
    account = properties.get("accountName")
    if properties["datastoreType"] == "AzureBlob" and not (
        account and properties.get("containerName")
    ):
        raise Refusal(
            400, "UserError", "A blob datastore needs an accountName and a containerName."
        )


WORKSPACE = ResourceType(
    f"{ML}/{{name}}",
    "[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}",
    required=("location", "properties"),
    references=tuple(f"properties.{name}" for name in (*LINKED, "hubResourceId")),
    polls=3,
    delete_polls=2,
    busy_error="Conflict",
    hold=Hold(lambda workspace: 14, _meet, "forceToPurge", is_purged_by_delete=True),
    nested=(f"{ML}/onlineEndpoints", f"{ML}/serverlessEndpoints"),
    complete=_workspace,
    check_delete=check_without_projects,
    before_delete=_end_processes,
    note="kinds Default, Hub and Project, which takes over its hub's stores; its primary identity's"
    " rights on what it is linked to are checked;"
    " the two blob datastores, no file shares; held 14 days after a DELETE without"
    " forceToPurge=true (Azure: not those with only user-assigned identities), not recovered;"
    " not deleted while it has endpoints; its managed network and imageBuildCompute are kept,"
    " not used: nothing is isolated, and no image is built",
)
COMPUTE = ResourceType(
    f"{ML}/{{parent}}/computes/{{name}}",
    r"[a-zA-Z](?![a-zA-Z0-9-]*-\d+$)[a-zA-Z0-9\-]{2,23}",
    required=("properties.computeType", "location"),
    polls=2,
    delete_polls=1,
    busy_error="Conflict",
    fixed=("properties.properties.vmSize",),
    complete=_compute,
    check_delete=_check_delete_compute,
    before_delete=_end_jobs,
    note="AmlCompute; the workspace's primary identity must be Contributor on the workspace;"
    " its VM size must be offered, and the quota have room for a node",
)
DATASTORE = ResourceType(
    f"{ML}/{{parent}}/datastores/{{name}}",
    "[a-zA-Z0-9_]{1,255}",
    required=("properties.datastoreType",),
    is_located=False,
    complete=_datastore,
    note="secrets are dropped, not kept",
)

ML_TYPES = (WORKSPACE, COMPUTE, DATASTORE)
