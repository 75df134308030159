"""A recorded ARM in memory, and engines that work against it."""

import threading
import uuid
from collections.abc import Callable
from typing import Any

from core.cloud import Person
from core.errors import CloudError
from core.settings import Settings, parse_settings
from infra.arm import BY_ARM_TYPE
from infra.engine import Event
from infra.inprocess import InProcess

SUBSCRIPTION = "0a1b2c3d-0000-4000-8000-00000000000f"


class RecordedArm:
    """Keeps what is PUT, adds what Azure would add, and remembers every request."""

    def __init__(self) -> None:
        self.resources: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.bodies: dict[str, dict[str, Any]] = {}
        self.refuse: Callable[[str, str], bool] = lambda method, path: False
        self._made = 0
        self._lock = threading.Lock()

    def get(self, path: str, api_version: str) -> dict[str, Any] | None:
        self._note("GET", path)
        return self.resources.get(path.lower())

    def put(self, path: str, api_version: str, body: dict[str, Any]) -> dict[str, Any]:
        self._note("PUT", path)
        with self._lock:
            answer = self._answer(path, body)
            self.resources[path.lower()] = answer
            self.bodies[path] = body
        return answer

    def delete(self, path: str, api_version: str) -> bool:
        self._note("DELETE", path)
        path = path.partition("?")[0].lower()
        with self._lock:
            below = [id for id in self.resources if id.startswith(f"{path}/")]
            for id in below:
                del self.resources[id]
            return self.resources.pop(path, None) is not None

    def get_list(self, path: str, api_version: str) -> list[dict[str, Any]]:
        self._note("LIST", path)
        if "/resources" in path.partition("?")[0][-10:]:
            return [item for item in self.resources.values() if "tags" in item and "type" in item]
        below = f"{path.lower()}/"
        return [
            item
            for id, item in self.resources.items()
            if id.startswith(below) and "/" not in id.removeprefix(below)
        ]

    def post(self, path: str, api_version: str, body: Any = None) -> dict[str, Any]:
        self._note("POST", path)
        job = self.resources[path.removesuffix("/cancel").lower()]
        job["properties"]["status"] = "Canceled"
        return {}

    def count(self, method: str) -> int:
        return sum(made == method for made, _ in self.requests)

    def of_type(self, arm_type: str) -> list[dict[str, Any]]:
        return [item for item in self.resources.values() if item.get("type") == arm_type]

    def _note(self, method: str, path: str) -> None:
        self.requests.append((method, path))
        if self.refuse(method, path):
            raise CloudError(f"refused to {method} {path}", code="Refused")

    def _answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        name = path.rsplit("/", 1)[-1]
        answer = {**body, "id": path, "name": name, "systemData": {"createdBy": "somebody"}}
        properties = {**(body.get("properties") or {}), "provisioningState": "Succeeded"}
        if "/providers/" in path:
            parts = path.rsplit("/providers/", 1)[1].split("/")
            answer["type"] = "/".join([parts[0], *parts[1::2]])
        if "userAssignedIdentities" in path:
            self._made += 1
            of = f"{path} {self._made}"
            properties |= {"principalId": guid(f"principal {of}"), "clientId": guid(of)}
        answer["properties"] = properties
        return answer


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
