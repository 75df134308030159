"""Endpoints, jobs and clusters that were made after `up` are found, priced and ended."""

from collections.abc import Callable
from typing import Any

import pytest
from recorded_arm import SUBSCRIPTION, ignore, settings

from core.errors import CloudError
from core.refs import StackOutputs
from infra.engine import Event
from infra.site import Site
from infra.standing.workloads import (
    Compute,
    Deployment,
    Endpoint,
    Workloads,
    in_workspace,
    workloads,
)
from infra.teardown import ending, steps
from infra.teardown.ending import end
from infra.teardown.steps import Steps

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
        self.computes = {"gpu": False}
        self.requests: list[tuple[str, str]] = []
        self.refuse: Callable[[str], CloudError | None] = lambda path: None

    def get(self, path: str, api_version: str) -> dict[str, Any] | None:
        name = path.rsplit("/", 1)[-1]
        if self.jobs[name] == "CancelRequested":
            self.polls -= 1
            if self.polls <= 0:
                self.jobs[name] = "Canceled"
        return self._job(name)

    def get_list(self, path: str, api_version: str) -> list[dict[str, Any]]:
        path = path.partition("?")[0]
        if path.endswith("/jobs"):
            return [self._job(name) for name in self.jobs]
        if path.endswith("/computes"):
            return [self._compute(name, attached) for name, attached in self.computes.items()]
        if path.endswith("/onlineEndpoints"):
            state = {"provisioningState": "Succeeded", "traffic": {"blue": 100}}
            return [
                {"id": f"{path}/{name}", "name": name, "properties": state}
                for name in self.endpoints
            ]
        if "/Microsoft.Insights/" in path or "/Microsoft.Logic/" in path:
            return []  # nothing watches or ends them; test_monitoring.py has what does
        return [
            {
                "name": name,
                "properties": {"instanceType": size, "provisioningState": "Succeeded"},
                "sku": {"name": "Default", "capacity": count},
            }
            for name, size, count in self.endpoints[path.split("/")[-2]]
        ]

    def post(self, path: str, api_version: str, body: Any = None) -> dict[str, Any]:
        self._note("POST", path)
        self.jobs[path.split("/")[-2]] = "CancelRequested"
        return {}

    def delete(self, path: str, api_version: str) -> bool:
        self._note("DELETE", path)
        name = path.partition("?")[0].rsplit("/", 1)[-1]
        kind: dict[str, Any] = self.computes if "/computes/" in path else self.endpoints
        return kind.pop(name, None) is not None

    def _note(self, method: str, path: str) -> None:
        self.requests.append((method, path))
        refusal = self.refuse(path)
        if refusal is not None:
            raise refusal

    def _job(self, name: str) -> dict[str, Any]:
        status = {"status": self.jobs[name]}
        return {"name": name, "id": f"{WS}/jobs/{name}", "properties": status}

    def _compute(self, name: str, is_attached: bool) -> dict[str, Any]:
        inner = {"currentNodeCount": self.nodes, "vmSize": "Standard_NC24ads_A100_v4"}
        properties = {
            "computeType": "AmlCompute",
            "isAttachedCompute": is_attached,
            "properties": inner,
        }
        return {"name": name, "id": f"{WS}/computes/{name}", "properties": properties}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "POLL_SECONDS", 0)
    monkeypatch.setattr(steps, "RETRY_SECONDS", 0)


def found_in(workspace: Any) -> Workloads:
    return in_workspace(workspace, WS)


def ended(workspace: Any, took: Steps) -> bool:
    return end(workspace, [found_in(workspace)], took)


def test_what_runs_is_found_and_what_has_ended_is_not() -> None:
    found = workloads(Workspace(), OUTPUTS)  # type: ignore[arg-type]
    assert [job.name for job in found.jobs] == ["running"]
    assert [endpoint.name for endpoint in found.endpoints] == ["travel"]
    assert not found.is_empty
    assert found.nodes == 1


def test_it_costs_its_nodes_and_its_deployments_instances() -> None:
    found = workloads(Workspace(nodes=2), OUTPUTS)  # type: ignore[arg-type]
    assert found.per_hour == pytest.approx(2 * 3.673 + 2 * 0.252)


def test_a_size_without_a_price_leaves_the_cost_unknown() -> None:
    odd = Deployment("blue", "Standard_Odd_v9", 1, "Succeeded")
    assert Workloads(endpoints=(Endpoint("e", "Succeeded", (odd,)),)).per_hour is None
    low = Compute("c", "AmlCompute", "Standard_E4s_v3", 1, is_low_priority=True)
    assert Workloads(computes=(low,)).per_hour is None
    assert Workloads().per_hour == 0


def test_jobs_are_told_first_and_waited_for_before_the_clusters_go() -> None:
    workspace, events = Workspace(polls=3), list[Event]()
    took = Steps(events.append)
    assert ended(workspace, took)
    assert workspace.requests == [
        ("POST", f"{WS}/jobs/running/cancel"),
        ("DELETE", f"{WS}/onlineEndpoints/travel"),
        ("DELETE", f"{WS}/computes/gpu?underlyingResourceAction=Delete"),
    ]
    assert workspace.jobs["running"] == "Canceled"
    assert [(e.title, e.name, e.change) for e in events if e.is_done] == [
        ("endpoint", "travel", "gone"),
        ("job", "running", "canceled"),
        ("compute cluster", "gpu", "gone"),
    ]
    assert [item.name for item in took.gone.values()] == ["travel", "blue", "gpu"]
    assert found_in(workspace).is_empty


def test_a_job_that_does_not_end_is_named_and_does_not_hold_up_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ending, "CANCEL_SECONDS", 0)
    workspace, took = Workspace(polls=10**9), Steps(ignore)
    assert ended(workspace, took)
    (refused,) = took.refused.values()
    assert "job running: it is still CancelRequested" in refused
    assert workspace.computes == workspace.endpoints == {}


def test_a_job_that_ended_while_it_was_being_canceled_is_no_error() -> None:
    workspace, took = Workspace(), Steps(ignore)
    found = found_in(workspace)
    workspace.jobs["running"] = "Completed"
    workspace.refuse = lambda path: (
        CloudError("it has ended", status=400) if "/cancel" in path else None
    )
    assert end(workspace, [found], took)  # type: ignore[arg-type]
    assert took.refused == {}


def test_an_endpoint_that_is_being_made_is_waited_for() -> None:
    workspace, took = Workspace(), Steps(ignore)
    busy = [CloudError("being created", status=409, code="Conflict")] * 3
    workspace.refuse = lambda path: (
        busy.pop() if busy and path.endswith("/onlineEndpoints/travel") else None
    )
    assert ended(workspace, took)
    assert [p.rsplit("/", 1)[-1] for _, p in workspace.requests].count("travel") == 4
    assert took.refused == {}


@pytest.mark.parametrize(
    "refusal",
    [
        CloudError("no right", status=403, code="AuthorizationFailed"),
        CloudError("locked", status=409, code="ScopeLocked"),
    ],
)
def test_an_endpoint_that_may_not_be_deleted_is_told_and_the_others_go(refusal: CloudError) -> None:
    workspace, took = Workspace(), Steps(ignore)
    workspace.endpoints["other"] = []
    workspace.refuse = lambda path: refusal if path.endswith("/travel") else None
    assert not ended(workspace, took)
    assert list(workspace.endpoints) == ["travel"]
    assert list(took.refused) == [f"{WS}/onlineEndpoints/travel".lower()]


def test_a_machine_that_somebody_attached_is_let_go_and_not_deleted() -> None:
    workspace = Workspace()
    workspace.computes = {"theirs": True}
    ended(workspace, Steps(ignore))
    assert workspace.requests[-1][1].endswith("/theirs?underlyingResourceAction=Detach")


def test_in_a_shared_workspace_the_identity_says_whose_an_endpoint_and_a_job_are() -> None:
    from infra.standing.workloads import Job, identities

    site = Site(settings(adoptGroup="rg", adoptWorkspace="mlw-all"), SUBSCRIPTION, "dev")
    endpoint, job = (id.lower() for id in identities(site))
    mine = Endpoint("mine", "", (), identities=(endpoint,))
    maybe = Endpoint("maybe", "", (), tags={"stack": "rg"})
    theirs = Endpoint("theirs", "", (), identities=("/somebody/elses",))
    ran = Job("ran", "Running", identity=job)
    other = Job("other", "Running", identity="/somebody/elses", experiment="tunestack")
    cluster = Compute("c", "AmlCompute", "", 0, tags={"tunestack-stack": "dev"})
    found = Workloads((mine, maybe, theirs), (ran, other), (cluster, Compute("d", "", "", 0)))
    assert found.of(site) == Workloads((mine,), (ran,), (cluster,))
    assert found.perhaps_of(site) == Workloads((maybe,))
