"""What every noun of a workspace needs: the workspace itself, time stamps, pages and rights."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from local.arm.polling import is_deleting
from local.operations import Call, Refusal
from local.state import Document, State

TYPE = "Microsoft.MachineLearningServices/workspaces"
PATH = "/subscriptions/{subscription}/resourceGroups/{group}/providers/" + TYPE + "/{workspace}"
PAGE = 100


def workspace_id(call: Call) -> str:
    """Give the id of the workspace that the request's path names."""
    parts = call.parameters
    return (
        f"/subscriptions/{parts['subscription']}/resourceGroups/{parts['group']}"
        f"/providers/{TYPE}/{parts['workspace']}"
    )


def workspace(call: Call) -> Document:
    """Read the workspace that the request's path names.

    Raises:
        Refusal: 404, there is no such workspace; 409, something is to be made in one that goes.
    """
    found = document_at(call.world.state, workspace_id(call))
    if call.request.method == "PUT":
        check_stays(found)
    return found


def document_at(state: State, id: str) -> Document:
    """Read a resource by its id; 404 where there is none."""
    found = state.get(id)
    if found is None:
        raise not_found(id)
    return found


def check_stays(document: Document) -> None:
    """Refuse to change what is being deleted."""
    if is_deleting(document):
        raise Refusal(409, "Conflict", f"'{document['name']}' is being deleted.")


def region(document: Document) -> str:
    """Give the short name of the region that a workspace is in."""
    return str(document["location"]).replace(" ", "").lower()


def not_found(id: str) -> Refusal:
    """Make Azure's answer for a resource that is not there."""
    kind, _, name = id.rpartition("/")
    return Refusal(
        404, "ResourceNotFound", f"The resource '{name}' of '{kind}' was not found. ({id})"
    )


def bad_request(message: str, code: str = "UserError") -> Refusal:
    """Make Azure ML's answer for a request that the person can put right."""
    return Refusal(400, code, message)


def now() -> str:
    """Write this moment as Azure does."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def system_data(call: Call, before: Document | None = None) -> dict[str, Any]:
    """Say who made a resource and who changed it last."""
    moment = now()
    kind = "Application" if call.principal.kind == "ServicePrincipal" else call.principal.kind
    created = (before or {}).get("systemData") or {
        "createdAt": moment,
        "createdBy": call.principal.name,
        "createdByType": kind,
    }
    return {
        **{key: value for key, value in created.items() if key.startswith("created")},
        "lastModifiedAt": moment,
        "lastModifiedBy": call.principal.name,
        "lastModifiedByType": kind,
    }


def page(call: Call, items: Sequence[Document]) -> dict[str, Any]:
    """Cut the page that was asked for; `$top` bounds the whole list, `$skip` is our own token."""
    skip = int(call.query.get("$skip") or 0)
    if "$top" in call.query:
        return {"value": list(items[: int(call.query["$top"])])}
    answer: dict[str, Any] = {"value": list(items[skip : skip + PAGE])}
    if len(items) > skip + PAGE:
        query = urlencode({**call.query, "$skip": str(skip + PAGE)})
        host = call.headers.get("host", "management.azure.com")
        answer["nextLink"] = f"https://{host}{quote(call.path)}?{query}"
    return answer


def is_listed(call: Call, document: Document) -> bool:
    """Say whether `listViewType` (active ones by default) and `tags` let a document be listed."""
    view = call.query.get("listViewType") or "ActiveOnly"
    is_archived = bool(document["properties"].get("isArchived"))
    if view != "All" and is_archived != (view == "ArchivedOnly"):
        return False
    return _has_tags(document, call.query.get("tags") or call.query.get("tag") or "")


def _has_tags(document: Document, wanted: str) -> bool:
    tags = document["properties"].get("tags") or {}
    for item in filter(None, wanted.split(",")):
        key, separator, value = item.partition("=")
        if key not in tags or (separator and tags[key] != value):
            return False
    return True
