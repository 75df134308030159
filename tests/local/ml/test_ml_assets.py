"""Environments, code, data and models through the real client."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from azure.ai.ml.entities import Data, Environment, Model
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from ml_stack import IMAGE, Stack

from core.errors import CloudError

Code = Callable[..., Path]


@pytest.fixture
def name() -> str:
    return f"a-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "content"
    path.mkdir()
    (path / "x.json").write_text("{}")
    return path


def test_models_number_themselves_and_the_latest_is_the_last_made(
    stack: Stack, name: str, folder: Path
) -> None:
    for version in ("1", "2", "3"):
        made = stack.ml.models.create_or_update(Model(name=name, path=str(folder)))
        assert made.version == version
    assert stack.ml.models.get(name, label="latest").version == "3"
    assert [one.version for one in stack.ml.models.list(name)] == ["3", "2", "1"]
    stack.ml.models.archive(name, "3")
    assert [one.version for one in stack.ml.models.list(name)] == ["2", "1"]
    stack.ml.models.restore(name, "3")
    assert stack.ml.models.get(name, "3").version == "3"
    listed = next(one for one in stack.ml.models.list() if one.name == name)
    assert listed.latest_version == "3"


def test_a_version_does_not_change_but_its_tags_do(stack: Stack, name: str, folder: Path) -> None:
    model = stack.ml.models.create_or_update(Model(name=name, path=str(folder), tags={"a": "1"}))
    model.tags["b"] = "2"
    stack.ml.models.create_or_update(model)
    assert stack.ml.models.get(name, "1").tags == {"a": "1", "b": "2"}
    (folder / "y.json").write_text("[]")
    with pytest.raises(HttpResponseError, match="already exists"):
        stack.ml.models.create_or_update(Model(name=name, version="1", path=str(folder)))


def test_a_deleted_model_is_gone(stack: Stack, name: str, folder: Path) -> None:
    stack.ml.models.create_or_update(Model(name=name, path=str(folder)))
    arm, id = stack.group.arm, f"{stack.workspace['id']}/models/{name}"
    assert arm.delete(f"{id}/versions/1", "2023-10-01")
    with pytest.raises(ResourceNotFoundError):
        stack.ml.models.get(name, "1")
    assert arm.delete(id, "2023-10-01")
    assert not arm.delete(id, "2023-10-01")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("azureml://jobs/no-such-job/outputs/model", "no-such-job"),
        ("azureml://datastores/workspaceblobstore/paths/nothing/here/", "holds nothing"),
        ("azureml://datastores/no-such-store/paths/x/", "no-such-store"),
        ("azureml://datastores/workspaceblobstore/paths/../../secrets/", "out of its container"),
    ],
)
def test_a_model_whose_path_leads_nowhere_is_refused(
    stack: Stack, name: str, path: str, message: str
) -> None:
    body = {"properties": {"modelUri": path, "modelType": "custom_model"}}
    with pytest.raises(CloudError, match=message):
        stack.group.arm.put(f"{stack.workspace['id']}/models/{name}/versions/1", "2023-10-01", body)


def test_data_is_uploaded_once_and_found_by_its_label(
    stack: Stack, name: str, folder: Path
) -> None:
    first = Data(name=name, path=str(folder / "x.json"), type="uri_file", version="1")
    made = stack.ml.data.create_or_update(first)
    assert stack.ml.data.get(name, label="latest").path == made.path
    same = Data(name=name, path=str(folder / "x.json"), type="uri_file", version="2")
    assert stack.ml.data.create_or_update(same).path == made.path
    assert {one.version for one in stack.ml.data.list(name)} == {"1", "2"}
    assert name in [one.name for one in stack.ml.data.list()]


def test_an_environment_is_kept_as_it_was_sent(stack: Stack, name: str) -> None:
    conda = {"dependencies": ["python=3.11", {"pip": ["six==1.17.0"]}]}
    sent = Environment(name=name, version="1", image=IMAGE, conda_file=conda)
    stack.ml.environments.create_or_update(sent)
    read = stack.ml.environments.get(name, "1")
    assert (read.image, read.conda_file["dependencies"]) == (IMAGE, conda["dependencies"])
    changed = Environment(name=name, version="1", image="other", conda_file=conda)
    with pytest.raises(HttpResponseError, match="already"):
        stack.ml.environments.create_or_update(changed)


def test_equal_code_is_uploaded_once(stack: Stack, code: Code) -> None:
    def codes() -> int:
        return len(list((stack.folder / "blobs" / stack.storage["name"]).glob("code-*")))

    folder = code(same="print(1)")
    names = [stack.submit(folder, "true").name]
    before = codes()
    names.append(stack.submit(folder, "true").name)
    assert codes() == before
    for one in names:
        assert stack.ended(one).status == "Completed"


def test_what_a_job_reads_may_be_named_in_every_way(
    stack: Stack, name: str, folder: Path, code: Code
) -> None:
    from azure.ai.ml import Input

    model = stack.ml.models.create_or_update(Model(name=name, path=str(folder)))
    data = stack.ml.data.create_or_update(
        Data(name=name, path=str(folder / "x.json"), type="uri_file")
    )
    job = stack.submit(
        code(x=""),
        "cat ${{inputs.by_id}} ${{inputs.by_path}} ${{inputs.model}}/x.json",
        inputs={
            "by_id": Input(type="uri_file", path=f"azureml:{name}:{data.version}"),
            "by_path": Input(type="uri_file", path=data.path),
            "model": Input(type="custom_model", path=f"azureml:{name}:{model.version}"),
        },
    )
    assert stack.ended(job.name).status == "Completed", stack.error(job.name)
    log = (stack.artifacts(job.name) / "user_logs" / "std_log.txt").read_text()
    assert log.split() == ["{}{}{}"]


def test_usages_count_what_is_there(stack: Stack) -> None:
    place = stack.workspace["id"].partition("/resourceGroups/")[0]
    place += "/providers/Microsoft.MachineLearningServices/locations/eastus2/usages"
    usages = (stack.group.arm.get(place, "2023-10-01") or {})["value"]
    found = {one["name"]["value"]: (one["currentValue"], one["limit"]) for one in usages}
    assert found["Total Clusters"][0] >= 2 and found["Online Endpoints"][1] == 100
    assert len(list(stack.ml.compute.list_usage(location="eastus2"))) == len(found)


def test_a_long_list_comes_in_pages(stack: Stack, name: str) -> None:
    arm, base = stack.group.arm, f"{stack.workspace['id']}/environments/{name}/versions"
    body = {"properties": {"image": json.dumps(name)}}
    for number in range(103):
        arm.put(f"{base}/{number}", "2023-10-01", body)
    assert len(list(stack.ml.environments.list(name))) == 103
