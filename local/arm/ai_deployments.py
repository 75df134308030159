"""Deployments of models in an AI account: a server process each, made when it is ready.

A deployment is `Succeeded` when its process answers, `Failed` with the end of its log where it
does not come up. One change in an account at a time. What becomes of deployments whose account is
deleted is not verified: here they go with it, and so does what they hold of the quota, while
Azure's pages advise to delete them first.
"""

import copy
import re
import uuid
from typing import Any

from local.arm.ai_deployment_checks import check_deployment
from local.arm.ai_deployment_life import bring, end, forget, settled, watch
from local.arm.ai_projects import account_at_rest
from local.arm.checks import check_group
from local.arm.ids import name_of, top_of
from local.arm.polling import REMOVALS, SETTLING, advance, begin, begin_removal
from local.clock import now, write
from local.models import base_of
from local.operations import Answer, Call, Refusal, operation
from local.quota import of_tokens
from local.state import Document
from local.tokens import DEPLOYMENTS
from local.world import World

PROVIDER = "Microsoft.CognitiveServices"
ACCOUNT = (
    "/subscriptions/{subscription}/resourceGroups/{group}/providers"
    f"/{PROVIDER}/accounts/{{account_name}}"
)
ROW = f"{ACCOUNT}/deployments"
POLLS = 1
NAME = re.compile(r"[a-zA-Z0-9][\w.-]{0,63}", re.ASCII)
KEPT = ("model", "raiPolicyName", "versionUpgradeOption", "spilloverDeploymentName")
"""Properties that a request may set; what it says of others is left aside."""


@operation(
    "PUT",
    f"{ROW}/{{deployment}}",
    action=f"{DEPLOYMENTS}/write",
    note="a real process for base, tuned model or checkpoint; model, kind, filter, count and quota"
    " are checked; DeveloperTier goes after 24 h, a tuned one after 15 idle days (`tunestack local"
    " clock`); one change in an account at a time; no batch, no provisioned throughput",
)
def put_deployment(call: Call) -> Answer:
    """Make a deployment, or change it, but for its model."""
    with call.world.state.transaction():
        account, before = _account(call), call.world.state.get(call.path)
        document = _document(call, before)
        check_deployment(call, account, document, before)
        return _store(call, document, before)


@operation(
    "PATCH",
    f"{ROW}/{{deployment}}",
    action=f"{DEPLOYMENTS}/write",
    note="kind, capacity and tags",
)
def patch_deployment(call: Call) -> Answer:
    """Change a deployment's kind, capacity or tags."""
    with call.world.state.transaction():
        account, before = _account(call), _found(call, call.path)
        document = copy.deepcopy(before)
        document["sku"] |= call.body.get("sku") or {}
        document["tags"] = {**document.get("tags", {}), **(call.body.get("tags") or {})}
        check_deployment(call, account, document, before)
        return _store(call, document, before)


@operation("GET", f"{ROW}/{{deployment}}", action=f"{DEPLOYMENTS}/read", note="a poll, too")
def get_deployment(call: Call) -> Document:
    """Read a deployment; one that is being made or deleted comes a step further."""
    advance(call.world, call.path)
    return _found(call, call.path)


@operation("GET", ROW, action=f"{DEPLOYMENTS}/read", note="all of the account")
def list_deployments(call: Call) -> dict[str, Any]:
    """List an account's deployments."""
    _check_account(call)
    return {"value": [d for _, d in call.world.state.find(DEPLOYMENTS, below=top_of(call.path))]}


@operation(
    "GET",
    f"{ROW}/{{deployment}}/skus",
    action=f"{DEPLOYMENTS}/skus/read",
    note="the kinds that its model has",
)
def list_skus(call: Call) -> dict[str, Any]:
    """List the kinds that a deployment can be changed to."""
    document = _found(call, call.path.removesuffix("/skus"))
    model, is_tuned = base_of(document["properties"]["model"]["name"])
    kinds = (model.tuned_skus if is_tuned else model.skus) if model else ()
    rows = [of_tokens(model, kind, is_tuned=is_tuned).limit for kind in kinds if model]
    return {
        "value": [
            {
                "resourceType": DEPLOYMENTS,
                "sku": {"name": kind},
                "capacity": {"minimum": 1, "maximum": most, "default": 1, "step": 1},
            }
            for kind, most in zip(kinds, rows, strict=True)
        ]
    }


@operation(
    "DELETE",
    f"{ROW}/{{deployment}}",
    action=f"{DEPLOYMENTS}/delete",
    note="its process ends at once, it is gone after a poll and its quota free",
)
def delete_deployment(call: Call) -> Answer:
    """Delete a deployment; 204 where there is none."""
    document = call.world.state.get(call.path)
    if document is None:
        return Answer(status=204)
    if document["properties"]["provisioningState"] != "Deleting":
        account_at_rest(call, document)
    headers = begin_removal(call, document, PROVIDER, 1)
    end(call.world, document["id"])
    return Answer(status=202, headers=headers)


def _account(call: Call) -> Document:
    """Give the account that a change is for; refuse while anything in it is being changed."""
    name = name_of(call.path)
    if not NAME.fullmatch(name):
        raise Refusal(
            400,
            "InvalidResourceName",
            f"'{name}' is not a name for a deployment: letters, digits, '_', '.' and '-', at most"
            " 64, the first a letter or a digit.",
        )
    _check_account(call)
    return account_at_rest(call, {"id": call.path})


def _check_account(call: Call) -> None:
    check_group(call)
    top = top_of(call.path)
    if call.world.state.get(top) is None:
        raise Refusal(
            404,
            "ParentResourceNotFound",
            "Failed to perform 'write' on resource(s) of type 'accounts/deployments', because the"
            f" parent resource '{top}' could not be found.",
        )


def _found(call: Call, id: str) -> Document:
    _check_account(call)
    document = call.world.state.get(id)
    if document is None:
        raise Refusal(
            404, "DeploymentNotFound", f"The deployment '{name_of(id)}' could not be found."
        )
    return document


def _document(call: Call, before: Document | None) -> Document:
    """Make what a PUT asks for; what it leaves out is Azure's default again."""
    asked = call.body.get("properties")
    if not isinstance(asked, dict):
        raise Refusal(400, "InvalidRequestContent", "'properties' must be an object.")
    id = before["id"] if before else call.path
    return {
        "id": id,
        "name": name_of(id),
        "type": DEPLOYMENTS,
        "sku": copy.deepcopy(call.body.get("sku") or {}),
        "tags": call.body.get("tags") or {},
        "properties": {key: copy.deepcopy(asked[key]) for key in KEPT if key in asked},
    }


def _store(call: Call, document: Document, before: Document | None) -> Answer:
    """Keep a deployment that was checked, and bring its process where it needs another one."""
    state, world = call.world.state, call.world
    is_new = _needs_process(document, before)
    capacity = document["sku"]["capacity"]
    document["properties"] |= {
        "currentCapacity": capacity,
        "capabilities": {"chatCompletion": "true"},
        "rateLimits": rate_limits(capacity),
        "provisioningState": "Creating" if is_new else "Succeeded",
    }
    document |= {"systemData": _system_data(call, before), "etag": f'"{uuid.uuid4()}"'}
    state.put(document["id"], DEPLOYMENTS, document)
    watch(state, document)
    headers = begin(call, document["id"], PROVIDER, POLLS) if is_new else {}
    if is_new:
        # When this is written: what it starts reports to the state.
        state.afterwards(lambda: bring(world, document["id"]))
    return Answer(document, status=201 if before is None else 200, headers=headers)


def _needs_process(document: Document, before: Document | None) -> bool:
    if before is None or before["properties"]["provisioningState"] == "Failed":
        return True
    return bool(before["properties"]["model"] != document["properties"]["model"])


def rate_limits(capacity: int) -> list[Document]:
    """Give the limits of a capacity in thousands of tokens per minute, as ARM writes them."""
    return [
        {"key": "request", "renewalPeriod": 10, "count": float(capacity)},
        {"key": "token", "renewalPeriod": 60, "count": 1000.0 * capacity},
    ]


def _system_data(call: Call, before: Document | None) -> Document:
    """Say who made it and when; by the clock by which it goes."""
    moment = write(now(call.world.state))
    by = {"By": call.principal.name, "ByType": "Application", "At": moment}
    changed = {f"lastModified{key}": value for key, value in by.items()}
    if before is None:
        return {f"created{key}": value for key, value in by.items()} | changed
    return {**before["systemData"], **changed}


def _remove(world: World, document: Document, final: bool) -> None:
    end(world, document["id"])
    forget(world.state, document["id"])


REMOVALS[DEPLOYMENTS.lower()] = _remove
SETTLING[DEPLOYMENTS.lower()] = settled
