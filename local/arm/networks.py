"""The managed network of a workspace: its mode, its rules, its state. Nothing is isolated by it.

From Microsoft's page on it (learn.microsoft.com, how-to-managed-network): a mode cannot be
loosened, private endpoints to a registry want the Premium one, the primary identity must be able
to approve them, the network is made with the first cluster or where `provisionNetworkNow` says so.
That a network without limits takes private endpoints alone is as in
microsoft-foundry/foundry-samples#961. Azure's codes and messages were not seen.
"""

from typing import Any

from local.access import identity_principal, require
from local.arm.ids import name_of
from local.arm.types import ResourceType, guid
from local.operations import Call, Refusal
from local.state import Document, State
from local.world import World

ML = "Microsoft.MachineLearningServices/workspaces"
MODES = ("Disabled", "AllowInternetOutbound", "AllowOnlyApprovedOutbound")
"""From open to closed: a workspace goes one way only."""
PARTS = {
    "storageAccount": ("blob", "file"),
    "keyVault": ("vault",),
    "containerRegistry": ("registry",),
}
"""What of a linked resource gets a private endpoint; what Azure calls those rules was not seen."""


def settle_network(call: Call, workspace: Document, before: Document | None) -> None:
    """Check a workspace's managed network, and add what Azure adds to it.

    Raises:
        Refusal: the mode or a rule cannot be, or the identity may not approve an endpoint.
    """
    earlier = _network(before)
    network = workspace["properties"].get("managedNetwork") or dict(earlier)
    if not network:
        return
    workspace["properties"]["managedNetwork"] = network
    _check_mode(call, network, earlier, workspace["id"])
    if network.get("isolationMode", "Disabled") == "Disabled":
        return
    rules = {**(network.get("outboundRules") or {}), **_required(call.world.state, workspace)}
    network["outboundRules"] = rules
    _check_twice(rules)
    for name, rule in rules.items():
        _check_rule(call, workspace, name, rule)
    network["networkId"] = earlier.get("networkId") or guid()
    is_made = _is_made(earlier) or bool(workspace["properties"].get("provisionNetworkNow"))
    _set_state(network, is_made=is_made)
    _keep_rules(call.world.state, workspace["id"], rules)


def provision_network(state: State, workspace_id: str) -> None:
    """Make the network that waits for the first cluster."""
    workspace = state.get(workspace_id)
    network = _network(workspace)
    if workspace is None or not network or _is_made(network):
        return
    _set_state(network, is_made=True)
    workspace["properties"]["managedNetwork"] = network
    state.put(workspace["id"], workspace["type"], workspace)
    _keep_rules(state, workspace["id"], network["outboundRules"])


def _network(workspace: Document | None) -> dict[str, Any]:
    found = (workspace or {}).get("properties", {}).get("managedNetwork") or {}
    return dict(found) if found.get("isolationMode", "Disabled") != "Disabled" else {}


def _is_made(network: dict[str, Any]) -> bool:
    return bool((network.get("status") or {}).get("status") == "Active")


def _set_state(network: dict[str, Any], *, is_made: bool) -> None:
    state = "Active" if is_made else "Inactive"
    network["status"] = {"status": state, "sparkReady": False}
    for rule in network["outboundRules"].values():
        rule |= {"status": state, "category": rule.get("category") or "UserDefined"}


def _check_mode(
    call: Call, network: dict[str, Any], earlier: dict[str, Any], workspace_id: str
) -> None:
    mode, was = network.get("isolationMode", "Disabled"), earlier.get("isolationMode", "Disabled")
    if mode not in MODES:
        raise _bad(f"isolationMode '{mode}' is none of {', '.join(MODES)}.")
    if MODES.index(mode) < MODES.index(was):
        raise _bad(f"The isolation mode cannot be changed from {was} to {mode}.")
    if mode != was == "Disabled" and call.world.state.find(f"{ML}/computes", below=workspace_id):
        raise _bad(
            "A managed network takes no computes that were made before it: delete them first."
        )


def _check_twice(rules: dict[str, Any]) -> None:
    """Refuse two private endpoints to one place."""
    places = [
        (str(to.get("serviceResourceId")).lower(), to.get("subresourceTarget"))
        for to in (rule.get("destination") or {} for rule in rules.values())
        if isinstance(to, dict)
    ]
    if len(places) != len(set(places)):
        raise _bad("Two outbound rules have the same destination.")


def _required(state: State, workspace: Document) -> dict[str, Any]:
    """Make the rules that Azure adds by itself: to what is linked and has no public access."""
    linked = [state.get(str(workspace["properties"].get(name) or "")) for name in PARTS]
    return {
        f"__SYS_PE_{name}_{part}": {
            "type": "PrivateEndpoint",
            "category": "Required",
            "destination": {"serviceResourceId": store["id"], "subresourceTarget": part},
        }
        for (name, parts), store in zip(PARTS.items(), linked, strict=True)
        if store and store["properties"].get("publicNetworkAccess") == "Disabled"
        for part in parts
    }


def _check_rule(call: Call, workspace: Document, name: str, rule: dict[str, Any]) -> None:
    mode = workspace["properties"]["managedNetwork"].get("isolationMode")
    if rule.get("type") != "PrivateEndpoint":
        if mode == "AllowOnlyApprovedOutbound":
            return
        raise _bad(f"Rule '{name}': {mode} takes outbound rules of type PrivateEndpoint only.")
    to = rule.get("destination") or {}
    target = call.world.state.get(str(to.get("serviceResourceId") or ""))
    if target is None or not to.get("subresourceTarget"):
        raise _bad(f"Rule '{name}': its destination was not found, or names no part of it.")
    if _is_small_registry(target):
        raise _bad(f"Rule '{name}': a private endpoint wants the registry's Premium SKU.")
    primary = workspace["properties"].get("primaryUserAssignedIdentity")
    if primary:
        principal = identity_principal(call.world.state, primary)
        action = f"{target['type']}/privateEndpointConnections/write"
        require(call.world.state, principal, action, target["id"])


def _is_small_registry(target: Document) -> bool:
    is_registry = target["type"] == "Microsoft.ContainerRegistry/registries"
    return is_registry and str(target["sku"]["name"]) != "Premium"


def _keep_rules(state: State, workspace_id: str, rules: dict[str, Any]) -> None:
    """Let each rule be read by itself, too; those that went are gone."""
    kind, below = f"{ML}/outboundRules", f"{workspace_id}/outboundRules"
    for id, _ in state.find(kind, below=below):
        if name_of(id) not in rules:
            state.delete(id)
    for name, rule in rules.items():
        document = {"id": f"{below}/{name}", "name": name, "type": kind, "properties": rule}
        state.put(document["id"], kind, document)


def _rule(call: Call, document: Document, before: Document | None) -> None:
    """Add a rule that is put by itself to its workspace."""
    state = call.world.state
    workspace = state.get(document["id"].rpartition("/outboundRules/")[0])
    network = _network(workspace)
    if workspace is None or not network:
        raise _bad("The workspace has no managed network.")
    workspace["properties"]["managedNetwork"] = network
    rules = {**network["outboundRules"], document["name"]: document["properties"]}
    _check_twice(rules)
    _check_rule(call, workspace, document["name"], document["properties"])
    network["outboundRules"] = rules
    _set_state(network, is_made=_is_made(network))
    state.put(workspace["id"], workspace["type"], workspace)


def _forget(world: World, document: Document) -> None:
    workspace = world.state.get(document["id"].rpartition("/outboundRules/")[0])
    if workspace is None:
        return
    network = workspace["properties"].get("managedNetwork") or {}
    network.get("outboundRules", {}).pop(document["name"], None)
    world.state.put(workspace["id"], workspace["type"], workspace)


def _bad(message: str) -> Refusal:
    return Refusal(400, "BadRequest", message)


OUTBOUND_RULE = ResourceType(
    f"{ML}/{{parent}}/outboundRules/{{name}}",
    "[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}",
    required=("properties.type",),
    is_located=False,
    complete=_rule,
    before_delete=_forget,
    note="kept with its workspace's managedNetwork, checked, and not enforced: nodes here share"
    " this machine's network; that Microsoft.Network is registered is not checked",
)
