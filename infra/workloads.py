"""What was made in the workspace after `up`: endpoints with their deployments, and jobs.

Pulumi does not know of them, they cost the most, and a workspace cannot go while they run.
Read by plain ARM requests: the Azure ML client takes seconds to import.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.catalog import price_per_hour
from core.errors import CloudError
from core.refs import StackOutputs

if TYPE_CHECKING:
    from core.cloud import Arm

API = "2025-12-01"
ENDED = ("Completed", "Failed", "Canceled", "NotResponding")
CANCEL_SECONDS = 600.0
POLL_SECONDS = 1.0

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Deployment:
    """What answers behind an endpoint, and bills from creation to deletion, healthy or not."""

    name: str
    vm_size: str
    instances: int
    state: str

    @property
    def per_hour(self) -> float | None:
        """Its price in USD; None where the size is not in the catalog."""
        price = price_per_hour(self.vm_size)
        return None if price is None else price * self.instances


@dataclass(frozen=True)
class Endpoint:
    """An online endpoint."""

    name: str
    state: str
    deployments: tuple[Deployment, ...]


@dataclass(frozen=True)
class Job:
    """A job that has not ended."""

    name: str
    status: str


@dataclass(frozen=True)
class Workloads:
    """What runs in a workspace, or waits to."""

    endpoints: tuple[Endpoint, ...] = ()
    jobs: tuple[Job, ...] = ()
    nodes: int = 0
    node_size: str = ""

    @property
    def is_empty(self) -> bool:
        """True where nothing would be lost with the workspace."""
        return not (self.endpoints or self.jobs)

    @property
    def per_hour(self) -> float | None:
        """What it costs in USD; None where a size is not in the catalog."""
        node = price_per_hour(self.node_size) if self.nodes else 0.0
        prices = [d.per_hour for endpoint in self.endpoints for d in endpoint.deployments]
        amounts = [None if node is None else node * self.nodes, *prices]
        known = [amount for amount in amounts if amount is not None]
        return sum(known) if len(known) == len(amounts) else None


def workloads(arm: "Arm", outputs: StackOutputs) -> Workloads:
    """Ask what runs in the stack's workspace; empty where there is no workspace any more."""
    workspace = workspace_id(outputs)
    cluster = arm.get(f"{workspace}/computes/{outputs.cluster}", API) or {}
    nodes = (cluster.get("properties") or {}).get("properties") or {}
    return Workloads(
        endpoints=tuple(
            _endpoint(arm, item) for item in arm.get_list(f"{workspace}/onlineEndpoints", API)
        ),
        jobs=tuple(
            Job(item["name"], _status(item))
            for item in arm.get_list(f"{workspace}/jobs", API)
            if _status(item) not in ENDED
        ),
        nodes=int(nodes.get("currentNodeCount") or 0),
        node_size=str(nodes.get("vmSize") or ""),
    )


def clear(arm: "Arm", outputs: StackOutputs, found: Workloads, tell: Tell) -> None:
    """Delete the endpoints and cancel the jobs; return when none of them bills any more."""
    workspace = workspace_id(outputs)
    for job in found.jobs:
        tell(f"canceling job {job.name}")
        arm.post(f"{workspace}/jobs/{job.name}/cancel", API)
    for endpoint in found.endpoints:
        tell(f"deleting endpoint {endpoint.name}")
        arm.delete(f"{workspace}/onlineEndpoints/{endpoint.name}", API)
    for job in found.jobs:
        _await_end(arm, f"{workspace}/jobs/{job.name}", job.name)


def workspace_id(outputs: StackOutputs) -> str:
    """Write the ARM id of the stack's workspace."""
    return (
        f"/subscriptions/{outputs.subscription_id}/resourceGroups/{outputs.resource_group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{outputs.workspace}"
    )


def _endpoint(arm: "Arm", item: dict[str, Any]) -> Endpoint:
    below = arm.get_list(f"{item['id']}/deployments", API)
    state = (item.get("properties") or {}).get("provisioningState", "")
    return Endpoint(item["name"], state, tuple(map(_deployment, below)))


def _deployment(item: dict[str, Any]) -> Deployment:
    properties = item.get("properties") or {}
    return Deployment(
        item["name"],
        properties.get("instanceType") or "",
        int((item.get("sku") or {}).get("capacity") or 1),
        properties.get("provisioningState", ""),
    )


def _status(item: dict[str, Any]) -> str:
    return str((item.get("properties") or {}).get("status") or "")


def _await_end(arm: "Arm", path: str, name: str) -> None:
    deadline = time.monotonic() + CANCEL_SECONDS
    while True:
        job = arm.get(path, API)
        if job is None or _status(job) in ENDED:
            return
        if time.monotonic() > deadline:
            raise CloudError(
                f"The job {name} is still {_status(job)} after {CANCEL_SECONDS:.0f} s.",
                hint="Run destroy again.",
            )
        time.sleep(POLL_SECONDS)
