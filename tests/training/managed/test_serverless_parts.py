"""What serverless tuning makes of Azure's answers, of those that are not documented, too."""

from pathlib import Path
from typing import Any

import pytest

from core.managed_models import SERVERLESS
from core.managed_recipe import ServerlessRecipe
from local.ml.serverless_models import MODELS
from tests.infra.recorded_arm import SUBSCRIPTION, FakeCloud
from training.managed.contract import ManagedOrder, Prepared
from training.managed.serverless import jobs, models, submission
from training.managed.serverless.project import Project

MADE = "2026-11-20T10:00:0{}.1234567Z"


class Outputs:
    """What `Project` reads of a stack's outputs."""

    subscription_id, resource_group, workspace = SUBSCRIPTION, "rg", "prj-dev"
    location = "eastus2"


@pytest.fixture
def project() -> Project:
    return Project(FakeCloud(), Outputs())  # type: ignore[arg-type]


def arm(project: Project) -> Any:
    return project.cloud.arm


def job(name: str, status: str = "Completed", at: int = 0, **output: Any) -> dict[str, Any]:
    return {
        "name": name,
        "systemData": {"createdAt": MADE.format(at)},
        "properties": {
            "jobType": "FineTuning",
            "experimentName": "tunestack",
            "status": status,
            "fineTuningDetails": {
                "model": {"uri": "azureml://registries/r/models/Phi-4/versions/3"}
            },
            "outputs": {"registered_model": {"assetName": "trial", **output}},
        },
    }


def version(number: str, at: int) -> dict[str, Any]:
    return {"name": number, "systemData": {"createdAt": MADE.format(at)}}


def say(project: Project, route: str, answer: Any) -> None:
    arm(project).said[f"{project.path}/{route}".lower()] = answer


def recipe(**more: Any) -> ServerlessRecipe:
    document = {"route": "serverless", "name": "s", "description": "d", "model_name": "trial"}
    return ServerlessRecipe.model_validate({**document, "base": {"id": "Phi-4"}, **more})


@pytest.mark.parametrize(
    ("word", "state"),
    [("Preparing", "Queued"), ("Starting", "Queued"), ("Running", "Running"), ("Novel", "Running"),
     ("CancelRequested", "CancelRequested"), ("Failed", "Failed"), ("NotResponding", "Running")],
)  # fmt: skip
def test_azures_states_become_ours_and_an_unknown_one_runs(word: str, state: str) -> None:
    found = jobs.managed(job("j", word))
    assert (found.status, found.service_status) == (state, word)
    assert found.is_over == (state == "Failed")
    assert (found.base, found.tuned, found.created) == ("Phi-4", "", "2026-11-20T10:00:00Z")


def test_only_our_fine_tuning_jobs_are_listed(project: Project) -> None:
    command, other = job("c", at=1), job("o", at=2)
    command["properties"]["jobType"] = "Command"
    other["properties"]["experimentName"] = "somebody's"
    say(project, "jobs", [job("a", at=3), command, other, job("b", at=4)])
    assert [one["name"] for one in jobs.list_jobs(project)] == ["b", "a"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"assetVersion": "1"}, {"assetVersion": "2"}),
        ({"uri": "azureml://x/models/trial/versions/1"}, {"assetVersion": "2"}),
        ({}, {"assetVersion": "2"}),
        ({}, {}),
    ],
)
def test_a_models_job_is_found_whatever_the_output_tells(
    project: Project, first: dict[str, str], second: dict[str, str]
) -> None:
    say(
        project, "jobs", [job("one", at=0, **first), job("two", at=4, **second), job("x", "Failed")]
    )
    say(project, "models/trial/versions", [version("1", 2), version("2", 6)])
    found = {model.job: model.ref.version for model in models.list_models(project)}
    assert found == {"one": "1", "two": "2"}
    assert models.list_models(project)[0].path.endswith("/models/trial/versions/2")


def test_a_deleted_version_and_a_strangers_are_no_models_of_ours(project: Project) -> None:
    say(project, "jobs", [job("one", assetVersion="1")])
    say(project, "models/trial/versions", [version("7", 2)])
    assert models.list_models(project) == []


def test_trained_tokens_are_our_estimate_of_what_was_sent_and_told_as_that() -> None:
    """The service tells none: file times epochs, of a job that completed; else nobody knows."""
    order = ManagedOrder(recipe(), Prepared(Path("t"), 12, 1, "a" * 64, 4_000))
    tags = submission.job_tags(recipe(), order)
    done, failed = job("d"), job("f", "Failed")
    for one in (done, failed):
        one["properties"]["tags"] = tags
    assert jobs.managed(done).trained_tokens == 12_000
    assert jobs.managed(done).tokens_text == "about 12,000 (estimated)"
    assert jobs.managed(failed).trained_tokens is None
    assert (jobs.managed(job("untagged")).trained_tokens, jobs.managed(failed).tokens_text) == (
        None, ""
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rate", "sent"), [(2e-5, "0.00002"), (0.5, "0.5"), (3.25e-12, "0.00000000000325")]
)
def test_a_learning_rate_is_sent_whole_and_without_an_exponent(rate: float, sent: str) -> None:
    asked = recipe(training={"learning_rate": rate})
    assert submission.hyperparameters(asked)["learning_rate"] == sent


def test_the_local_azure_tunes_what_we_offer_where_we_offer_it() -> None:
    tuned_in = {model.id: model.tuned_in for model in MODELS if not model.is_over()}
    for offer in SERVERLESS:
        assert tuned_in[offer.model_id] == offer.regions


def test_the_sdk_sends_the_job_with_and_without_validation() -> None:
    """Against the unmodified entity, which `create_finetuning_job` fails to make without one."""
    file = Prepared(Path("t"), 12, 1, "a" * 64, 100)
    held = Prepared(Path("v"), 2, 1, "b" * 64, 10)
    chosen = recipe(training={"epochs": 2, "learning_rate": 1e-5, "batch_size": 4})
    for validation in (None, held):
        order = ManagedOrder(chosen, file, validation, 1.5)
        made = submission._job(chosen, order, "azureml://m/versions/1", "azureml:t:1",
                               "azureml:v:1" if validation else "")  # fmt: skip
        body = made._to_rest_object().as_dict()["properties"]
        details = body["fineTuningDetails"]
        assert details["taskType"] == "chatCompletion" and details["modelProvider"] == "Custom"
        assert details["hyperParameters"] == {
            "num_train_epochs": "2",
            "per_device_train_batch_size": "4",
            "learning_rate": "0.00001",
        }
        assert bool(details.get("validationData")) == (validation is not None)
        assert body["outputs"]["registered_model"]["assetName"] == "trial"
        assert ("validation_sha256" in body["tags"]) == (validation is not None)
        assert body["tags"]["model_name"] == "trial"


def test_a_job_of_another_kind_is_not_ours_to_read(project: Project) -> None:
    command = job("c")
    command["properties"]["jobType"] = "Command"
    say(project, "jobs/c", command)
    assert jobs.find_job(project, "c") is None
    assert jobs.find_job(project, "nothing") is None
