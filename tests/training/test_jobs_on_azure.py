"""Submit, follow, read, cancel, download, register: through the real SDK on the local Azure."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.cloud import Cloud
from core.errors import JobFailed, UserError
from core.refs import JobRef, ModelRef, StackOutputs
from tests.training.quick import order, recipe
from training.artifacts import output_folder
from training.follow import LogLine, Metrics, Status, follow, read_log
from training.jobs import cancel_job, download_job, find_job, list_jobs
from training.metrics import failure_reason, job_metrics, metric_history
from training.models import find_model, list_models, register
from training.submission import submit


@pytest.fixture(scope="module")
def done(
    cloud: Cloud, outputs: StackOutputs, tmp_path_factory: pytest.TempPathFactory
) -> tuple[JobRef, list[object]]:
    """A job that has completed, and the events that following it gave."""
    job = submit(cloud, outputs, order(tmp_path_factory.mktemp("data"), recipe()))
    return job, list(follow(cloud, outputs, job.name, wait=_soon))


def _soon(seconds: float) -> None:
    import time

    time.sleep(min(seconds, 0.1))


def test_following_shows_log_metrics_and_states_in_order(
    done: tuple[JobRef, list[object]],
) -> None:
    _, events = done
    losses = [event.values["loss"] for event in events if isinstance(event, Metrics)]
    states = [event.status for event in events if isinstance(event, Status)]
    assert LogLine("12 chats") in events
    assert losses == [3.0, 1.5, 1.0]
    assert states[-1] == "Completed" and len(states) == len(set(states))
    assert events[-1] == Status("Completed")


def test_a_jobs_log_can_be_read_again(
    cloud: Cloud, outputs: StackOutputs, done: tuple[JobRef, list[object]]
) -> None:
    job, events = done
    again = list(read_log(cloud, outputs, job.name))
    assert again == [event for event in events if not isinstance(event, Status)]


def test_a_job_runs_as_its_identity_with_its_tags(
    cloud: Cloud, outputs: StackOutputs, done: tuple[JobRef, list[object]]
) -> None:
    job = find_job(cloud, outputs, done[0].name)
    assert job.identity.resource_id == outputs.job_identity
    assert job.identity.client_id
    assert job.experiment_name == "tunestack"
    assert job.tags["recipe"] == "quick" and len(job.tags["data_sha256"]) == 64
    assert done[0].name in [listed["name"] for listed in list_jobs(cloud, outputs)]


def test_metrics_are_read_back_from_mlflow(
    cloud: Cloud, outputs: StackOutputs, done: tuple[JobRef, list[object]]
) -> None:
    name = done[0].name
    assert job_metrics(cloud, outputs, name) == {"loss": 1.0}
    assert metric_history(cloud, outputs, name, "loss") == [(1, 3.0), (2, 1.5), (3, 1.0)]
    assert metric_history(cloud, outputs, name, "accuracy") == []
    assert failure_reason(cloud, outputs, name) == ""


def test_outputs_are_downloaded_whole_and_by_name(
    cloud: Cloud, outputs: StackOutputs, done: tuple[JobRef, list[object]], tmp_path: Path
) -> None:
    written = download_job(cloud, outputs, done[0].name, tmp_path, only=("model",))
    assert written == {"model": tmp_path / "model"}
    assert (tmp_path / "model" / "sub" / "weights.bin").read_bytes() == bytes(range(256))
    assert not list(tmp_path.rglob("*.part"))
    with pytest.raises(UserError, match="no output weights"):
        download_job(cloud, outputs, done[0].name, tmp_path, only=("weights",))


def test_a_model_is_registered_once_and_knows_what_went_in(
    cloud: Cloud, outputs: StackOutputs, done: tuple[JobRef, list[object]]
) -> None:
    job = done[0].name
    first = register(cloud, outputs, job)
    assert register(cloud, outputs, job) == first
    tags = find_model(cloud, outputs, first)["tags"]
    assert tags["job"] == job and tags["recipe"] == "quick" and tags["base_revision"] == "r1"
    assert tags["eval_loss"] == "1.2500" and len(tags["fingerprint"]) == 16
    assert tags["data_sha256"] == find_job(cloud, outputs, job).tags["data_sha256"]
    newest = find_model(cloud, outputs, ModelRef(name=first.name, version=""))
    assert newest["version"] == first.version
    assert "quick" in {model["name"] for model in list_models(cloud, outputs)}


def test_the_same_files_and_environment_are_not_sent_again(
    cloud: Cloud,
    outputs: StackOutputs,
    done: tuple[JobRef, list[object]],
    tmp_path: Path,
    azure_folder: Path,
) -> None:
    def uploaded() -> set[str]:
        files = (azure_folder / "blobs").rglob("LocalUpload/**/*.jsonl")
        environments = cloud.workspace(outputs).environments.list(name="tunestack-train")
        return {*map(str, files), *(str(version.id) for version in environments)}

    before = uploaded()
    assert len(before) >= 3  # two files and an environment, and what other modules sent
    job = submit(cloud, outputs, order(tmp_path, recipe()))
    assert uploaded() == before
    cancel_job(cloud, outputs, job.name)


def test_a_packaged_base_model_reaches_the_job_as_a_folder(
    cloud: Cloud,
    outputs: StackOutputs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    package = tmp_path / "site" / "tiny_weights"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "tiny.gguf").write_bytes(b"GGUF" * 100)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    base = {
        "source": "package",
        "id": "Org/Tiny 1.5",
        "package": "tiny_weights",
        "file": "tiny.gguf",
    }
    job = submit(cloud, outputs, order(tmp_path, recipe(base=base)))
    list(follow(cloud, outputs, job.name, wait=_soon))
    manifest = output_folder(cloud, outputs, find_job(cloud, outputs, job.name), "model").read(
        "tunestack.json"
    )
    assert manifest and json.loads(manifest)["base_files"] == ["tiny.gguf"]
    uploaded = list(cloud.workspace(outputs).models.list(name="base-org-tiny-1-5"))
    assert len(uploaded) == 1 and uploaded[0].tags["file"] == "tiny.gguf"


def test_two_processes_where_the_recipe_asks_for_them(
    cloud: Cloud, outputs: StackOutputs, tmp_path: Path
) -> None:
    job = submit(cloud, outputs, order(tmp_path, recipe(training={"processes": 2})))
    events = list(follow(cloud, outputs, job.name, wait=_soon))
    assert LogLine("rank 0 of 2") in events
    assert LogLine("rank 1 of 2") not in events


def test_a_failed_job_shows_the_end_of_its_log(
    cloud: Cloud, outputs: StackOutputs, tmp_path: Path
) -> None:
    job = submit(cloud, outputs, order(tmp_path, recipe("fail")))
    with pytest.raises(JobFailed, match="the weights are missing") as failed:
        list(follow(cloud, outputs, job.name, wait=_soon))
    assert f"{job.name} ended as Failed" in str(failed.value)
    assert f"tunestack jobs logs {job.name}" in failed.value.hint
    assert failure_reason(cloud, outputs, job.name)
    with pytest.raises(UserError, match="is Failed; a model is registered from a completed one"):
        register(cloud, outputs, job.name)


def test_leaving_a_job_leaves_it_running_until_it_is_cancelled(
    cloud: Cloud, outputs: StackOutputs, tmp_path: Path
) -> None:
    job = submit(cloud, outputs, order(tmp_path, recipe("wait")))
    events: Iterator[object] = follow(cloud, outputs, job.name, wait=_soon)
    while not isinstance(next(events), Metrics):
        pass
    del events
    resumed = follow(cloud, outputs, job.name, wait=_soon)
    while not isinstance(next(resumed), Metrics):
        pass
    assert cancel_job(cloud, outputs, job.name).status in ("CancelRequested", "Canceled")
    with pytest.raises(JobFailed, match="ended as Canceled"):
        list(resumed)
    assert cancel_job(cloud, outputs, job.name).status == "Canceled"


def test_what_is_not_there_is_named(cloud: Cloud, outputs: StackOutputs) -> None:
    for ask in (find_job, cancel_job, register):
        with pytest.raises(UserError, match=r"There is no job nope\."):
            ask(cloud, outputs, "nope")
    with pytest.raises(UserError, match=r"There is no job nope\."):
        next(follow(cloud, outputs, "nope"))
    with pytest.raises(UserError, match=r"There is no model nope:3\."):
        find_model(cloud, outputs, ModelRef.parse("nope:3"))
    with pytest.raises(UserError, match=r"There is no model nope\."):
        find_model(cloud, outputs, ModelRef.parse("nope"))
