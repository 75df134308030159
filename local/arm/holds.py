"""Soft delete: what was deleted, is kept until a date, and holds its name that long.

A held resource is a record under an id of its own (`deleted:/<type>/<group>/<name>`), so that no
list, count or name check of what exists meets it. It goes by its date, whenever it is next asked
for: nothing here waits. Types say in their `Hold` for how long, and what a PUT of the name means.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from local.arm.ids import group_of, name_of
from local.operations import Call
from local.state import Document, State

Meeting = Callable[[Call, Document], Document | None]


@dataclass(frozen=True)
class Hold:
    """How a type is kept after its deletion."""

    days: Callable[[Document], float]
    meet: Meeting
    """Called with what a PUT asks for where nothing exists: refuses, gives the held resource that
    comes back by it, or None where the name is free."""
    final_query: str = ""
    """The query parameter of DELETE that skips the hold when it is `true`."""
    is_purged_by_delete: bool = False
    """DELETE with that parameter also purges one that is held already."""


@dataclass(frozen=True)
class Held:
    """A resource that was deleted and is kept."""

    resource: Document
    deleted: str
    purged: str
    """When it goes for good."""

    @property
    def id(self) -> str:
        """The id that it had."""
        return str(self.resource["id"])


def is_final(hold: Hold | None, call: Call) -> bool:
    """Say whether a DELETE asks to skip the hold."""
    return bool(hold and call.query.get(hold.final_query, "").lower() == "true")


def keep_deleted(state: State, hold: Hold, resource: Document) -> None:
    """Keep a resource that is about to be deleted."""
    moment = datetime.now(UTC)
    document = {**resource, "properties": {**resource["properties"]}}
    document["properties"].pop("provisioningState", None)
    record = {
        "resource": document,
        "deleted": _written(moment),
        "purged": _written(moment + timedelta(days=hold.days(resource))),
    }
    state.put(_key(resource["type"], resource["id"]), _kind(resource["type"]), record)


def all_held(state: State, type: str) -> list[Held]:
    """List what is held of a type; what is past its date is forgotten."""
    found = []
    for key, record in state.find(_kind(type)):
        if datetime.fromisoformat(record["purged"]) <= datetime.now(UTC):
            state.delete(key)
        else:
            found.append(Held(record["resource"], record["deleted"], record["purged"]))
    return found


def find_held(state: State, type: str, id: str) -> Held | None:
    """Find the held resource that had this id."""
    return next((one for one in all_held(state, type) if one.id.lower() == id.lower()), None)


def release(state: State, held: Held) -> None:
    """Forget a held resource: it is back, or purged."""
    state.delete(_key(held.resource["type"], held.id))


def revived(asked: Document, held: Document) -> Document:
    """Give a held resource as it comes back: as it was, changed by what the PUT says."""
    properties = {**held["properties"], **asked["properties"]}
    return {**held, **asked, "tags": asked.get("tags") or held.get("tags") or {}} | {
        "properties": properties
    }


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _kind(type: str) -> str:
    return f"deleted/{type}"


def _key(type: str, id: str) -> str:
    return f"deleted:/{type}/{name_of(group_of(id))}/{name_of(id)}"
