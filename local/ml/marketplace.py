"""Marketplace subscriptions of projects: what a partner's model takes before it is tuned or served.

Rights are those of Microsoft's guide (`core.marketplace` names them). A subscription that is there
already, or that the model does not need, is refused as Microsoft's notebook says; codes and words
are ours. Offer and plan are named after the model. How a subscriber pays, and in which countries an
offer is, is not played.
"""

import re
from typing import Any

from core.marketplace import ON_GROUP, ON_SUBSCRIPTION
from local.access import is_allowed
from local.arm.polling import REMOVALS, SETTLING, Verdict, advance, begin, begin_removal
from local.ml.serverless_models import PARTNERS, REGISTRY_ID, Served, served, subscription_to
from local.ml.workspace import (
    PATH,
    TYPE,
    bad_request,
    check_stays,
    document_at,
    page,
    system_data,
    workspace,
)
from local.operations import Answer, Call, Refusal, operation
from local.state import Document
from local.world import World

KIND = f"{TYPE}/marketplaceSubscriptions"
PROVIDER = TYPE.partition("/")[0]
NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,51}")


@operation(
    "PUT",
    f"{PATH}/marketplaceSubscriptions/{{subscription_name}}",
    action=f"{KIND}/write",
    note="partners' models only; the rights on subscription and group that Microsoft lists; one for"
    " a model in a project, a second one is refused",
)
def put_subscription(call: Call) -> Answer:
    """Subscribe a project to a model."""
    owner, state = workspace(call), call.world.state
    with state.transaction():
        model = _checked(call, owner)
        document = _document(call, model)
        state.put(call.path, KIND, document)
        headers = begin(call, call.path, PROVIDER, 1)
    return Answer(_shown(document), 201, headers)


@operation(
    "GET",
    f"{PATH}/marketplaceSubscriptions/{{subscription_name}}",
    action=f"{KIND}/read",
    note="one that is being made or deleted comes a step further",
)
def get_subscription(call: Call) -> Document:
    """Read a subscription."""
    advance(call.world, call.path)
    return _shown(document_at(call.world.state, call.path))


@operation(
    "GET", f"{PATH}/marketplaceSubscriptions", action=f"{KIND}/read", note="all of the project"
)
def list_subscriptions(call: Call) -> dict[str, Any]:
    """List a project's subscriptions."""
    workspace(call)
    return page(call, [_shown(one) for _, one in call.world.state.find(KIND, below=call.path)])


@operation(
    "DELETE",
    f"{PATH}/marketplaceSubscriptions/{{subscription_name}}",
    action=f"{KIND}/delete",
    note="its model's endpoints are suspended until there is another one",
)
def delete_subscription(call: Call) -> Answer:
    """End a project's subscription."""
    document = call.world.state.get(call.path)
    if document is None:
        return Answer(None, 204)
    return Answer(None, 202, begin_removal(call, document, PROVIDER, 1))


def _checked(call: Call, owner: Document) -> Served:
    """Give the model that is subscribed to.

    Raises:
        Refusal: 400, there is no such model or it needs none; 403, rights lack; 409, there is one.
    """
    id = str((call.body.get("properties") or {}).get("modelId") or "")
    found, model = REGISTRY_ID.fullmatch(id), served(id)
    check_stays(call.world.state.get(call.path) or {})
    if not NAME.fullmatch(call.parameters["subscription_name"]):
        raise bad_request("The subscription's name has 1 to 52 letters, digits and hyphens.")
    if found is None or found["version"] or model is None:
        raise bad_request(f"The modelId {id!r} is no model of a registry, without its version.")
    if not model.needs_subscription:
        raise bad_request(f"A marketplace subscription is not required for the model {model.id}.")
    _check_rights(call)
    is_there = call.world.state.get(call.path) is not None
    if is_there or subscription_to(call.world.state, owner["id"], model):
        raise Refusal(
            409, "Conflict", f"The project already has a marketplace subscription to {model.id}."
        )
    return model


def _check_rights(call: Call) -> None:
    """Refuse who may not buy, naming every action that lacks."""
    subscription = f"/subscriptions/{call.parameters['subscription']}"
    group = f"{subscription}/resourceGroups/{call.parameters['group']}"
    wanted = [(action, subscription) for action in ON_SUBSCRIPTION]
    wanted += [(action, group) for action in ON_GROUP]
    lacking = [
        f"'{action}' over scope '{scope}'"
        for action, scope in wanted
        if not is_allowed(call.world.state, call.principal, action, scope)
    ]
    if lacking:
        raise Refusal(
            403,
            "AuthorizationFailed",
            f"The client '{call.principal.name}' with object id '{call.principal.object_id}' does"
            f" not have authorization to perform the actions {', '.join(lacking)}.",
        )


def _document(call: Call, model: Served) -> Document:
    slug = re.sub(r"[^a-z0-9]+", "-", model.name.lower())
    plan = {"publisherId": PARTNERS[model.publisher], "offerId": f"{slug}-offer"}
    return {
        "id": call.path,
        "name": call.parameters["subscription_name"],
        "type": KIND,
        "systemData": system_data(call),
        "properties": {
            "modelId": model.id,
            "marketplacePlan": {**plan, "planId": f"{slug}-plan"},
            "provisioningState": "Creating",
        },
    }


def _shown(document: Document) -> Document:
    is_made = document["properties"]["provisioningState"] == "Succeeded"
    status = "Subscribed" if is_made else "Unsubscribed"
    shown = {**document["properties"], "marketplaceSubscriptionStatus": status}
    return {**document, "properties": shown}


def _settled(world: World, document: Document) -> Verdict:
    return "Succeeded", {}


def _removed(world: World, document: Document, final: bool) -> None:
    """Leave nothing behind anyway."""


SETTLING[KIND.lower()] = _settled
REMOVALS[KIND.lower()] = _removed
