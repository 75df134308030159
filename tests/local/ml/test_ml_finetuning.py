"""Serverless fine-tuning jobs of a hub's project, through the unmodified azure-ai-ml.

Their programs are quick ones; tests/e2e/test_serverless_route.py tunes with the real one. Azure was
never asked: what these jobs show there is what its documentation and the client's types say.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Data
from azure.ai.ml.finetuning import FineTuningTaskType, create_finetuning_job
from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError
from azure_group import API
from hub_project import HYPERPARAMETERS, PHI, Project, chats, losses

from core.errors import CloudError


def refusal(act: Callable[[], Any]) -> HttpResponseError:
    with pytest.raises(HttpResponseError) as caught:
        act()
    return caught.value


def test_a_job_of_the_sdks_own_function_trains_and_registers_its_model(project: Project) -> None:
    """Its files have a byte order mark and keys besides the messages, as Microsoft's samples."""
    paths = {}
    for name, count in (("train", 8), ("validation", 2)):
        rows = [{"prompt_id": "7", "prompt": "p", **row} for row in chats(count)]
        stored = project.file(f"sdk-{name}.jsonl", rows, bom=True)
        asset = Data(name=f"chat-{name}", version="1", type="uri_file", path=stored)
        paths[name] = str(project.ml.data.create_or_update(asset).id)
    order = create_finetuning_job(
        task=FineTuningTaskType.CHAT_COMPLETION,
        model=f"{PHI}/versions/1",
        training_data=paths["train"],
        validation_data=paths["validation"],
        hyperparameters=HYPERPARAMETERS,
        output_model_name_prefix="phi-sdk",
        experiment_name="tuning",
        tags={"a": "b"},
    )
    made = project.ml.jobs.create_or_update(order)
    assert made.status in ("NotStarted", "Queued", "Preparing", "Running")
    assert made.outputs["registered_model"].name == "phi-sdk"
    assert made.outputs["registered_model"].version is None
    job = project.until(made.name)
    assert (job.status, job.tags, job.compute) == ("Completed", {"a": "b"}, None)
    output = job.outputs["registered_model"]
    assert (output.name, output.version) == ("phi-sdk", "1")
    model = project.ml.models.get("phi-sdk", version="1")
    assert (model.type, model.path) == ("mlflow_model", output.path)
    assert model.properties["baseModelId"] == f"{PHI}/versions/1"
    container = project.folder / "blobs" / project.storage["name"]
    container /= f"azureml-blobstore-{project.guid}"
    folder = container / f"azureml/{made.name}/registered_model"
    assert (folder / "word.txt").read_text() == "tuned"
    # 8 conversations, 4 in a batch (the service's own times 1), twice: the last of 4 steps.
    assert project.log(made.name).count("step ") == 2  # where validation was measured
    assert "step 4 of 4: train_loss=" in project.log(made.name)
    kept = project.artifacts(made.name) / "outputs" / "checkpoints" / "step-2"
    assert [path.name for path in kept.iterdir()] == ["adapter_word.txt"]
    assert losses(project, made.name) == {"train_loss": [1, 2, 3, 4], "eval_loss": [2, 4]}


@pytest.mark.slow
def test_without_validation_the_sdks_function_fails_and_its_class_does_not(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """Slow: two jobs, one followed by the SDK, which looks every two seconds."""
    train = project.file("alone.jsonl", chats(4))
    with pytest.raises(UnboundLocalError):
        create_finetuning_job(
            task=FineTuningTaskType.CHAT_COMPLETION,
            model=f"{PHI}/versions/1",
            training_data=train,
            output_model_name_prefix="phi-alone",
        )
    first = project.submit("phi-alone", train, task="ChatCompletion")
    project.ml.jobs.stream(first)
    assert "Execution Summary" in capsys.readouterr().out
    told = project.log(first)
    assert "alone.jsonl: 4 conversations for train." in told
    assert "step 2 of 2: train_loss=" in told
    assert "eval_loss" not in told
    again = project.job("phi-alone", train, hyperparameters=None, name=first)
    assert "already exists with another order" in str(
        refusal(lambda: project.ml.jobs.create_or_update(again))
    )
    second = project.until(project.submit("phi-alone", train, hyperparameters=None))
    jobs = (project.ml.jobs.get(first), second)
    assert [one.outputs["registered_model"].version for one in jobs] == ["1", "2"]


def test_bad_lines_fail_the_job_and_are_named(project: Project) -> None:
    rows = [
        *chats(2),
        '{"messages": [',
        {"prompt": "x", "completion": "y"},
        {"messages": [{"role": "user", "content": "x"}]},
        {"messages": [{"role": "user", "content": ""}, {"role": "assistant", "content": "y"}]},
    ]
    name = project.submit("phi-bad", project.file("bad.jsonl", rows))
    assert project.until(name).status == "Failed"
    told = project.error(name)
    assert told["code"] == "UserError"
    assert told["message"].startswith("bad.jsonl cannot be trained on: line 3: it is not JSON")
    assert "line 4: it has no list of messages" in told["message"]
    assert "line 5: its last message is not the assistant's" in told["message"]
    assert "line 6: messages[0] has no text as its content" in told["message"]
    assert told["message"] in project.log(name)
    with pytest.raises(HttpResponseError):
        project.ml.models._model_versions_operation.get(
            resource_group_name=project.group.name,
            workspace_name="project",
            name="phi-bad",
            version="1",
        )


def test_what_the_training_program_fails_with_is_told(project: Project) -> None:
    name = project.submit("phi-fails", project.file("fails.jsonl", chats(4, more="[fail]")))
    assert project.until(name).status == "Failed"
    assert "the file asked for it" in project.error(name)["message"]


def test_a_model_that_cannot_be_written_fails_the_job(project: Project) -> None:
    """It would stay Finalizing for ever; a file lies where the model's folder is to be."""
    container = project.folder / "blobs" / project.storage["name"]
    place = container / f"azureml-blobstore-{project.guid}/azureml/phi-blocked"
    place.mkdir(parents=True)
    (place / "registered_model").touch()
    project.submit("phi-blocked", project.file("blocked.jsonl", chats(4)), name="phi-blocked")
    assert project.until("phi-blocked").status == "Failed"
    assert project.error("phi-blocked")["code"] == "InternalError"
    assert "registered_model" in project.error("phi-blocked")["message"]
    assert project.group.arm.get(f"{project.id}/models/phi-blocked", API) is None


def test_a_job_is_canceled_while_it_runs(project: Project, tmp_path: Path) -> None:
    gate = tmp_path / "never"
    train = project.file("wait.jsonl", chats(4, more=f"[wait {gate}]"))
    name = project.submit("phi-canceled", train)
    project.until(name, ("Running",))
    project.ml.jobs.begin_cancel(name).result()
    assert project.until(name).status == "Canceled"
    project.ml.jobs.begin_cancel(name).result()
    assert project.ml.jobs.get(name).status == "Canceled"
    path = f"{project.id}/models/phi-canceled"
    assert project.group.arm.get(path, API) is None


def test_all_that_is_wrong_with_an_order_is_said_at_once(project: Project) -> None:
    order = project.job(
        "phi",
        "azureml://datastores/nowhere/paths/x.jsonl",
        base="azureml://registries/azureml/models/Phi-3.5-mini-instruct/versions/6",
        task="textCompletion",
        hyperparameters={"num_train_epochs": "11", "warmup": "1", "learning_rate": "two"},
        compute="cluster",
        name="not a name",
    )
    body = order._to_rest_object().as_dict()
    body["properties"]["outputs"]["registered_model"]["assetName"] = "a b"
    with pytest.raises(CloudError) as caught:
        project.group.arm.put(f"{project.id}/jobs/not%20a%20name", API, body)
    for finding in (
        "The name 'not a name' is not a legal job name",
        "The taskType 'textCompletion' is not played",
        "leave out computeId",
        "Phi-3.5-mini-instruct was retired on 2025-08-30",
        "The datastore 'nowhere' was not found",
        "num_train_epochs is '11': it must be from 1 to 10",
        "'warmup' is not known",
        "learning_rate is 'two'",
        "needs an assetName",
    ):
        assert finding in str(caught.value)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("base", "told"),
    [
        ("azureml://registries/azureml/models/Phi-9/versions/1", "not one that can be fine-tuned"),
        ("azureml:phi:1", "is no model of a registry"),
        (
            "azureml://registries/azureml-meta/models/Meta-Llama-3.1-8B-Instruct/versions/1",
            "is not fine-tuned in eastus2: in westus3",
        ),
        (
            "azureml://registries/azureml-mistral/models/Ministral-3B/versions/1",
            "no marketplace subscription",
        ),
    ],
)
def test_a_model_that_is_not_tuned_here_is_refused(project: Project, base: str, told: str) -> None:
    train = project.file("base.jsonl", chats(4))
    order = project.job("phi", train, base=base, name="refused")._to_rest_object().as_dict()
    with pytest.raises(CloudError, match=re.escape(told)):
        project.group.arm.put(f"{project.id}/jobs/refused", API, order)


def test_only_projects_tune(project: Project) -> None:
    train = "azureml://datastores/workspaceblobstore/paths/data/x.jsonl"
    order = project.job("phi", train, name="elsewhere")._to_rest_object().as_dict()
    with pytest.raises(CloudError, match="'hub' is no project of a hub"):
        project.group.arm.put(f"{project.hub['id']}/jobs/elsewhere", API, order)


def test_the_projects_identity_needs_its_right_to_the_data(project: Project) -> None:
    grant = project.grants["Storage Blob Data Contributor"]
    kept = ("roleDefinitionId", "principalId", "principalType")
    properties = {key: grant["properties"][key] for key in kept}
    project.group.arm.delete(grant["id"], API)
    try:
        name = project.submit("phi-denied", project.file("denied.jsonl", chats(4)))
        assert project.until(name).status == "Failed"
    finally:
        project.group.arm.put(grant["id"], API, {"properties": properties})
    told = project.error(name)["message"]
    assert "The project's identity 'hub-id'" in told
    assert "lacks the data action 'Microsoft.Storage/" in told


def test_an_azure_ai_developer_of_the_project_may_tune_and_a_reader_may_not(
    project: Project, acting_as: Callable[[dict[str, Any]], TokenCredential]
) -> None:
    train = project.file("who.jsonl", chats(4))
    clients = {}
    for role in ("Azure AI Developer", "Reader"):
        who = project.group.identity(role.replace(" ", "-").lower())
        project.group.grant(who, role, project.id)
        clients[role] = MLClient(
            acting_as(who),
            os.environ["AZURE_SUBSCRIPTION_ID"],
            project.group.name,
            "project",
            enable_telemetry=False,
        )
    order = project.job("phi-who", train)
    refused = refusal(lambda: clients["Reader"].jobs.create_or_update(order))
    assert refused.status_code == 403
    assert "workspaces/jobs/write" in str(refused)
    made = clients["Azure AI Developer"].jobs.create_or_update(project.job("phi-who", train))
    assert project.until(made.name).status == "Completed"
    project.group.arm.delete(f"{project.id}/jobs/{made.name}", API)
    assert project.ml.models.get("phi-who", version="1").job_name == made.name


def test_what_a_job_has_not_written_yet_is_refused(project: Project, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    train = project.file("gate.jsonl", chats(4, more=f"[wait {gate}]"))
    name = project.submit("phi-early", train)
    project.until(name, ("Running",))
    body = {"properties": {"modelUri": f"azureml://jobs/{name}/outputs/registered_model"}}
    path = f"{project.id}/models/early/versions/1"
    with pytest.raises(CloudError, match="has not written 'registered_model' yet"):
        project.group.arm.put(path, API, body)
    gate.touch()
    assert project.until(name).status == "Completed"
    assert project.group.arm.put(path, API, body)["name"] == "1"
