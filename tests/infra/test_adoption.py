"""An existing group and workspace: worked in, never written, never deleted."""

from typing import Any

import pytest
from recorded_arm import SUBSCRIPTION, FakeCloud, engine, ignore

from core.errors import SettingsError
from core.settings import parse_settings
from infra.engine import Change, grant_rows
from infra.in_process.preview import offline_plan
from infra.site import PULUMI, Site

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-research"
PROVIDERS = f"{GROUP}/providers"
WORKSPACE = f"{PROVIDERS}/Microsoft.MachineLearningServices/workspaces/mlw-research"
LINKS = {
    "storageAccount": f"{PROVIDERS}/Microsoft.Storage/storageAccounts/stresearch",
    "keyVault": f"{PROVIDERS}/Microsoft.KeyVault/vaults/kv-research",
    "applicationInsights": f"{PROVIDERS}/Microsoft.Insights/components/appi-research",
    "containerRegistry": f"{PROVIDERS}/Microsoft.ContainerRegistry/registries/crresearch",
}
ADOPTED = {"adoptGroup": "rg-research", "adoptWorkspace": "mlw-research"}


@pytest.fixture
def research(cloud: FakeCloud) -> FakeCloud:
    """A cloud in which somebody has a group with a workspace."""
    cloud.arm.put(GROUP, "", {"location": "westeurope", "tags": {"team": "research"}})
    cloud.arm.put(WORKSPACE, "", {"location": "westeurope", "properties": {**LINKS}})
    cloud.arm.requests.clear()
    return cloud


def written(cloud: FakeCloud) -> list[str]:
    return [path for method, path in cloud.arm.requests if method in ("PUT", "DELETE")]


def test_up_writes_neither_the_group_nor_the_workspace(research: FakeCloud) -> None:
    outputs = engine(research, stack="local", **ADOPTED).up(ignore)
    assert not {GROUP, WORKSPACE} & set(written(research))
    assert outputs.resource_group == "rg-research"
    assert outputs.workspace == "mlw-research"
    assert outputs.storage_account == "stresearch"
    assert outputs.container_registry == "crresearch"
    assert outputs.workspace_identity == ""


def test_what_the_stack_makes_goes_into_the_adopted_workspace(research: FakeCloud) -> None:
    engine(research, **ADOPTED).up(ignore)
    made = [path for path in written(research) if "/roleAssignments/" not in path]
    names = {path.removeprefix(PROVIDERS + "/").rsplit("/", 1)[0] for path in made}
    assert names == {
        "Microsoft.ManagedIdentity/userAssignedIdentities",
        "Microsoft.MachineLearningServices/workspaces/mlw-research/computes",
    }


def test_nobody_gets_a_role_on_all_of_an_adopted_group(research: FakeCloud) -> None:
    rows = grant_rows(Site(parse_settings(ADOPTED), SUBSCRIPTION, "dev"))
    assert {row.scope for row in rows} == {"storage account", "container registry", "workspace"}
    assert {row.identity for row in rows} == {"id-dev-endpoint", "id-dev-job"}


def test_a_group_alone_can_be_adopted(research: FakeCloud) -> None:
    outputs = engine(research, adoptGroup="rg-research").up(ignore)
    assert GROUP not in written(research)
    assert outputs.workspace.startswith("mlw-")
    assert outputs.workspace_identity


def test_a_second_up_sends_nothing(research: FakeCloud) -> None:
    stack = engine(research, **ADOPTED)
    stack.up(ignore)
    research.arm.requests.clear()
    stack.up(ignore)
    assert written(research) == []
    assert {step.change for step in stack.plan().steps} == {Change.SAME}


def test_destroy_leaves_them_as_they_were(research: FakeCloud) -> None:
    before = {path: research.arm.get(path, "") for path in (GROUP, WORKSPACE)}
    stack = engine(research, **ADOPTED)
    stack.up(ignore)
    research.arm.requests.clear()
    stack.destroy(ignore)
    assert {path: research.arm.get(path, "") for path in (GROUP, WORKSPACE)} == before
    assert not {GROUP, WORKSPACE} & {path.partition("?")[0] for path in written(research)}
    assert research.arm.of_type("Microsoft.ManagedIdentity/userAssignedIdentities") == []


def test_what_is_not_there_cannot_be_adopted(cloud: FakeCloud) -> None:
    with pytest.raises(SettingsError, match="adoptGroup: there is no resource group"):
        engine(cloud, **ADOPTED).up(ignore)
    assert written(cloud) == []


def test_a_workspace_without_a_registry_is_refused_with_the_command(research: FakeCloud) -> None:
    bare: Any = {"location": "westeurope", "properties": {**LINKS, "containerRegistry": None}}
    research.arm.put(WORKSPACE, "", bare)
    with pytest.raises(SettingsError, match="has no container registry") as error:
        engine(research, **ADOPTED).up(ignore)
    assert "az ml workspace update -n mlw-research" in error.value.hint


def test_a_workspace_is_adopted_with_its_group_only() -> None:
    with pytest.raises(SettingsError, match="adoptWorkspace: name its resource group, too"):
        parse_settings({"adoptWorkspace": "mlw-research"})


def test_without_a_sign_in_the_plan_can_still_be_shown() -> None:
    plan = offline_plan("dev", parse_settings(ADOPTED), PULUMI, "Not signed in.")
    assert {step.change for step in plan.steps} == {Change.UNKNOWN}
    assert len(plan.grants) == 5
