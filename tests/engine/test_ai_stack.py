"""A stack with hub and Foundry by the real engine: made, kept, taken down by plain Pulumi."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_rig import Project

from core.arm import Arm
from core.cloud import Cloud
from core.refs import StackOutputs
from infra.standing.hosted import ACCOUNTS_API, SERVERLESS_API
from infra.standing.workloads import API
from local.tuning import programs

STACK = "ai"
UP = ("up", "--yes", "--skip-preview", "-s", STACK)


QUICK = Path(__file__).parents[1] / "local" / "tuning"


@pytest.fixture(scope="module", autouse=True)
def stack(project: Project, azure_folder: Path) -> Iterator[None]:
    programs.use(azure_folder, job=QUICK / "quick_trainer", serving=QUICK / "quick_server")
    project.init(STACK, hub=True, foundry=True, compute="cpu")
    project.pulumi(*UP)
    yield
    programs.clear(azure_folder)


def azure() -> Arm:
    return Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"]).arm


def serve(rows: dict[str, dict[str, Any]]) -> str:
    """Make an endpoint in the hub's project, as a person or `deploy` may; give its id."""
    id = f"{rows['hub-project']['id']}/onlineEndpoints/ai-talks"
    assigned = {rows["endpoint-identity"]["id"]: {}}
    identity = {"type": "UserAssigned", "userAssignedIdentities": assigned}
    body = {"location": "eastus2", "identity": identity, "properties": {"authMode": "Key"}}
    azure().put(id, API, body)
    return id


def host(rows: dict[str, dict[str, Any]]) -> tuple[str, str]:
    """Deploy a base model in the account, and one behind a serverless endpoint; give both ids."""
    deployment = f"{rows['ai-account']['id']}/deployments/hosted"
    model = {"format": "OpenAI-OSS", "name": "gpt-oss-20b", "version": "1"}
    properties = {"model": model, "raiPolicyName": "tunestack"}
    sku = {"name": "GlobalStandard", "capacity": 1}
    azure().put(deployment, ACCOUNTS_API, {"sku": sku, "properties": properties})
    endpoint = f"{rows['hub-project']['id']}/serverlessEndpoints/ai-phi"
    chosen = {"modelId": "azureml://registries/azureml/models/Phi-4-mini-instruct"}
    body = {"location": "eastus2", "properties": {"authMode": "Key", "modelSettings": chosen}}
    azure().put(endpoint, SERVERLESS_API, {**body, "sku": {"name": "Consumption"}})
    return deployment, endpoint


def test_the_engine_makes_hub_project_connection_and_account(project: Project) -> None:
    found = StackOutputs(**json.loads(project.pulumi("stack", "output", "-s", STACK, "--json")))
    rows = {row["urn"].rsplit("::", 1)[-1]: row for row in project.resources(STACK)}
    assert rows["hub"]["id"].endswith(f"/{found.hub}")
    assert rows["ai-connection"]["id"].endswith(f"/{found.hub}/connections/{found.ai_connection}")
    assert rows["ai-project"]["id"].endswith(f"/{found.ai_account}/projects/{found.ai_project}")
    project_now = azure().get(rows["hub-project"]["id"], API) or {}
    assert project_now["properties"]["hubResourceId"] == rows["hub"]["id"]
    storage = rows["ai-account-storage-blob-data-owner-storage-account"]["outputs"]
    assert storage["principalId"] == rows["ai-account"]["outputs"]["identity"]["principalId"]


def test_a_second_up_changes_nothing(project: Project) -> None:
    project.pulumi(*UP, "--expect-no-changes")


def test_plain_pulumi_takes_the_project_down_before_hub_and_account(project: Project) -> None:
    rows = {row["urn"].rsplit("::", 1)[-1]: row for row in project.resources(STACK)}
    endpoint = serve(rows)
    deployment, serverless = host(rows)
    # Azure keeps a workspace that has endpoints: the project's own hook takes them away.
    told = project.pulumi("destroy", "--yes", "--skip-preview", "--run-program", "-s", STACK)
    assert "model deployment hosted: gone" in told
    assert "serverless endpoint ai-phi: gone" in told
    assert project.resources(STACK) == []
    assert azure().get(endpoint, API) is None
    assert azure().get(serverless, SERVERLESS_API) is None
    assert azure().get(deployment, ACCOUNTS_API) is None


def test_switched_off_the_hub_goes_with_what_its_project_serves(project: Project) -> None:
    project.init("switched", hub=True, foundry=True)
    up = ("up", "--yes", "--skip-preview", "-s", "switched")
    project.pulumi(*up)
    rows = {row["urn"].rsplit("::", 1)[-1]: row for row in project.resources("switched")}
    endpoint = serve(rows)
    project.configure("switched", hub=False)
    project.pulumi(*up)
    left = {row["urn"].rsplit("::", 1)[-1] for row in project.resources("switched")}
    assert not {"hub", "hub-project", "ai-connection", "hub-identity"} & left
    assert {"ai-account", "ai-project", "workspace"} <= left
    assert azure().get(endpoint, API) is None
    project.pulumi("destroy", "--yes", "--skip-preview", "--run-program", "-s", "switched")
