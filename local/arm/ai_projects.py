"""What lives in an AI account beside its deployments: Foundry projects and content filter policies.

An account takes one change at a time. RequestConflict and AccountProvisioningStateInvalid are as
many report them (terraform-azurerm#22607, Azure-Samples' troubleshooting pages); the refusals of
wrong filters are worded here.
"""

from local.arm.ids import name_of, top_of
from local.arm.polling import advance
from local.arm.types import ResourceType, keep, now
from local.operations import Call, Refusal
from local.state import Document, State

ACCOUNTS = "Microsoft.CognitiveServices/accounts"
PROJECTS = f"{ACCOUNTS}/projects"
POLICIES = f"{ACCOUNTS}/raiPolicies"
DEPLOYMENTS = f"{ACCOUNTS}/deployments"
BUSY = ("Creating", "Deleting")
SYSTEM_POLICIES = ("Microsoft.Default", "Microsoft.DefaultV2")
HARMS = ("Hate", "Sexual", "Selfharm", "Violence")
SHIELDS = ("Jailbreak", "Indirect Attack", "Protected Material Text", "Protected Material Code")
THRESHOLDS = ("Low", "Medium", "High")


def make_system_policies(state: State, account: str) -> None:
    """Give an account the content filters that Azure brings along."""
    for name in SYSTEM_POLICIES:
        id = f"{account}/raiPolicies/{name}"
        filters = _system_filters(is_newer=name == SYSTEM_POLICIES[1])
        properties = {"type": "SystemManaged", "mode": "Blocking", "contentFilters": filters}
        document = {"id": id, "name": name, "type": POLICIES, "properties": properties}
        state.put(id, POLICIES, document)


def _system_filters(*, is_newer: bool) -> list[Document]:
    """List what Azure's own policies block: from medium severity on; DefaultV2 attacks, too."""
    on: Document = {"blocking": True, "enabled": True}
    harms = [
        {"name": name, "source": source, "severityThreshold": "Medium", **on}
        for name in HARMS
        for source in ("Prompt", "Completion")
    ]
    if not is_newer:
        return harms
    shields = (("Jailbreak", "Prompt"), *((name, "Completion") for name in SHIELDS[2:]))
    return [*harms, *({"name": name, "source": source, **on} for name, source in shields)]


def _project(call: Call, document: Document, before: Document | None) -> None:
    account = account_at_rest(call, document)
    if account["properties"].get("allowProjectManagement") is not True:
        raise _bad(f"The account '{account['name']}' does not allow project management.")
    domain = account["properties"].get("customSubDomainName")
    if not domain:
        raise _bad(f"The account '{account['name']}' has no custom subdomain.")
    url = f"https://{domain}.services.ai.azure.com/api/projects/{document['name']}"
    others = call.world.state.find(PROJECTS, below=account["id"])
    is_first = all(id.lower() == document["id"].lower() for id, _ in others)
    keep(document, before, isDefault=lambda: is_first)
    document["properties"]["endpoints"] = {"AI Foundry API": url}


def _policy(call: Call, document: Document, before: Document | None) -> None:
    account, properties = account_at_rest(call, document), document["properties"]
    _check_own(document)
    base = properties.get("basePolicyName")
    if call.world.state.get(f"{account['id']}/raiPolicies/{base}") is None:
        raise _bad(f"basePolicyName '{base}' is no policy of the account.")
    for filter in properties.get("contentFilters") or ():
        _check_filter(filter)
    properties["type"] = "UserManaged"
    keep(document, before, createdAt=now)


def _check_filter(filter: Document) -> None:
    name, threshold = filter.get("name"), filter.get("severityThreshold")
    if name not in (*HARMS, *SHIELDS):
        raise _bad(f"There is no content filter '{name}'.")
    if name in HARMS and threshold not in THRESHOLDS:
        raise _bad(f"The content filter '{name}' needs a severityThreshold: Low, Medium or High.")
    if filter.get("source") not in ("Prompt", "Completion"):
        raise _bad(f"The content filter '{name}' needs a source: Prompt or Completion.")


def _check_own(policy: Document) -> None:
    if name_of(policy["id"]).lower().startswith("microsoft."):
        raise _bad(f"The policy '{policy['name']}' is managed by the system.")


def _check_delete_policy(call: Call, policy: Document) -> None:
    _check_own(policy)
    account = account_at_rest(call, policy)
    for _, deployment in call.world.state.find(DEPLOYMENTS, below=account["id"]):
        if str(deployment["properties"].get("raiPolicyName")).lower() == policy["name"].lower():
            raise _bad(
                f"The policy '{policy['name']}' is used by the deployment '{deployment['name']}'."
            )


def _check_delete_project(call: Call, project: Document) -> None:
    account_at_rest(call, project)


def account_at_rest(call: Call, document: Document) -> Document:
    """Give the account of what is in it; refuse while one of them is being made or deleted.

    Of the document itself, too, where it is a deployment: projects are checked before.

    Raises:
        Refusal: 409, AccountProvisioningStateInvalid or RequestConflict; it counts as a poll.
    """
    state, account = call.world.state, call.world.state.get(top_of(document["id"]))
    assert account is not None  # check_place was before
    if account["properties"].get("provisioningState") in BUSY:
        state.afterwards(lambda: advance(call.world, account["id"]))
        raise Refusal(
            409, "AccountProvisioningStateInvalid", f"Account {account['id']} in state Accepted."
        )
    inside = [
        (kind, row)
        for kind in (PROJECTS, DEPLOYMENTS)
        for row in state.find(kind, below=account["id"])
    ]
    for kind, (id, other) in inside:
        is_busy = other["properties"].get("provisioningState") in BUSY
        if is_busy and (kind == DEPLOYMENTS or id.lower() != document["id"].lower()):
            state.afterwards(lambda id=id: advance(call.world, id))  # type: ignore[misc]
            raise Refusal(
                409,
                "RequestConflict",
                "Another operation is being performed on the parent resource"
                f" '{account['id']}'. Please try again later.",
            )
    return account


def _bad(message: str) -> Refusal:
    return Refusal(400, "BadRequest", message)


PROJECT = ResourceType(
    f"{ACCOUNTS}/{{parent}}/projects/{{name}}",
    "[a-zA-Z0-9][a-zA-Z0-9_.-]{1,63}",
    required=("location",),
    polls=1,
    delete_polls=1,
    busy_error="RequestConflict",
    complete=_project,
    check_delete=_check_delete_project,
    note="in an account with allowProjectManagement and a subdomain; one change in an account at a"
    " time; no agents, connections or capability hosts",
)
POLICY = ResourceType(
    f"{ACCOUNTS}/{{parent}}/raiPolicies/{{name}}",
    "[a-zA-Z0-9][a-zA-Z0-9_.-]*",
    required=("properties.basePolicyName",),
    is_located=False,
    complete=_policy,
    check_delete=_check_delete_policy,
    note="beside the system's Microsoft.Default and Microsoft.DefaultV2; deployments filter by"
    " them; not deleted while one does; blocklists are not played",
)

AI_TYPES = (PROJECT, POLICY)
