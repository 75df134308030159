"""A recorded ARM in memory, and engines that work against it."""

import re
import threading
import uuid
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from urllib.parse import unquote

from core.cloud import Person
from core.errors import CloudError
from core.settings import Settings, parse_settings
from infra.arm_types import BY_ARM_TYPE
from infra.engine import Event
from infra.in_process.engine import InProcess

SUBSCRIPTION = "0a1b2c3d-0000-4000-8000-00000000000f"
TODAY = date(2026, 11, 21)
GRANTED = "2020-01-01T00:00:00.1234567Z"
"""When every grant was made: so long ago that nobody waits for it to be in force."""
HELD_LISTS = {
    "deletedVaults": "KeyVault",
    "deletedWorkspaces": "OperationalInsights",
    "deletedAccounts": "CognitiveServices",
}
SOFTLY_DELETED = (
    "Microsoft.KeyVault/vaults",
    "Microsoft.OperationalInsights/workspaces",
    "Microsoft.MachineLearningServices/workspaces",
)
"""Deleted without force, Azure keeps these and their names."""


class RecordedArm:
    """Keeps what is PUT, adds what Azure would add, and remembers every request.

    Like Azure it keeps deleted vaults, logs and workspaces until they are purged.
    """

    def __init__(self) -> None:
        self.resources: dict[str, dict[str, Any]] = {}
        self.held: dict[str, dict[str, Any]] = {}
        """Softly deleted, by lower-case id."""
        self.requests: list[tuple[str, str]] = []
        self.bodies: dict[str, dict[str, Any]] = {}
        self.refuse: Callable[[str, str], bool | CloudError] = lambda method, path: False
        self.said: dict[str, Any] = {}
        """What it answers to questions that are about no resource, by lower-case path."""
        self._made = 0
        self._lock = threading.Lock()

    def get(self, path: str, api_version: str) -> dict[str, Any] | None:
        self._note("GET", path)
        return self.said.get(path.lower(), self.resources.get(path.lower()) or _of_everybody(path))

    def put(self, path: str, api_version: str, body: dict[str, Any]) -> dict[str, Any]:
        self._note("PUT", path)
        with self._lock:
            answer = self._answer(path, body)
            self._revive(path, answer)
            self.resources[path.lower()] = answer
            self.bodies[path] = body
        return answer

    def delete(self, path: str, api_version: str) -> bool:
        self._note("DELETE", path)
        path, _, query = path.partition("?")
        path, is_final = path.lower(), "=true" in query
        with self._lock:
            gone = [id for id in self.resources if id == path or id.startswith(f"{path}/")]
            for id in gone:
                self._keep(id, self.resources.pop(id), is_final=is_final)
            has_group = "/".join(path.split("/")[:5]) in self.resources
            can_purge = is_final and has_group
            return bool(gone) or (can_purge and self.held.pop(path, None) is not None)

    def get_list(self, path: str, api_version: str) -> list[dict[str, Any]]:
        self._note("LIST", path)
        path, _, query = path.partition("?")
        if path.lower() in self.said:
            return list(self.said[path.lower()])
        if path.endswith("/providers/Microsoft.Authorization/permissions"):
            return [{"actions": ["*"], "notActions": []}]
        last = path.rsplit("/", 1)[-1]
        if last == "resources":
            return self._tracked(path.removesuffix("/resources").lower(), unquote(query))
        if last == "resourceGroups":
            return [item for id, item in self.resources.items() if id.count("/") == 4]
        if last in HELD_LISTS:
            return [
                self._held(item) for item in self.held.values() if HELD_LISTS[last] in item["type"]
            ]
        below = f"{path.lower()}/"
        return [
            item
            for id, item in self.resources.items()
            if id.startswith(below) and "/" not in id.removeprefix(below)
        ]

    def post(self, path: str, api_version: str, body: Any = None) -> dict[str, Any]:
        self._note("POST", path)
        if path.endswith("/checkNameAvailability"):
            return dict(self.said.get(path.lower(), {"nameAvailable": True}))
        if path.endswith("/purge"):
            name = path.split("/")[-2]
            (id,) = [id for id in self.held if id.endswith(f"/vaults/{name}")]
            del self.held[id]
        else:
            job = self.resources[path.removesuffix("/cancel").lower()]
            job["properties"]["status"] = "Canceled"
        return {}

    def count(self, method: str) -> int:
        return sum(made == method for made, _ in self.requests)

    def of_type(self, arm_type: str) -> list[dict[str, Any]]:
        return [item for item in self.resources.values() if item.get("type") == arm_type]

    def _note(self, method: str, path: str) -> None:
        self.requests.append((method, path))
        refusal = self.refuse(method, path)
        if isinstance(refusal, CloudError):
            raise refusal
        if refusal:
            raise CloudError(f"refused to {method} {path}", code="Refused")

    def _revive(self, path: str, answer: dict[str, Any]) -> None:
        """Bring back what is held: logs come back by their name, a workspace refuses."""
        kept = self.held.get(path.lower())
        if kept is not None and "MachineLearning" in kept["type"]:
            raise CloudError("Soft-deleted workspace exists.", code="BadRequest", status=400)
        if kept is not None and "OperationalInsights" in kept["type"]:
            answer |= {key: kept[key] for key in kept if key not in answer}
            del self.held[path.lower()]

    def _keep(self, id: str, item: dict[str, Any], *, is_final: bool) -> None:
        if item.get("type") in SOFTLY_DELETED and not is_final:
            self.held[id] = item

    def _held(self, item: dict[str, Any]) -> dict[str, Any]:
        """Describe a deleted resource as Azure's list of that kind does."""
        if "KeyVault" not in item["type"]:
            return {
                **item,
                "properties": {**item["properties"], "modifiedDate": f"{TODAY}T10:00:00Z"},
            }
        is_protected = item["properties"].get("enablePurgeProtection")
        properties = {
            "vaultId": item["id"],
            "location": item["location"],
            "tags": item["tags"],
            "deletionDate": f"{TODAY}T10:00:00Z",
            "scheduledPurgeDate": f"{TODAY + timedelta(7)}T10:00:00Z",
            **({"purgeProtectionEnabled": True} if is_protected else {}),
        }
        provider = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.KeyVault"
        return {
            "id": f"{provider}/locations/{item['location']}/deletedVaults/{item['name']}",
            "name": item["name"],
            "type": "Microsoft.KeyVault/deletedVaults",
            "properties": properties,
        }

    def _tracked(self, scope: str, query: str) -> list[dict[str, Any]]:
        """List what is tracked; filtered by a tag, Azure leaves the tags out."""
        found = [
            item
            for id, item in self.resources.items()
            if id.startswith(scope) and "type" in item and "tags" in item and "/computes/" not in id
        ]
        asked = re.search("tagName eq '([^']*)' and tagValue eq '([^']*)'", query)
        if asked is None:
            return found
        name, value = asked.groups()
        return [
            {key: value for key, value in item.items() if key != "tags"}
            for item in found
            if item["tags"].get(name) == value
        ]

    def _answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        name = path.rsplit("/", 1)[-1]
        answer = {**body, "id": path, "name": name, "systemData": {"createdBy": "somebody"}}
        properties = {**(body.get("properties") or {}), "provisioningState": "Succeeded"}
        if "/providers/" in path:
            parts = path.rsplit("/providers/", 1)[1].split("/")
            answer["type"] = "/".join([parts[0], *parts[1::2]])
        if str(answer.get("type", "")).endswith("/userAssignedIdentities"):
            self._made += 1
            of = f"{path} {self._made}"
            properties |= {"principalId": guid(f"principal {of}"), "clientId": guid(of)}
        identity = body.get("identity") or {}
        if "SystemAssigned" in identity.get("type", ""):
            before = (self.resources.get(path.lower()) or {}).get("identity") or {}
            self._made += 1
            principal = before.get("principalId") or guid(f"principal {path} {self._made}")
            answer["identity"] = {**identity, "principalId": principal}
        if "/roleAssignments/" in path:
            properties["createdOn"] = GRANTED
        answer["properties"] = properties
        return answer


def _of_everybody(path: str) -> dict[str, Any] | None:
    """Answer what every good subscription answers: it is enabled, its namespaces registered."""
    if re.fullmatch("/subscriptions/[^/]+", path):
        return {"displayName": "Recorded", "state": "Enabled"}
    if re.fullmatch(r"/subscriptions/[^/]+/providers/[\w.]+", path):
        return {"registrationState": "Registered"}
    return None


class FakeCloud:
    """A session with the recorded ARM."""

    subscription_id = SUBSCRIPTION

    def __init__(self, *, is_person: bool = True) -> None:
        self.arm = RecordedArm()
        self._person = Person(guid("person"), guid("tenant"), "somebody", is_person)

    def person(self) -> Person:
        return self._person


def guid(of: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, of))


def settings(**chosen: Any) -> Settings:
    return parse_settings(chosen)


def engine(cloud: Any, declare: Any = None, stack: str = "local", **chosen: Any) -> InProcess:
    return InProcess(stack, settings(**chosen), cloud, declare)


def ignore(event: Event) -> None:
    """Take no notice of progress."""


def arm_type(title: str) -> str:
    return next(kind.arm_type for kind in BY_ARM_TYPE.values() if kind.title == title)
