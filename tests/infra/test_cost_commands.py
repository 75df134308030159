"""cost, and --max-cost of every command that costs, through the command line."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from command_runner import run
from recorded_arm import FakeCloud, ignore

import commands.deploy
import commands.deploying
from commands.session import Session
from core.refs import ModelRef
from core.settings import Settings
from infra.in_process.engine import InProcess
from tests.training.quick import chats

HISTORY = "https://eastus2.api.azureml.ms/history/v1.0"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> FakeCloud:
    cloud = FakeCloud(is_person=False)
    monkeypatch.setattr(Session, "cloud", cloud)
    return cloud


def bring_up(cloud: FakeCloud) -> str:
    """Make the stack local, as old as a day; give its workspace's id."""
    InProcess("local", Session("local").settings, cloud).up(ignore)  # type: ignore[arg-type]
    (workspace,) = cloud.arm.of_type("Microsoft.MachineLearningServices/workspaces")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    workspace["systemData"] = {"createdAt": yesterday.isoformat()}
    workspace["properties"]["discoveryUrl"] = "https://eastus2.api.azureml.ms/discovery"
    return str(workspace["id"])


def add(cloud: FakeCloud, workspace: str, path: str, **item: Any) -> None:
    id = f"{workspace}/{path}"
    cloud.arm.resources[id.lower()] = {**item, "id": id, "name": path.rsplit("/", 1)[-1]}


def add_job(cloud: FakeCloud, workspace: str, name: str, hours: float) -> None:
    """Let a job have run so long, on the stack's cluster."""
    (cluster,) = cloud.arm.of_type("Microsoft.MachineLearningServices/workspaces/computes")
    began = datetime(2026, 11, 21, 10, tzinfo=UTC)
    properties = {
        "status": "Completed",
        "experimentName": "tunestack",
        "computeId": cluster["id"],
        "tags": {"tunestack-estimate-usd": "1.5"},
    }
    add(cloud, workspace, f"jobs/{name}", properties=properties)
    times = {"startTimeUtc": began, "endTimeUtc": began + timedelta(hours=hours)}
    url = f"{HISTORY}{workspace}/runs/{name}/details"
    written = {key: moment.isoformat() for key, moment in times.items()}
    cloud.arm.resources[url.lower()] = {"status": "Completed", **written}


def add_deployment(cloud: FakeCloud, workspace: str, hours: float) -> None:
    created = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    add(cloud, workspace, "onlineEndpoints/travel", properties={"provisioningState": "Succeeded"})
    add(
        cloud, workspace, "onlineEndpoints/travel/deployments/blue",
        properties={"instanceType": "Standard_E4s_v3"}, sku={"capacity": 1},
        systemData={"createdAt": created},
    )  # fmt: skip


def test_cost_of_nothing_says_so(cloud: FakeCloud) -> None:
    shown = run("cost").stdout
    assert "local: nothing is there that has cost anything." in shown
    assert json.loads(run("cost", "--json").stdout)["usd"] == 0


def test_cost_adds_up_what_stands_what_ran_and_what_answers(cloud: FakeCloud) -> None:
    workspace = bring_up(cloud)
    add_job(cloud, workspace, "job1", hours=2)
    add_deployment(cloud, workspace, hours=4)
    document = json.loads(run("cost", "--json").stdout)
    amounts = {item["name"]: item["usd"] for item in document["items"]}
    assert amounts["job1"] == pytest.approx(2 * 1.008)
    assert amounts["travel/blue"] == pytest.approx(4 * 0.252, abs=0.01)
    assert amounts["container registry, Basic"] == pytest.approx(0.167, abs=0.001)
    assert document["usd"] == pytest.approx(sum(amounts.values()), abs=0.001)
    assert document["per_hour"] == pytest.approx(0.252 + (0.167 + 0.33) / 24, abs=0.001)
    assert (document["unknown"], document["billed"]) == ([], None)


def test_cost_shows_estimate_beside_actual_and_that_it_is_no_bill(cloud: FakeCloud) -> None:
    add_job(cloud, bring_up(cloud), "job1", hours=2)
    shown = run("cost").stdout
    assert re.search(r"job +job1 +Completed, 1 × Standard_E16s_v3 +2\.00 +2\.02 +1\.50", shown)
    assert "So far local would have cost on Azure" in shown
    assert "this is no bill. Not seen: storage and logs by use" in shown


def test_plan_takes_the_last_jobs_hours_for_a_run(cloud: FakeCloud) -> None:
    add_job(cloud, bring_up(cloud), "job1", hours=2)
    outlook = json.loads(run("plan", "--json").stdout)["outlook"]
    assert outlook["training_basis"] == "as the job job1 took"
    assert outlook["training_run"] == pytest.approx(2 * 1.008)
    asked = json.loads(run("plan", "--json", "--training-hours", "3").stdout)["outlook"]
    assert (asked["training_basis"], asked["training_hours"]) == ("as told", 3)


def test_plan_says_what_it_assumes(cloud: FakeCloud) -> None:
    shown = run("plan").stdout
    assert "A training run: $1.01 for 1 h on one node (assumed: no stack is up)." in shown
    assert "Standing: $0.021 an hour, $15.12 a month of 730 h." in shown
    assert "An endpoint: $183.96 a month for one instance." in shown


def test_plan_draws_the_stack(cloud: FakeCloud, tmp_path: Path) -> None:
    file = tmp_path / "pictures" / "stack.svg"
    run("plan", "--svg", str(file))
    assert "rg-tunestack-local" in file.read_text()


def test_plan_prints_the_role_as_one_document_for_az(cloud: FakeCloud) -> None:
    shown = run("plan", "--role")
    role = json.loads(shown.stdout)
    assert role["AssignableScopes"] == [f"/subscriptions/{cloud.subscription_id}"]
    assert "Microsoft.Storage/storageAccounts/write" in role["Actions"]
    assert "--condition-version 2.0" in shown.stderr
    assert cloud.arm.requests == []


@pytest.mark.parametrize("words", [("plan",), ("up", "--yes")])
def test_a_stack_that_costs_more_than_allowed_is_refused_with_its_sums(
    cloud: FakeCloud, words: tuple[str, ...]
) -> None:
    shown = run(*words, "--max-cost", "10", exit_code=2)
    assert "--max-cost 10: a month of 730 h, with nothing running, would be $15.12." in shown.stderr
    assert "container registry, Basic: $5.08 a month" in shown.stderr
    assert "load balancer of a cluster: $10.04 a month" in shown.stderr
    assert "Nothing was sent." in shown.stderr
    assert cloud.arm.count("PUT") == 0
    run("plan", "--max-cost", "15.2")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack on Azure with one A100, of which no command may go on to submit anything."""
    monkeypatch.setattr(Session, "settings", Settings(location="eastus"))


def data(folder: Path) -> tuple[str, ...]:
    chats(folder / "train.jsonl", range(12))
    chats(folder / "validation.jsonl", range(12, 14))
    return ("--recipe", "tiny-phi3", "--data", str(folder))


@pytest.mark.usefixtures("gpu")
def test_a_run_that_may_cost_more_than_allowed_is_refused(cloud: FakeCloud, tmp_path: Path) -> None:
    words = ("train", "--stack", "dev", *data(tmp_path), "--yes", "--timeout", "10")
    shown = run(*words, "--max-cost", "36", exit_code=2)
    assert "10 h on 1 x Standard_NC24ads_A100_v4 would be $36.73." in shown.stderr
    assert "shorter --timeout" in shown.stderr


def test_a_price_that_nobody_knows_is_refused_by_name(
    cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "settings", Settings(vm_size="Standard_Odd_v9"))
    words = ("train", "--stack", "dev", *data(tmp_path), "--yes", "--max-cost", "1000")
    shown = run(*words, exit_code=2)
    assert "1 x Standard_Odd_v9 costs is not known" in shown.stderr


@pytest.mark.usefixtures("gpu")
def test_a_deployment_that_costs_more_than_allowed_is_refused(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ModelRef(name="travel", version="1")
    monkeypatch.setattr(commands.deploy, "managed_model", lambda session, wanted: None)
    monkeypatch.setattr(commands.deploy, "choose_model", lambda session, wanted: model)
    deployed: list[ModelRef] = []
    monkeypatch.setattr(commands.deploying, "standing", lambda session: None)
    monkeypatch.setattr(commands.deploying, "deploy_model", lambda *a, **k: deployed.append(model))
    shown = run("deploy", "--stack", "dev", "--yes", "--max-cost", "2000", exit_code=2)
    assert "a month of one Standard_NC24ads_A100_v4 would be $2,681.29." in shown.stderr
    assert deployed == []


@pytest.mark.parametrize("command", ["plan", "up", "train", "deploy"])
def test_the_help_says_what_max_cost_is_held_against(command: str) -> None:
    shown = re.sub(r"\s+", " ", run(command, "--help").stdout)
    meanings = {
        "plan": "a month of 730 h, with nothing running",
        "up": "a month of 730 h, with nothing running",
        "train": "node price x nodes x --timeout",
        "deploy": "a month of 730 h of its instances",
    }
    assert f"Refuse if {meanings[command]}" in shown
