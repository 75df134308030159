"""Several clusters in a private, hardened stack, by the real engine: made, kept, taken down."""

import json
import os

import pytest
from engine_rig import Project

from core.cloud import Cloud
from core.refs import StackOutputs

STACK = "private"
CHOSEN = {
    "privateNetwork": True,
    "hardened": True,
    "allowedIps": ["203.0.113.7"],
    "lowPriority": True,
}
UP = ("up", "--yes", "--skip-preview", "-s", STACK)


@pytest.fixture(scope="module", autouse=True)
def stack(project: Project) -> None:
    project.init(STACK, **CHOSEN)
    project.pulumi(*UP)


def test_the_engine_makes_what_the_features_ask_for(project: Project) -> None:
    found = StackOutputs(**json.loads(project.pulumi("stack", "output", "-s", STACK, "--json")))
    names = [row["urn"].rsplit("::", 1)[-1] for row in project.resources(STACK)]
    assert {"cluster", f"cluster-{found.low_priority_cluster}"} <= set(names)
    assert found.clusters[found.low_priority_cluster].is_low_priority
    arm = Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"]).arm
    token = "azure-native:machinelearningservices:Workspace"
    workspace = next(row["id"] for row in project.resources(STACK) if row["type"] == token)
    network = (arm.get(workspace, "2025-12-01") or {})["properties"]["managedNetwork"]
    assert network["status"]["status"] == "Active"
    assert len(network["outboundRules"]) == 4


def test_a_second_up_changes_nothing(project: Project) -> None:
    project.pulumi(*UP, "--expect-no-changes")


def test_a_plain_destroy_with_the_program_leaves_nothing(project: Project) -> None:
    project.pulumi("destroy", "--yes", "--skip-preview", "--run-program", "-s", STACK)
    assert project.resources(STACK) == []
