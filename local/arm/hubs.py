"""Hubs, their projects and connections: what Azure ML does with workspaces of those kinds.

What each kind needs is as in Microsoft's Bicep module (AVM, machine-learning-services/workspace);
`hubs/join` as in "Role-based access control (hub-focused)". Azure's own words for these refusals
were not seen. A hub's `associatedWorkspaces` is not shown, nor are its connections in projects.
"""

from local.access import Principal, identity_principal, require
from local.arm.polling import advance
from local.arm.types import ResourceType
from local.operations import Call, Refusal
from local.state import Document

ML = "Microsoft.MachineLearningServices/workspaces"
AI_WRITE = "Microsoft.CognitiveServices/accounts/write"
NEEDED = {
    "default": ("storageAccount", "keyVault", "applicationInsights"),
    "hub": ("storageAccount",),
    "project": ("hubResourceId",),
}
INHERITED = ("storageAccount", "keyVault", "applicationInsights", "containerRegistry")
AUTH_TYPES = ("AAD", "ApiKey", "None")


def kind_of(workspace: Document) -> str:
    """Give a workspace's kind in lower case."""
    return str(workspace.get("kind") or "Default").lower()


def settle_kind(call: Call, workspace: Document) -> None:
    """Check what a workspace of its kind needs; a project takes over its hub's stores.

    Raises:
        Refusal: a part is missing, the hub is none, or the caller may not join it.
    """
    kind, properties = kind_of(workspace), workspace["properties"]
    if kind not in NEEDED:
        raise _bad(f"Workspaces of kind '{workspace['kind']}' are not played here.")
    missing = [name for name in NEEDED[kind] if not properties.get(name)]
    if missing:
        raise _bad(f"Missing dependent resources in workspace json: {missing}.")
    if kind == "project":
        _join(call, workspace)


def _join(call: Call, project: Document) -> None:
    properties = project["properties"]
    hub = call.world.state.get(properties["hubResourceId"]) or {}
    own = [name for name in INHERITED if properties.get(name)]
    if kind_of(hub) != "hub":
        raise _bad(f"'{properties['hubResourceId']}' is no hub.")
    if hub["location"] != project["location"]:
        raise _bad(f"The project must be in the location of its hub, '{hub['location']}'.")
    if own:
        raise _bad(f"A project uses its hub's resources and takes none of its own: {own}.")
    require(call.world.state, call.principal, f"{ML}/hubs/join/action", hub["id"])
    for name in INHERITED:
        if hub["properties"].get(name):
            properties[name] = hub["properties"][name]


def check_hub_rights(call: Call, workspace: Document, identity: Principal) -> None:
    """Refuse a project whose identity of ours may not manage the hub that it joins."""
    if kind_of(workspace) == "project":
        hub = workspace["properties"]["hubResourceId"]
        require(call.world.state, identity, f"{ML}/write", hub)


def check_without_projects(call: Call, workspace: Document) -> None:
    """Refuse to delete a hub that has projects; deletions of projects there go a step on.

    Azure's portal deletes the projects with their hub; what the API does was not seen. The
    stricter way shows who deletes in the wrong order.
    """
    if kind_of(workspace) != "hub":
        return
    for project in _projects(call, workspace):
        advance(call.world, project)
    if left := _projects(call, workspace):
        raise Refusal(
            409,
            "Conflict",
            f"The hub '{workspace['name']}' has projects, which must be deleted first:"
            f" {', '.join(left)}.",
        )


def _projects(call: Call, hub: Document) -> list[str]:
    return [
        id
        for id, other in call.world.state.find(ML)
        if str(other["properties"].get("hubResourceId", "")).lower() == hub["id"].lower()
    ]


def _connection(call: Call, document: Document, before: Document | None) -> None:
    properties = document["properties"]
    if properties["authType"] not in AUTH_TYPES:
        raise _bad(f"Connections with authType '{properties['authType']}' are not played here.")
    # Azure keeps them in the vault and shows them by listsecrets alone.
    properties.pop("credentials", None)
    properties["group"] = "AzureAI"
    properties.setdefault("isSharedToAll", False)
    properties["createdByWorkspaceArmId"] = document["id"].rpartition("/connections/")[0]
    if properties["category"] == "AIServices":
        _check_account(call, document)


def _check_account(call: Call, connection: Document) -> None:
    """Refuse where there is no such account, or a hub's identity of ours may not manage it.

    Learn ("Create and manage a hub"): such an identity needs Cognitive Services Contributor, or
    the hub is not made; here the account is known only with the connection.
    """
    state, properties = call.world.state, connection["properties"]
    account = str((properties.get("metadata") or {}).get("ResourceId") or "")
    if state.get(account) is None:
        raise _bad(f"metadata.ResourceId refers to '{account}', which does not exist.")
    hub = state.get(properties["createdByWorkspaceArmId"]) or {}
    primary = (hub.get("properties") or {}).get("primaryUserAssignedIdentity")
    if primary:
        require(state, identity_principal(state, primary), AI_WRITE, account)


def _bad(message: str) -> Refusal:
    return Refusal(400, "BadRequest", message)


CONNECTION = ResourceType(
    f"{ML}/{{parent}}/connections/{{name}}",
    "[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}",
    required=("properties.category", "properties.authType", "properties.target"),
    is_located=False,
    complete=_connection,
    note="AAD, ApiKey and None; secrets are dropped, not kept; the AI account must exist, and the"
    " hub's primary identity must be Cognitive Services Contributor on it",
)
