"""A state and Azure brought together after a run that was killed: nothing lost, nothing orphaned.

Pulumi notes what it begins, and what it has finished; killed in between, it cannot know what Azure
made of it, and its provider refuses to create what is there. What is there goes into the state as
the program wanted it; what is not is forgotten, so that the next run makes it.
"""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.errors import CloudError
from infra.arm import outputs, request
from infra.arm_types import TYPES
from infra.engine import Change, Event, Report
from infra.pulumi_cli.watch import Refused, display_name
from infra.site import STACK_TAG, Site

if TYPE_CHECKING:
    from core.arm import Arm

Row = dict[str, Any]

FINAL = ("Succeeded", "Failed", "Canceled", "Active", "Provisioned", "")
PATIENCE = 3600.0
POLL = 5.0
AT_ONCE = 8
"""Resources that are asked for side by side."""


@dataclass(frozen=True)
class Recovery:
    """Works on the exported state of one stack."""

    site: Site
    arm: "Arm"
    report: Report
    sleep: Callable[[float], None] = time.sleep
    _waiting: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def missing(self, rows: Iterable[Row], *, waits: bool = False) -> set[str]:
        """Find the URNs of what the state names and Azure has not; `waits` for what is going.

        A teardown that was cut off deletes some resources without Pulumi's knowing.
        """
        look = self._settled if waits else self._now

        def is_gone(row: Row) -> bool:
            try:
                return look(row["id"], TYPES[row["type"]].api_version) is None
            except CloudError:
                return False  # not known: the run itself will hear of it

        found = list(rows)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            gone = list(pool.map(is_gone, found))
        return {row["urn"] for row, is_missing in zip(found, gone, strict=True) if is_missing}

    def interrupted(self, deployment: Row) -> list[str]:
        """List the URNs of what was being changed or deleted: a refresh finds out about them."""
        rows = {row["urn"] for row in deployment.get("resources") or []}
        operations = deployment.get("pending_operations") or []
        urns = [one["resource"]["urn"] for one in operations if one["type"] != "creating"]
        return [urn for urn in dict.fromkeys(urns) if urn in rows]

    def take_creations(self, deployment: Row) -> bool:
        """Take what was being created, and is there, into the state; False if nothing was."""
        operations = deployment.get("pending_operations") or []
        for one in operations:
            row = one["resource"]
            if one["type"] == "creating" and row["type"] in TYPES:
                self._take(deployment, row, self._path(row))
        deployment.pop("pending_operations", None)
        return bool(operations)

    def take_refused(self, deployment: Row, refused: Iterable[Refused]) -> bool:
        """Take what Azure has and the state does not name into the state, if it is this stack's."""
        taken = False
        for one in refused:
            state = one.state
            row = {
                "urn": state.urn,
                "custom": True,
                "type": state.type,
                "inputs": state.inputs,
                "parent": state.parent,
                "provider": state.provider,
            }
            taken |= self._take(deployment, row, one.id)
        return taken

    def _path(self, row: Row) -> str:
        return request(row["type"], row.get("inputs") or {}, self.site.subscription).path

    def _take(self, deployment: Row, row: Row, path: str) -> bool:
        kind = TYPES[row["type"]]
        answer = self._settled(path, kind.api_version)
        if answer is None or not self._is_ours(row, answer):
            return False
        found = {**row, "id": answer.get("id", path), "outputs": outputs(kind.token, answer)}
        state = _state(answer)
        if state not in ("Succeeded", "Active", "Provisioned", ""):
            # The engine sends a resource with such errors again, as it does its own.
            found["initErrors"] = [f"Azure says: {state}"]
        rows = deployment.setdefault("resources", [])
        rows[:] = [one for one in rows if one["urn"] != row["urn"] or one.get("delete")]
        rows.append(found)
        name = display_name(kind.title, row["urn"], path)
        self.report(Event(name, kind.title, Change.TAKEN, is_done=True, id=path))
        return True

    def _now(self, path: str, api_version: str) -> Row | None:
        """Read a resource; one that is being deleted counts as gone."""
        answer = self.arm.get(path, api_version)
        return None if answer is None or _state(answer) == "Deleting" else answer

    def _settled(self, path: str, api_version: str) -> Row | None:
        """Read a resource as soon as Azure has finished with it."""
        began = time.monotonic()
        while True:
            answer = self.arm.get(path, api_version)
            waited = time.monotonic() - began
            if answer is None or _state(answer) in FINAL or waited > PATIENCE:
                return answer
            self._tell_of_waiting(path, answer)
            self.sleep(POLL)

    def _tell_of_waiting(self, path: str, answer: Row) -> None:
        name = path.rsplit("/", 1)[-1]
        with self._lock:
            if path not in self._waiting:
                self._waiting.add(path)
                self.report(Event.note(f"Azure is still at work on {name}: {_state(answer)}."))

    def _is_ours(self, row: Row, answer: Row) -> bool:
        """Say whether this stack made it: by its tag, or by a name that only this stack gives."""
        if "tags" not in (row.get("inputs") or {}):
            return True
        tags = answer.get("tags") or {}
        return bool(tags.get(STACK_TAG) == self.site.tags[STACK_TAG])


def _state(answer: Row) -> str:
    return str((answer.get("properties") or {}).get("provisioningState") or "")
