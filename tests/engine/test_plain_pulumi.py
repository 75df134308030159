"""Plain `pulumi` with the unmodified Pulumi.yaml and program, against the local Azure.

The tests of this file run in order on one stack: each is a promise about the next command.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from engine_rig import Project

from core.arm import Arm
from core.cloud import Cloud
from core.errors import CloudError
from core.refs import StackOutputs
from deploy.endpoint import ensure_endpoint
from deploy.upkeep.expiry import set_expiry
from tests.training.quick import order, recipe
from training.submission import submit

STACK = "plain"
ML = "2025-12-01"
GROUPS = "2021-04-01"
VAULTS = "2024-11-01"
UP = ("up", "--yes", "--skip-preview")


@pytest.fixture(scope="module")
def cloud(project: Project) -> Cloud:
    return Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])


@pytest.fixture(scope="module")
def arm(cloud: Cloud) -> Arm:
    return cloud.arm


@pytest.fixture(scope="module", autouse=True)
def stack(project: Project) -> None:
    project.init(STACK)


def outputs(project: Project, stack: str = STACK) -> StackOutputs:
    return StackOutputs(**json.loads(project.pulumi("stack", "output", "-s", stack, "--json")))


def cluster(project: Project) -> str:
    found = outputs(project)
    return (
        f"/subscriptions/{found.subscription_id}/resourceGroups/{found.resource_group}/providers"
        f"/Microsoft.MachineLearningServices/workspaces/{found.workspace}/computes/{found.cluster}"
    )


def nodes(arm: Arm, cluster: str) -> int:
    found = arm.get(cluster, ML)
    assert found is not None
    return int(found["properties"]["properties"]["scaleSettings"]["maxNodeCount"])


def group(project: Project, name: str) -> str:
    return f"/subscriptions/{project.azure['AZURE_SUBSCRIPTION_ID']}/resourceGroups/{name}"


@contextmanager
def name_taken(project: Project, arm: Arm, stack: str) -> Iterator[list[dict[str, Any]]]:
    """Let an `up` fail at the vault, whose name somebody else has; give what it made."""
    wanted = json.loads(project.pulumi("preview", "-s", stack, "--json"))
    [vault] = [s for s in wanted["steps"] if s["urn"].endswith("Vault::vault")]
    inputs = vault["newState"]["inputs"]
    others = group(project, f"rg-others-{stack}")
    arm.put(others, GROUPS, {"location": "eastus2"})
    name = f"{others}/providers/Microsoft.KeyVault/vaults/{inputs['vaultName']}"
    sent = {key: inputs["properties"][key] for key in ("tenantId", "sku")}
    arm.put(name, VAULTS, {"location": "eastus2", "properties": sent})

    project.pulumi(*UP, "-s", stack, fails=True)
    assert "VaultAlreadyExists" in project.last.stdout
    yield project.resources(stack)

    arm.delete(others, GROUPS)
    deleted = f"/subscriptions/{project.azure['AZURE_SUBSCRIPTION_ID']}/providers"
    deleted += f"/Microsoft.KeyVault/locations/eastus2/deletedVaults/{inputs['vaultName']}"
    arm.post(f"{deleted}/purge", VAULTS)


def test_an_up_that_fails_half_way_is_finished_by_the_next(project: Project, arm: Arm) -> None:
    with name_taken(project, arm, STACK) as made:
        assert 0 < len(made) < 27
    project.pulumi(*UP, "-s", STACK)
    assert len(project.resources(STACK)) == 27


def test_a_half_failed_stack_can_be_destroyed(project: Project, arm: Arm) -> None:
    project.init("half")
    with name_taken(project, arm, "half") as made:
        project.pulumi("destroy", "--yes", "--skip-preview", "--run-program", "-s", "half")
        assert made and project.resources("half") == []


def test_up_makes_everything_and_exports_what_the_commands_need(project: Project, arm: Arm) -> None:
    for resource in project.resources(STACK):
        assert resource["id"].startswith("/subscriptions/")
    needed = (name for name, field in StackOutputs.model_fields.items() if field.is_required())
    found = outputs(project)
    assert all(getattr(found, name) for name in needed)
    assert list(found.clusters) == [found.cluster]
    assert nodes(arm, cluster(project)) == 1


def test_a_second_up_changes_nothing(project: Project) -> None:
    project.pulumi(*UP, "-s", STACK, "--expect-no-changes")


def test_a_changed_setting_updates_and_replaces_nothing(project: Project, arm: Arm) -> None:
    project.configure(STACK, maxNodes=3)
    assert project.steps(STACK) == {"cluster": "update"}
    project.pulumi(*UP, "-s", STACK)
    assert nodes(arm, cluster(project)) == 3


def test_a_new_tag_updates_what_carries_tags(project: Project) -> None:
    project.configure(STACK, tags=["team=nlp"])
    assert set(project.steps(STACK).values()) == {"update"}
    project.pulumi(*UP, "-s", STACK)


def test_a_new_vm_size_replaces_the_cluster_alone(project: Project) -> None:
    project.configure(STACK, vmSize="Standard_DS3_v2")
    assert set(project.steps(STACK)) == {"cluster"}
    project.configure(STACK, vmSize="")
    assert project.steps(STACK) == {}


def test_drift_is_found_by_refresh_and_mended_by_up(project: Project, arm: Arm) -> None:
    body: Any = arm.get(cluster(project), ML)
    body["properties"]["properties"]["scaleSettings"]["maxNodeCount"] = 7
    arm.put(cluster(project), ML, body)
    assert project.steps(STACK) == {}, "Pulumi believes its state until it is told to refresh"
    project.pulumi("refresh", "--yes", "--skip-preview", "-s", STACK)
    assert project.steps(STACK) == {"cluster": "update"}
    project.pulumi(*UP, "-s", STACK)
    assert nodes(arm, cluster(project)) == 3


def test_what_was_deleted_by_hand_is_made_again(project: Project, arm: Arm) -> None:
    arm.delete(f"{cluster(project)}?underlyingResourceAction=Delete", ML)
    project.pulumi("refresh", "--yes", "--skip-preview", "-s", STACK)
    assert project.steps(STACK) == {"cluster": "create"}
    project.pulumi(*UP, "-s", STACK)
    project.pulumi(*UP, "-s", STACK, "--expect-no-changes")


def test_two_stacks_stand_side_by_side(project: Project) -> None:
    project.init("other")
    project.pulumi(*UP, "-s", "other")
    assert not {r["id"] for r in project.resources("other")} & {
        r["id"] for r in project.resources(STACK)
    }
    project.pulumi("destroy", "--yes", "--skip-preview", "--run-program", "-s", "other")
    assert project.resources("other") == []
    project.pulumi("refresh", "--yes", "--skip-preview", "-s", STACK, "--expect-no-changes")


def test_an_existing_group_and_workspace_are_adopted_and_never_deleted(project: Project) -> None:
    host = outputs(project)
    project.init(
        "guest",
        adoptGroup=host.resource_group,
        adoptWorkspace=host.workspace,
        vmSize="Standard_DS3_v2",
    )
    assert project.steps("guest")["workspace"] == "import"
    project.pulumi(*UP, "-s", "guest")
    project.pulumi(*UP, "-s", "guest", "--expect-no-changes")
    guest = outputs(project, "guest")
    assert guest.workspace == host.workspace
    assert guest.storage_account == host.storage_account
    assert guest.cluster != host.cluster
    project.pulumi("destroy", "--yes", "--skip-preview", "--run-program", "-s", "guest")
    assert project.resources("guest") == []
    project.pulumi("refresh", "--yes", "--skip-preview", "-s", STACK, "--expect-no-changes")


def test_a_plain_destroy_refuses_and_names_the_command_that_ends_what_runs(
    project: Project, cloud: Cloud, tmp_path: Path
) -> None:
    endpoint = ensure_endpoint(cloud, outputs(project), lambda told: None)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    set_expiry(cloud, outputs(project), endpoint, tomorrow, lambda told: None)
    submit(cloud, outputs(project), order(tmp_path, recipe("wait")))
    before = project.resources(STACK)
    project.pulumi("destroy", "--yes", "--skip-preview", "-s", STACK, fails=True)
    told = project.last.stdout + project.last.stderr
    assert "--run-program" in told
    assert "delete-endpoints-and-cancel-jobs" in told
    assert project.resources(STACK) == before


def test_azure_keeps_a_workspace_that_has_endpoints(project: Project, arm: Arm) -> None:
    workspace = cluster(project).partition("/computes/")[0]
    with pytest.raises(CloudError, match="CannotDeleteResource"):
        arm.delete(f"{workspace}?forceToPurge=true", ML)


def test_destroy_with_the_program_ends_what_runs_and_leaves_nothing(
    project: Project, arm: Arm
) -> None:
    place = group(project, outputs(project).resource_group)
    project.pulumi("destroy", "--yes", "--skip-preview", "--run-program", "-s", STACK)
    assert re.search(r"job \S+: canceled", project.last.stdout)
    assert re.search(r"endpoint \S+: gone", project.last.stdout)
    assert re.search(r"expiry \S+: gone", project.last.stdout)
    assert project.resources(STACK) == []
    assert arm.get(place, GROUPS) is None
    project.pulumi("destroy", "--yes", "--skip-preview", "-s", STACK, PULUMI_RUN_PROGRAM="true")
