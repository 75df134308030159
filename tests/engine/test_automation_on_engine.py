"""`tunestack up`, `plan`, `status`, `destroy` with the real engine, and plain `pulumi` beside them.

Slow: every run of the engine takes five to ten seconds.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from engine_rig import Project
from moments import check_whole, tunestack

from core.arm import Arm
from core.cloud import Cloud

UP = ("up", "--yes", "--skip-preview")
GROUPS = "2021-04-01"
EVERYTHING = 27


@pytest.fixture(scope="module")
def arm(project: Project) -> Arm:
    return Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"]).arm


def settings(project: Project, stack: str) -> None:
    """Write the stack's file and nothing else: the first `up` makes the stack."""
    project.configure(stack, compute="cpu", personType="ServicePrincipal", location="eastus2")


def status(project: Project, stack: str) -> dict[str, Any]:
    told = tunestack(project, stack, "status", "--json")
    return dict(json.loads(told[told.index("{") :]))


def planned(project: Project, stack: str) -> dict[str, Any]:
    told = tunestack(project, stack, "plan", "--json")
    steps = json.loads(told[told.index("{") :])["steps"]
    return {step["title"]: step for step in steps if step["change"] != "same"}


def stack_file(project: Project, stack: str) -> dict[str, Any]:
    return dict(yaml.safe_load((project.folder / f"Pulumi.{stack}.yaml").read_text()))


def test_a_stack_that_tunestack_made_is_worked_by_plain_pulumi(project: Project) -> None:
    stack = "ours"
    settings(project, stack)
    told = tunestack(project, stack, "up", "--yes")
    assert f"{EVERYTHING} new" in told
    assert told.count("  made ") == EVERYTHING
    assert "encryptionsalt" in stack_file(project, stack)

    project.pulumi(*UP, "-s", stack, "--expect-no-changes")
    project.pulumi("refresh", "--yes", "--skip-preview", "-s", stack, "--expect-no-changes")
    shown = status(project, stack)
    outputs = json.loads(project.pulumi("stack", "output", "-s", stack, "--json"))
    assert shown["is_up"]
    assert outputs["workspace"] in {item["name"] for item in shown["resources"]}

    project.pulumi("config", "set", "-s", stack, "tunestack:maxNodes", "2")
    project.pulumi(*UP, "-s", stack)
    assert planned(project, stack) == {}

    project.pulumi("destroy", "--yes", "--skip-preview", "--run-program", "-s", stack)
    assert status(project, stack)["resources"] == []
    assert "Nothing remains" in tunestack(project, stack, "destroy", "--yes")


def test_a_stack_that_plain_pulumi_made_is_worked_by_tunestack(project: Project, arm: Arm) -> None:
    stack = "theirs"
    project.init(stack)
    project.pulumi(*UP, "-s", stack)
    salt = stack_file(project, stack)["encryptionsalt"]
    assert planned(project, stack) == {}
    assert f"{EVERYTHING} same" in tunestack(project, stack, "up", "--yes")

    project.configure(stack, maxNodes=3)
    [(title, step)] = planned(project, stack).items()
    assert title == "compute cluster"
    [difference] = step["differences"]
    assert difference["path"].endswith("maxNodeCount")
    assert (difference["before"], difference["after"]) == (1, 3)
    assert "updated compute cluster" in tunestack(project, stack, "up", "--yes")
    project.pulumi("preview", "-s", stack, "--expect-no-changes")
    assert stack_file(project, stack)["encryptionsalt"] == salt

    assert "Nothing remains" in tunestack(project, stack, "destroy", "--yes")
    assert project.resources(stack) == []
    assert len(project.steps(stack)) > EVERYTHING


def test_a_state_that_is_lost_is_found_again_in_azure(project: Project, arm: Arm) -> None:
    stack = "lost"
    settings(project, stack)
    tunestack(project, stack, "up", "--yes")
    shutil.rmtree(project.folder / "state" / ".pulumi")
    told = tunestack(project, stack, "up", "--yes")
    assert told.count("  taken over ") == EVERYTHING
    assert "failed" not in told
    assert len(project.resources(stack)) == EVERYTHING
    project.pulumi(*UP, "-s", stack, "--expect-no-changes")

    shutil.rmtree(project.folder / "state" / ".pulumi")
    assert "Nothing remains" in tunestack(project, stack, "destroy", "--yes")


def test_what_was_deleted_behind_pulumis_back_is_seen_and_made_again(
    project: Project, arm: Arm
) -> None:
    stack = "behind"
    settings(project, stack)
    tunestack(project, stack, "up", "--yes")
    [logs] = [r["id"] for r in project.resources(stack) if "OperationalInsights" in r["id"]]
    [cluster] = [r["id"] for r in project.resources(stack) if "/computes/" in r["id"]]
    arm.delete(f"{logs}?force=true", "2023-09-01")
    arm.delete(f"{cluster}?underlyingResourceAction=Delete", "2025-12-01")
    changes = {title: step["change"] for title, step in planned(project, stack).items()}
    assert changes == {"Log Analytics workspace": "new", "compute cluster": "new"}
    tunestack(project, stack, "up", "--yes")
    check_whole(project, stack, arm)
    tunestack(project, stack, "destroy", "--yes")


def test_what_azure_refuses_is_told_in_its_words_and_the_next_up_goes_on(
    project: Project, arm: Arm
) -> None:
    stack = "refused"
    project.init(stack)
    squatters = f"/subscriptions/{project.azure['AZURE_SUBSCRIPTION_ID']}/resourceGroups/rg-squat"
    arm.put(squatters, GROUPS, {"location": "eastus2"})
    sent = {"location": "eastus2", "sku": {"name": "Basic"}}
    wanted = json.loads(project.pulumi("preview", "-s", stack, "--json"))
    [registry] = [s for s in wanted["steps"] if s["urn"].endswith("Registry::registry")]
    name = registry["newState"]["inputs"]["registryName"]
    taken = f"{squatters}/providers/Microsoft.ContainerRegistry/registries/{name}"
    arm.put(taken, "2023-01-01-preview", sent)

    preflight = tunestack(project, stack, "up", "--yes", exit_code=3)
    assert "names.taken" in preflight and name in preflight
    told = tunestack(project, stack, "up", "--yes", "--ignore", "names.taken", exit_code=4)
    assert f"failed container registry {name}" in told
    assert "AlreadyInUse" in told.split("Error:")[1]
    assert f"tunestack up --stack {stack} goes on from here" in told

    arm.delete(taken, "2023-01-01-preview")
    tunestack(project, stack, "up", "--yes")
    assert len(project.resources(stack)) == EVERYTHING
    arm.delete(squatters, GROUPS)
    tunestack(project, stack, "destroy", "--yes")


def test_a_first_up_never_asks_for_a_passphrase_or_a_login(project: Project) -> None:
    stack = "asked"
    settings(project, stack)
    for name, value, words in (
        ("PULUMI_BACKEND_URL", "https://api.pulumi.com", "pulumi login"),
        ("PULUMI_BACKEND_URL", "azblob://state", "storage_account=NAME"),
        ("PULUMI_BACKEND_URL", f"file://{project.folder}/none", "cannot be used"),
    ):
        told = tunestack(project, stack, "up", "--yes", exit_code=3, **{name: value})
        assert words in told


def test_a_stack_with_another_passphrase_names_the_variable(project: Project) -> None:
    stack = "secret"
    settings(project, stack)
    project.pulumi("stack", "init", stack, PULUMI_CONFIG_PASSPHRASE="theirs")
    told = tunestack(project, stack, "plan", exit_code=3)
    assert "PULUMI_CONFIG_PASSPHRASE" in told
    tunestack(project, stack, "plan", PULUMI_CONFIG_PASSPHRASE="theirs")


def test_a_stack_that_another_machine_works_on_is_left_alone(project: Project) -> None:
    stack = "held"
    project.init(stack)
    folder = lock_folder(project, stack)
    folder.mkdir(parents=True, exist_ok=True)
    row = {"pid": 7, "username": "me", "hostname": "far-away", "timestamp": "2026-11-21T12:00:00Z"}
    (folder / "00000000-0000-4000-8000-000000000000.json").write_text(json.dumps(row))
    for command in ("up", "destroy"):
        told = tunestack(project, stack, command, "--yes", exit_code=3)
        assert "process 7) of me on far-away" in told
        assert f"pulumi cancel -s {stack}" in told
    project.pulumi("cancel", "--yes", "-s", stack)
    tunestack(project, stack, "destroy", "--yes")


def lock_folder(project: Project, stack: str) -> Path:
    locks = project.folder / "state" / ".pulumi" / "locks"
    return locks / "organization" / "tunestack" / stack
