"""init, plan, up, status and destroy through the command line, with a recorded ARM behind it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_runner import run
from recorded_arm import SUBSCRIPTION, FakeCloud

from commands.session import Session


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> FakeCloud:
    """The Azure of every stack."""
    cloud = FakeCloud(is_person=False)
    monkeypatch.setattr(Session, "cloud", cloud)
    return cloud


@pytest.fixture
def stacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNESTACK_STACKS", str(tmp_path / "stacks"))
    return tmp_path / "stacks"


def workspace_id(cloud: FakeCloud) -> str:
    (found,) = cloud.arm.of_type("Microsoft.MachineLearningServices/workspaces")
    return str(found["id"])


def test_init_writes_what_was_chosen_and_says_what_comes_next(stacks: Path) -> None:
    shown = run("init", "-s", "dev", "--location", "westus3", "--compute", "cpu", "--tag", "a=b")
    written = yaml.safe_load((stacks / "Pulumi.dev.yaml").read_text())["config"]
    assert written == {
        "tunestack:location": "westus3",
        "tunestack:compute": "cpu",
        "tunestack:backend": "file://~",
        "tunestack:tags": ["a=b"],
    }
    assert "PULUMI_BACKEND_URL=file://~" in shown.stdout
    assert "tunestack plan --stack dev" in shown.stdout


def test_init_names_every_wrong_flag_and_writes_nothing(stacks: Path) -> None:
    shown = run(
        "init", "-s", "dev", "--location", "Mars!", "--max-nodes", "many", exit_code=2
    )  # fmt: skip
    assert "location: " in shown.stderr
    assert "maxNodes: " in shown.stderr
    assert not stacks.exists()


def test_init_overwrites_only_when_told(stacks: Path) -> None:
    run("init", "-s", "dev", "--location", "westus3")
    refused = run("init", "-s", "dev", exit_code=2)
    assert "--yes" in refused.stderr
    assert "westus3" in (stacks / "Pulumi.dev.yaml").read_text()
    run("init", "-s", "dev", "--yes")
    assert "westus3" not in (stacks / "Pulumi.dev.yaml").read_text()


def test_the_rehearsals_stack_is_a_service_principals(stacks: Path) -> None:
    document = json.loads(run("init", "-s", "local", "--json").stdout)
    assert document["config"]["tunestack:personType"] == "ServicePrincipal"


def test_plan_shows_resources_grants_with_reasons_and_prices(cloud: FakeCloud) -> None:
    shown = run("plan").stdout
    assert "id-local-endpoint" in shown
    assert "asked for; serving a model would do with the two grants below" in shown
    assert "1.008" in shown
    assert "2026-11-21" in shown
    assert cloud.arm.count("PUT") == 0


def test_plan_as_json_is_one_document(cloud: FakeCloud) -> None:
    document = json.loads(run("plan", "--json").stdout)
    assert {step["change"] for step in document["steps"]} == {"new"}
    assert all(grant["reason"] for grant in document["grants"])


def test_plan_without_a_subscription_shows_what_the_program_declares(
    stacks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_SUBSCRIPTION_ID", raising=False)
    run("init", "-s", "dev")
    document = json.loads(run("plan", "-s", "dev", "--json").stdout)
    assert {step["change"] for step in document["steps"]} == {"unknown"}
    assert "No subscription is chosen" in document["note"]


def test_a_stack_that_is_not_set_up_is_answered_with_init(stacks: Path) -> None:
    shown = run("plan", "-s", "dev", exit_code=3)
    assert "tunestack init --stack dev" in shown.stderr


def test_up_asks_and_without_a_terminal_names_yes(cloud: FakeCloud) -> None:
    shown = run("up", exit_code=2)
    assert "--yes" in shown.stderr
    assert cloud.arm.count("PUT") == 0


def test_up_shows_progress_on_stderr_and_outputs_on_stdout(cloud: FakeCloud) -> None:
    shown = run("up", "--yes", "--json")
    outputs = json.loads(shown.stdout)
    assert outputs["workspace"] == "mlw-local"
    assert "made workspace mlw-local" in shown.stderr
    assert shown.stderr.count("  made ") == cloud.arm.count("PUT")


def test_a_second_up_changes_nothing_and_does_not_ask(cloud: FakeCloud) -> None:
    run("up", "--yes")
    cloud.arm.requests.clear()
    shown = run("up")
    assert "27 same" in shown.stderr
    assert cloud.arm.count("PUT") == 0


def test_status_of_nothing_says_so(cloud: FakeCloud) -> None:
    assert "nothing is there" in run("status").stdout


def test_status_shows_what_runs_and_what_it_costs(cloud: FakeCloud) -> None:
    run("up", "--yes")
    add_workloads(cloud)
    document = json.loads(run("status", "--json").stdout)
    assert document["is_up"]
    assert [job["name"] for job in document["jobs"]] == ["job1"]
    assert document["endpoints"][0]["deployments"][0]["vm_size"] == "Standard_E4s_v3"
    assert document["per_hour"] == pytest.approx(0.252 + (0.167 + 0.33) / 24, abs=1e-3)
    shown = run("status").stdout
    assert "endpoint travel (Succeeded): blue on 1 × Standard_E4s_v3" in shown
    assert "job job1: Running" in shown


def test_destroy_asks_and_without_a_terminal_names_yes(cloud: FakeCloud) -> None:
    run("up", "--yes")
    shown = run("destroy", exit_code=2)
    assert "27 resources" in shown.stderr
    assert "--yes" in shown.stderr
    assert cloud.arm.count("DELETE") == 0


def test_destroy_ends_what_runs_before_it_deletes_the_rest(cloud: FakeCloud) -> None:
    run("up", "--yes")
    add_workloads(cloud)
    cloud.arm.requests.clear()
    document = json.loads(run("destroy", "--yes", "--json").stdout)
    changes = [path for method, path in cloud.arm.requests if method in ("POST", "DELETE")]
    assert changes[0].endswith("/jobs/job1/cancel")
    assert changes[1].endswith("/onlineEndpoints/travel")
    assert len(document["deleted"]) == 27 + 2
    assert [job["name"] for job in document["canceled"]] == ["job1"]
    assert (document["remains"], document["held"], document["cost_per_hour"]) == ([], [], 0)
    assert cloud.arm.resources == cloud.arm.held == {}


def test_destroy_of_nothing_is_no_error(cloud: FakeCloud) -> None:
    assert run("destroy").stdout == "local: nothing was there.\n"


def test_destroy_twice_in_a_row_is_no_error(cloud: FakeCloud) -> None:
    run("up", "--yes")
    assert "Nothing remains. It costs $0.00 an hour." in run("destroy", "--yes").stdout
    assert run("destroy").stdout == "local: nothing was there.\n"


def test_the_receipt_says_by_kind_what_is_gone_and_what_is_gone_for_good(
    cloud: FakeCloud,
) -> None:
    run("up", "--yes")
    add_workloads(cloud)
    lines = [line.split() for line in run("destroy", "--yes").stdout.splitlines()]
    assert ["job", "job1", "canceled"] in lines
    assert ["endpoint", "travel"] in lines
    assert ["workspace", "mlw-local", "for", "good"] in lines
    assert ["grant", "14", "of", "them"] in lines


def test_destroy_prints_what_is_held_until_when_and_what_frees_it(cloud: FakeCloud) -> None:
    run("up", "--yes")
    shown = run("destroy", "--yes", "--keep-recoverable").stdout
    assert "Held by Azure" in shown
    assert "2026-11-28" in shown
    assert "az keyvault purge --name kv-local-" in shown
    assert "back: make the group rg-tunestack-local again, then az keyvault recover" in shown


def test_destroy_asks_before_it_purges_what_an_earlier_one_kept(cloud: FakeCloud) -> None:
    run("up", "--yes")
    run("destroy", "--yes", "--keep-recoverable")
    shown = run("destroy", exit_code=2)
    assert "still recoverable, to be purged now: key vault kv-local-" in shown.stderr
    assert len(cloud.arm.held) == 3
    run("destroy", "--yes")
    assert cloud.arm.resources == cloud.arm.held == {}


def test_destroy_names_what_remains_and_fails(cloud: FakeCloud) -> None:
    run("up", "--yes")
    left = {
        "id": f"/subscriptions/{SUBSCRIPTION}/elsewhere",
        "name": "elsewhere",
        "type": "Some/thing",
        "tags": {"tunestack-stack": "local"},
        "properties": {},
    }
    cloud.arm.resources[left["id"]] = left
    shown = run("destroy", "--yes", exit_code=1)
    assert "Still there" in shown.stdout
    assert f"/subscriptions/{SUBSCRIPTION}/elsewhere" in shown.stdout
    assert "costs an unknown amount an hour" in shown.stdout
    assert "1 of its resources remain" in shown.stderr


def test_a_refusal_is_in_the_receipt_and_the_way_on_is_named(cloud: FakeCloud) -> None:
    run("up", "--yes")
    cloud.arm.refuse = lambda method, path: method == "DELETE" and "storageAccounts" in path
    shown = run("destroy", "--yes", "--json", exit_code=1)
    document = json.loads(shown.stdout)
    assert not document["is_done"]
    assert document["refused"]
    assert document["cost_per_hour"] >= 0
    assert "tunestack destroy --stack local goes on from here" in shown.stderr
    cloud.arm.refuse = lambda method, path: False
    run("destroy", "--yes")
    assert cloud.arm.resources == {}


def add_workloads(cloud: FakeCloud) -> None:
    """Submit a job and deploy an endpoint, as train and deploy do."""
    below = workspace_id(cloud)
    made: dict[str, dict[str, Any]] = {
        "jobs/job1": {"properties": {"status": "Running"}},
        "jobs/job0": {"properties": {"status": "Completed"}},
        "onlineEndpoints/travel": {"properties": {"provisioningState": "Succeeded"}},
        "onlineEndpoints/travel/deployments/blue": {
            "properties": {"instanceType": "Standard_E4s_v3", "provisioningState": "Succeeded"},
            "sku": {"name": "Default", "capacity": 1},
        },
    }
    for path, item in made.items():
        id = f"{below}/{path}"
        cloud.arm.resources[id.lower()] = {**item, "id": id, "name": path.rsplit("/", 1)[-1]}
