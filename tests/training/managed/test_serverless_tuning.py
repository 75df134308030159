"""The whole life of serverless tuning on the local Azure, through the unmodified azure-ai-ml.

The trainer is one of a second; everything else is what `tunestack train` does.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.cloud import Cloud
from core.errors import CloudError, UserError
from core.managed_recipe import ServerlessRecipe
from core.refs import ModelRef, StackOutputs
from core.settings import parse_settings
from deploy.managed.contract import HostedOrder
from deploy.managed.serverless import ServerlessHosting
from local.process import LocalAzure
from local.tuning import programs
from training.managed.contract import ManagedJob, ManagedOrder
from training.managed.data import prepare
from training.managed.serverless.project import ENDPOINTS_API, Project
from training.managed.serverless.service import Serverless
from training.submission import ESTIMATE_TAG

QUICK = Path(__file__).parents[2] / "local" / "tuning"
WITHIN = 60.0

pytestmark = pytest.mark.slow
"""A stack with a hub takes 10 s to be made and taken down; the jobs some more."""


@pytest.fixture(scope="module")
def stack(
    local_azure: LocalAzure, azure_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StackOutputs]:
    from infra.in_process.engine import InProcess

    cloud = Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])
    asked = {"personType": "ServicePrincipal", "compute": "cpu", "hub": True}
    patch = pytest.MonkeyPatch()
    patch.setenv("TUNESTACK_HOME", str(tmp_path_factory.mktemp("home")))
    engine = InProcess("tuning-serverless", parse_settings(asked), cloud)
    programs.use(azure_folder, job=QUICK / "quick_trainer", serving=QUICK / "quick_server")
    yield engine.up(lambda event: None)
    programs.clear(azure_folder)
    engine.destroy(lambda event: None)
    patch.undo()


@pytest.fixture
def tuning(stack: StackOutputs) -> Serverless:
    return Serverless(Cloud.sign_in(stack.subscription_id), stack)


@pytest.fixture
def project(stack: StackOutputs) -> Project:
    return Project.of(Cloud.sign_in(stack.subscription_id), stack)


@pytest.fixture
def order(tmp_path: Path) -> Callable[..., ManagedOrder]:
    """Make an order as `train` does, its files prepared."""

    def make(rows: int = 30, does: str = "", **recipe: Any) -> ManagedOrder:
        document = {"route": "serverless", "name": "phi quick", "description": "A trial."}
        named = {"model_name": "trial", "base": {"id": "Phi-4-mini-instruct"}}
        made = ServerlessRecipe.model_validate({**document, **named, **recipe})
        chats = [
            [
                {"role": "user", "content": f"Question {n} {does}".strip()},
                {"role": "assistant", "content": f"It is {n}."},
            ]
            for n in range(rows)
        ]
        path = tmp_path / "given.jsonl"
        path.write_text("\n".join(json.dumps({"messages": chat}) for chat in chats))
        return ManagedOrder(made, *prepare(made, path, None, tmp_path / "sent"), 0.25)

    return make


def until(service: Serverless, name: str, wanted: Callable[[ManagedJob], bool]) -> ManagedJob:
    """Wait for a job's state, as following does."""
    deadline = time.monotonic() + WITHIN
    while True:
        job = service.job(name)
        assert job is not None
        if wanted(job):
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.1)


def test_a_job_trains_tells_and_leaves_a_model_that_can_be_deleted(
    tuning: Serverless, project: Project, order: Callable[..., ManagedOrder]
) -> None:
    told: list[str] = []
    asked = order()
    submitted = tuning.submit(asked, told.append)
    assert submitted.name.startswith("phi-quick-")
    assert any(line.startswith("train: ") for line in told)
    assert not any("does not tell its newest" in line for line in told), told

    job = until(tuning, submitted.name, lambda job: job.is_over)
    assert (job.status, job.service_status, job.error) == ("Completed", "Completed", "")
    assert job.base == "Phi-4-mini-instruct" and job.tuned == "trial"
    assert job.created <= job.finished and job.finished.endswith("Z")
    assert job.tags["data_sha256"] == asked.train.sha256
    assert job.tags[ESTIMATE_TAG] == "0.2500"
    assert job.trained_tokens == 3 * asked.train.tokens and job.are_tokens_estimated
    assert [one.name for one in tuning.jobs()] == [job.name]

    document = project.get(f"jobs/{job.name}", "2024-10-01-preview")
    assert document is not None
    details = document["properties"]["fineTuningDetails"]
    assert details["model"]["uri"].endswith(
        "/registries/azureml/models/Phi-4-mini-instruct/versions/1"
    )
    assert details["hyperParameters"] == {
        "num_train_epochs": "3",
        "per_device_train_batch_size": "1",
        "learning_rate": "0.00002",
    }
    assert "validationData" in details

    events = tuning.events(job.name)
    ids = [event.id for event in events]
    assert ids[:2] == ["created", "began"] and ids[-1] == "ended"
    assert len(set(ids)) == len(ids)
    assert tuning.events(job.name) == events
    curve = tuning.curve(job.name)
    assert curve and all(set(point) <= {"step", "train_loss", "valid_loss"} for point in curve)
    assert [event.metrics for event in events if event.metrics] == curve
    assert tuning.checkpoints(job.name) == []

    (model,) = tuning.models()
    assert (model.ref, model.job) == (ModelRef(name="trial", version="1"), job.name)
    assert model.base == "Phi-4-mini-instruct"
    assert model.path.startswith("azureml://locations/eastus2/workspaces/")
    assert model.path.endswith("/models/trial/versions/1")
    assert model.document()["tags"]["recipe"] == "phi quick"

    endpoint = f"{project.path}/serverlessEndpoints/trial-serving"
    body = {
        "location": "eastus2",
        "sku": {"name": "Consumption"},
        "properties": {"modelSettings": {"modelId": model.path}, "authMode": "AAD"},
    }
    project.cloud.arm.put(endpoint, ENDPOINTS_API, body)
    with pytest.raises(UserError, match="served by trial-serving") as caught:
        tuning.delete_model(model)
    assert "undeploy" in caught.value.hint
    project.cloud.arm.delete(endpoint, ENDPOINTS_API)
    tuning.delete_model(model)
    assert tuning.models() == []


def test_the_same_files_are_uploaded_once_and_versions_count_up(
    tuning: Serverless, project: Project, order: Callable[..., ManagedOrder]
) -> None:
    jobs = [tuning.submit(order(model_name="twice"), lambda line: None) for _ in range(2)]
    for job in jobs:
        until(tuning, job.name, lambda job: job.is_over)
    assets = project.get_list("data/tunestack-serverless-train/versions", "2023-10-01")
    hashes = {order().train.sha256[:16]}
    assert hashes <= {asset["name"] for asset in assets}
    assert len({asset["name"] for asset in assets}) == len(assets)
    made = {model.job: model.ref.version for model in tuning.models()}
    assert {made[job.name] for job in jobs} == {"1", "2"}


def test_a_running_job_is_canceled_and_cannot_be_paused(
    tuning: Serverless, order: Callable[..., ManagedOrder], tmp_path: Path
) -> None:
    waits = f"[wait 2 {tmp_path / 'never'}]"
    name = tuning.submit(order(does=waits, model_name="long"), lambda line: None).name
    until(tuning, name, lambda job: job.status == "Running")
    for ask, word in ((tuning.pause, "pause"), (tuning.resume, "resume")):
        with pytest.raises(UserError, match=f"cannot {word} {name}"):
            ask(name)
    tuning.cancel(name)
    job = until(tuning, name, lambda job: job.is_over)
    assert job.status == tuning.cancel(name).status == "Canceled"
    assert not [model for model in tuning.models() if model.job == name]


def test_a_job_without_validation_that_fails_says_why_in_its_events(
    tuning: Serverless, order: Callable[..., ManagedOrder]
) -> None:
    asked = order(rows=10, does="[fail 2]", model_name="broken")
    assert asked.validation is None
    name = tuning.submit(asked, lambda line: None).name
    job = until(tuning, name, lambda job: job.is_over)
    assert job.status == "Failed" and job.error
    last = tuning.events(name)[-1]
    assert (last.id, last.level) == ("ended", "error") and job.error in last.text


def test_clear_cancels_what_runs_and_names_it(
    tuning: Serverless, order: Callable[..., ManagedOrder], tmp_path: Path
) -> None:
    waits = f"[wait {tmp_path / 'never'}]"
    name = tuning.submit(order(does=waits, model_name="cleared"), lambda line: None).name
    assert list(tuning.clear(lambda line: None)) == [f"job {name}"]
    assert until(tuning, name, lambda job: job.is_over).status == "Canceled"
    assert list(tuning.clear(lambda line: None)) == []


def test_a_model_that_is_sold_is_subscribed_to_once_before_the_job(
    tuning: Serverless, project: Project, order: Callable[..., ManagedOrder]
) -> None:
    told: list[str] = []
    for _ in range(2):
        sold = order(base={"id": "Ministral-3B"}, model_name="sold")
        job = tuning.submit(sold, told.append)
        until(tuning, job.name, lambda job: job.is_over)
    assert len([line for line in told if "Marketplace" in line]) == 1
    (found,) = project.get_list("marketplaceSubscriptions", ENDPOINTS_API)
    assert found["name"] == "tunestack-ministral-3b"
    assert list(tuning.clear(lambda line: None)) == [
        "marketplace subscription tunestack-ministral-3b"
    ]
    assert project.get_list("marketplaceSubscriptions", ENDPOINTS_API) == []


def test_deploying_a_tuned_model_that_is_sold_renews_its_ended_subscription(
    tuning: Serverless, project: Project, stack: StackOutputs, order: Callable[..., ManagedOrder]
) -> None:
    sold = order(base={"id": "Ministral-3B"}, model_name="renewed")
    job = until(tuning, tuning.submit(sold, lambda line: None).name, lambda job: job.is_over)
    assert list(tuning.clear(lambda line: None))
    (model,) = (one for one in tuning.models() if one.job == job.name)
    hosting, name = ServerlessHosting(project.cloud, stack), "renewed-serving"
    asked = HostedOrder(name, model.path, base=model.base, sku="Consumption", auth="key")
    assert hosting.deploy(asked, lambda line: None).is_ready
    hosting.delete(name, lambda line: None)
    assert list(tuning.clear(lambda line: None))


def test_what_azure_refuses_is_told_and_nothing_is_made(
    tuning: Serverless, order: Callable[..., ManagedOrder]
) -> None:
    before = len(tuning.jobs())
    with pytest.raises(UserError, match="do not tune"):
        tuning.submit(order(base={"id": "Phi-3.5-mini-instruct"}), lambda line: None)
    with pytest.raises(CloudError, match="not fine-tuned in eastus2"):
        tuning.submit(order(base={"id": "Llama-3.3-70B-Instruct"}), lambda line: None)
    assert len(tuning.jobs()) == before
    assert tuning.job("no-such-job") is None
    with pytest.raises(UserError, match="no serverless job"):
        tuning.events("no-such-job")
