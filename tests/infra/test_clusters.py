"""A stack may have several clusters: each costs nothing while idle, and all go with the stack."""

from typing import Any

import pytest
from recorded_arm import FakeCloud, arm_type, engine, ignore, settings
from test_pulumi_program import run_main
from test_workloads import OUTPUTS, WS, Workspace, found_in

import infra.hooks
from core.refs import StackOutputs
from core.settings import Settings
from infra.engine import Change
from infra.hooks import before_cluster_goes
from infra.site import Site
from infra.teardown import ending, steps
from infra.teardown.ending import end
from infra.teardown.steps import Steps

MAIN, TWIN = "gpu-nc24ads-a100-v4", "gpu-nc24ads-a100-v4-low"
H100, CPU = "gpu-nc40ads-h100-v5-low", "cpu-e4s-v3"
FOUR = {
    "maxNodes": 3,
    "lowPriority": True,
    "clusters": "Standard_NC40ads_H100_v5*2:lowPriority,Standard_E4s_v3",
}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "POLL_SECONDS", 0)
    monkeypatch.setattr(steps, "RETRY_SECONDS", 0)


def clusters(cloud: FakeCloud) -> dict[str, Any]:
    return {item["name"]: item for item in cloud.arm.of_type(arm_type("compute cluster"))}


def nodes(item: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = item["properties"]["properties"]
    return found


def test_every_planned_cluster_is_made_and_named_after_what_it_is(cloud: FakeCloud) -> None:
    outputs = engine(cloud, **FOUR).up(ignore)
    made = {
        name: (item["vmSize"], item["vmPriority"], item["scaleSettings"]["maxNodeCount"])
        for name, item in ((name, nodes(item)) for name, item in clusters(cloud).items())
    }
    assert made == {
        MAIN: ("Standard_NC24ads_A100_v4", "Dedicated", 3),
        TWIN: ("Standard_NC24ads_A100_v4", "LowPriority", 3),
        H100: ("Standard_NC40ads_H100_v5", "LowPriority", 2),
        CPU: ("Standard_E4s_v3", "Dedicated", 1),
    }
    assert (outputs.cluster, outputs.low_priority_cluster) == (MAIN, TWIN)


def test_no_cluster_keeps_a_node_without_work_and_nobody_logs_in(cloud: FakeCloud) -> None:
    engine(cloud, **FOUR).up(ignore)
    for item in clusters(cloud).values():
        assert nodes(item)["scaleSettings"]["minNodeCount"] == 0
        assert nodes(item)["scaleSettings"]["nodeIdleTimeBeforeScaleDown"] == "PT2M"
        assert nodes(item)["remoteLoginPortPublicAccess"] == "Disabled"
        assert item["properties"]["disableLocalAuth"] is True
        assert "userAccountCredentials" not in nodes(item)
        assert item["tags"] == {"tunestack-stack": "local"}


def test_the_low_priority_twin_has_the_main_clusters_size_and_nodes(cloud: FakeCloud) -> None:
    engine(cloud, compute="cpu", maxNodes=5, lowPriority=True).up(ignore)
    main, twin = (nodes(item) for item in clusters(cloud).values())
    assert {key for key in main if main[key] != twin[key]} == {"vmPriority"}
    assert twin["vmPriority"] == "LowPriority"


def test_what_up_exports_tells_size_nodes_and_priority_of_each(cloud: FakeCloud) -> None:
    found = engine(cloud, **FOUR).up(ignore).clusters
    assert list(found) == [MAIN, TWIN, H100, CPU]
    assert (found[H100].vm_size, found[H100].max_nodes) == ("Standard_NC40ads_H100_v5", 2)
    assert [name for name, cluster in found.items() if cluster.is_low_priority] == [TWIN, H100]
    assert engine(cloud, **FOUR).outputs() == engine(cloud, **FOUR).up(ignore)


def test_the_exports_of_a_stack_from_before_there_were_several_are_still_read() -> None:
    old = OUTPUTS.model_dump(exclude={"clusters", "low_priority_cluster"})
    assert StackOutputs(**old).clusters == {}


def test_a_stack_of_one_cluster_meets_no_change_by_the_others_coming_and_going(
    cloud: FakeCloud,
) -> None:
    engine(cloud).up(ignore)
    plan = engine(cloud, **{**FOUR, "maxNodes": 1}).plan()
    changed = {step.name: step.change for step in plan.steps if step.change is not Change.SAME}
    assert changed == {TWIN: Change.NEW, H100: Change.NEW, CPU: Change.NEW}
    engine(cloud, **{**FOUR, "maxNodes": 1}).up(ignore)
    back = engine(cloud).plan()
    gone = {step.name for step in back.steps if step.change is Change.GONE}
    assert gone == {TWIN, H100, CPU}


def test_the_main_cluster_keeps_its_name_in_pulumis_state(monkeypatch: pytest.MonkeyPatch) -> None:
    import infra.compute

    made: list[str] = []
    real = infra.compute.MlCompute

    def noted(name: str, *args: Any, **more: Any) -> Any:
        made.append(name)
        return real(name, *args, **more)

    monkeypatch.setattr(infra.compute, "MlCompute", noted)
    run_main({"lowPriority": "true", "clusters": '["Standard_E4s_v3"]'})
    assert made == ["cluster", f"cluster-{TWIN}", f"cluster-{CPU}"]


def test_two_sizes_never_share_a_name() -> None:
    sizes = ("Standard_ND96isr_H100_v5", "Standard_NC96ads_A100_v4", "Standard_NC80adis_H100_v5")
    chosen = Settings(
        clusters=tuple(f"{size}{low}" for size in sizes for low in ("", ":lowPriority"))
    )
    assert len(Site(chosen, "sub", "dev").clusters) == len(chosen.cluster_plans) == 7


def test_every_clusters_nodes_are_counted_and_priced() -> None:
    workspace = Workspace(nodes=2)
    workspace.computes = {"gpu": False, "gpu-low": False}
    found = found_in(workspace)
    assert [compute.name for compute in found.computes] == ["gpu", "gpu-low"]
    assert found.nodes == 4


def test_every_cluster_ends_with_the_stack() -> None:
    workspace, took = Workspace(), Steps(ignore)
    workspace.endpoints, workspace.computes = {}, {"gpu": False, "gpu-low": False}
    assert end(workspace, [found_in(workspace)], took)  # type: ignore[arg-type]
    assert workspace.computes == {}
    assert [item.name for item in took.gone.values()] == ["gpu", "gpu-low"]


def test_a_cluster_that_goes_cancels_its_own_jobs_and_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workspace = Workspace()
    workspace.jobs = {"on-main": "Running", "on-low": "Running"}
    on = {"on-main": f"{WS}/computes/gpu", "on-low": f"{WS}/computes/GPU-low"}

    def job(name: str) -> dict[str, Any]:
        properties = {"status": workspace.jobs[name], "computeId": on[name]}
        return {"name": name, "id": f"{WS}/jobs/{name}", "properties": properties}

    monkeypatch.setattr(workspace, "_job", job)
    run = hook(monkeypatch, workspace)
    run(f"{WS}/computes/gpu-low")
    assert workspace.requests == [("POST", f"{WS}/jobs/on-low/cancel")]
    assert workspace.endpoints and workspace.computes, "only the engine deletes the cluster itself"


def hook(monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> Any:
    """Give what Pulumi's engine calls before it deletes a cluster, by the cluster's id."""

    class Noted:
        def __init__(self, name: str, run: Any) -> None:
            self.run = run

    class Cloud:
        arm = workspace

        @classmethod
        def sign_in(cls, subscription: str) -> "Cloud":
            return cls()

    monkeypatch.setattr(infra.hooks, "monitor_supports_feature", lambda feature: True)
    monkeypatch.setattr(infra.hooks.pulumi, "ResourceHook", Noted)
    monkeypatch.setattr(
        infra.hooks.pulumi, "ResourceHookBinding", lambda before_delete: before_delete
    )
    monkeypatch.setattr(infra.hooks, "Cloud", Cloud)
    monkeypatch.setattr(infra.hooks, "_tell", ignore)
    (made,) = before_cluster_goes(Site(settings(), "s", "dev"))  # type: ignore[misc]

    def run(id: str) -> None:
        class Args:
            pass

        args = Args()
        args.id = id  # type: ignore[attr-defined]
        made.run(args)

    return run
