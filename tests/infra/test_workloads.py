"""Endpoints and jobs that were made after `up` are found, priced and ended."""

from typing import Any

import pytest

from core.errors import CloudError
from core.refs import StackOutputs
from infra import workloads as module
from infra.workloads import Deployment, Endpoint, Workloads, clear, workloads

WS = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
OUTPUTS = StackOutputs(
    subscription_id="s",
    resource_group="g",
    location="eastus2",
    workspace="w",
    storage_account="st",
    container_registry="cr",
    key_vault="kv",
    cluster="c",
    endpoint_identity="/e",
    job_identity="/j",
    workspace_identity="/w",
)


class Workspace:
    """A workspace whose jobs end some polls after they were canceled."""

    def __init__(self, *, polls: int = 1, nodes: int = 1) -> None:
        self.polls, self.nodes = polls, nodes
        self.jobs = {"running": "Running", "done": "Completed"}
        self.endpoints = {"travel": [("blue", "Standard_E4s_v3", 2)]}
        self.requests: list[tuple[str, str]] = []

    def get(self, path: str, api_version: str) -> dict[str, Any] | None:
        if "/computes/" in path:
            nodes = {"currentNodeCount": self.nodes, "vmSize": "Standard_NC24ads_A100_v4"}
            return {"properties": {"properties": nodes}}
        name = path.rsplit("/", 1)[-1]
        if self.jobs[name] == "CancelRequested":
            self.polls -= 1
            if self.polls <= 0:
                self.jobs[name] = "Canceled"
        return self._job(name)

    def get_list(self, path: str, api_version: str) -> list[dict[str, Any]]:
        if path.endswith("/jobs"):
            return [self._job(name) for name in self.jobs]
        if path.endswith("/onlineEndpoints"):
            state = {"provisioningState": "Succeeded"}
            return [
                {"id": f"{path}/{name}", "name": name, "properties": state}
                for name in self.endpoints
            ]
        return [
            {
                "name": name,
                "properties": {"instanceType": size, "provisioningState": "Succeeded"},
                "sku": {"name": "Default", "capacity": count},
            }
            for name, size, count in self.endpoints[path.split("/")[-2]]
        ]

    def post(self, path: str, api_version: str, body: Any = None) -> dict[str, Any]:
        self.requests.append(("POST", path))
        self.jobs[path.split("/")[-2]] = "CancelRequested"
        return {}

    def delete(self, path: str, api_version: str) -> bool:
        self.requests.append(("DELETE", path))
        return self.endpoints.pop(path.rsplit("/", 1)[-1], None) is not None

    def _job(self, name: str) -> dict[str, Any]:
        return {"name": name, "properties": {"status": self.jobs[name]}}


def test_what_runs_is_found_and_what_has_ended_is_not() -> None:
    found = workloads(Workspace(), OUTPUTS)  # type: ignore[arg-type]
    assert [job.name for job in found.jobs] == ["running"]
    assert [endpoint.name for endpoint in found.endpoints] == ["travel"]
    assert not found.is_empty


def test_it_costs_its_nodes_and_its_deployments_instances() -> None:
    found = workloads(Workspace(nodes=2), OUTPUTS)  # type: ignore[arg-type]
    assert found.per_hour == pytest.approx(2 * 3.673 + 2 * 0.252)


def test_a_size_without_a_price_leaves_the_cost_unknown() -> None:
    odd = Deployment("blue", "Standard_Odd_v9", 1, "Succeeded")
    assert Workloads(endpoints=(Endpoint("e", "Succeeded", (odd,)),)).per_hour is None
    assert Workloads().per_hour == 0


def test_clearing_deletes_endpoints_and_waits_for_canceled_jobs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0)
    workspace, said = Workspace(polls=3), list[str]()
    clear(workspace, OUTPUTS, workloads(workspace, OUTPUTS), said.append)  # type: ignore[arg-type]
    assert workspace.requests == [
        ("POST", f"{WS}/jobs/running/cancel"),
        ("DELETE", f"{WS}/onlineEndpoints/travel"),
    ]
    assert workspace.jobs["running"] == "Canceled"
    assert said == ["canceling job running", "deleting endpoint travel"]
    assert workloads(workspace, OUTPUTS).is_empty  # type: ignore[arg-type]


def test_a_job_that_does_not_end_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0)
    monkeypatch.setattr(module, "CANCEL_SECONDS", 0)
    workspace = Workspace(polls=10**9)
    with pytest.raises(CloudError, match="job running is still CancelRequested"):
        clear(workspace, OUTPUTS, workloads(workspace, OUTPUTS), ignore_text)  # type: ignore[arg-type]


def ignore_text(text: str) -> None:
    """Take no notice of progress."""
