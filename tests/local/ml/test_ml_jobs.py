"""Jobs through the real client: run, followed, downloaded, failed, canceled, denied."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from azure.ai.ml import Input, Output
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import Model
from azure.ai.ml.exceptions import JobException
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from ml_stack import Stack

from core.home import PROJECT

Code = Callable[..., Path]

TRAIN = """
    import json, os, pathlib, sys, urllib.request

    train, model, rate = sys.argv[1:4]
    words = open(train).read().split()
    print("learning", len(words), "words at", rate, flush=True)
    pathlib.Path(model, "m.json").write_text(json.dumps({"words": words, "rate": rate}))
    pathlib.Path("outputs", "note.txt").write_text("beside")

    def log(call, **body):
        body["run_id"] = os.environ["MLFLOW_RUN_ID"]
        request = urllib.request.Request(
            os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/" + call,
            json.dumps(body).encode(),
            {
                "Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"],
                "Content-Type": "application/json",
            },
        )
        urllib.request.urlopen(request).read()

    for step in range(3):
        log("log-metric", key="loss", value=3.0 - step, timestamp=step, step=step)
    log("log-parameter", key="rate", value=rate)
"""


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "data with spaces.txt"
    path.write_text("alpha beta gamma")
    return path


def test_a_job_runs_and_everything_of_it_can_be_read_back(
    stack: Stack, code: Code, words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = stack.submit(
        code(train=TRAIN),
        "python train.py ${{inputs.train_file}} ${{outputs.model}} ${{inputs.rate}}"
        " $[[--more ${{inputs.more}}]]",
        inputs={
            "train_file": Input(type=AssetTypes.URI_FILE, path=str(words)),
            "rate": 0.5,
            "more": Input(type="string", optional=True),
        },
        outputs={"model": Output(type=AssetTypes.URI_FOLDER, mode="rw_mount")},
    )
    assert job.status == "NotStarted"
    stack.ml.jobs.stream(job.name)
    assert "learning 3 words at 0.5" in capsys.readouterr().out

    assert stack.ended(job.name).status == "Completed"
    stack.ml.jobs.download(job.name, download_path=tmp_path / "all", all=True)
    model = tmp_path / "all" / "named-outputs" / "model" / "m.json"
    assert json.loads(model.read_text()) == {"words": ["alpha", "beta", "gamma"], "rate": "0.5"}
    artifacts = tmp_path / "all" / "artifacts"
    assert (artifacts / "outputs" / "note.txt").read_text() == "beside"
    assert "learning" in (artifacts / "user_logs" / "std_log.txt").read_text()
    assert "Built" in build_log(artifacts) or "built already" in build_log(artifacts)

    registered = stack.ml.models.create_or_update(
        Model(name="words", path=f"azureml://jobs/{job.name}/outputs/model", tags={"a": "b"})
    )
    assert registered.version == "1"
    assert stack.ml.models.get("words", label="latest").tags == {"a": "b"}
    stack.ml.models.download("words", "1", download_path=tmp_path / "model")
    assert list((tmp_path / "model").rglob("m.json"))

    run = stack.tracking(f"runs/get?run_id={job.name}")["run"]
    assert run["info"]["status"] == "FINISHED"
    assert [m["value"] for m in run["data"]["metrics"] if m["key"] == "loss"] == [1.0]
    history = stack.tracking(f"metrics/get-history?run_id={job.name}&metric_key=loss")
    assert [metric["value"] for metric in history["metrics"]] == [3.0, 2.0, 1.0]
    assert not list((stack.folder / "nodes").glob(f"{job.name}*")), "the node keeps nothing"


def build_log(artifacts: Path) -> str:
    return (artifacts / "azureml-logs" / "20_image_build_log.txt").read_text()


def test_a_job_whose_program_fails_is_failed_and_shows_why(stack: Stack, code: Code) -> None:
    job = stack.submit(code(bad="raise ValueError('no such teacher')"), "echo first; python bad.py")
    assert stack.ended(job.name).status == "Failed"
    error = stack.error(job.name)
    assert error["code"] == "UserError"
    assert "exit code 1" in error["message"] and "no such teacher" in error["message"]
    with pytest.raises(JobException, match="no such teacher"):
        stack.ml.jobs.stream(job.name)


def test_a_canceled_job_is_told_and_ends(stack: Stack, code: Code) -> None:
    script = """
        import signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: (print("told to end", flush=True), sys.exit(9)))
        print("at work", flush=True)
        time.sleep(600)
    """
    job = stack.submit(code(long=script), "exec python long.py")
    wait_for_log(stack, job.name, "at work")
    stack.ml.jobs.begin_cancel(job.name).result()
    assert stack.ml.jobs.get(job.name).status == "Canceled"
    assert "told to end" in log_of(stack, job.name)


def log_of(stack: Stack, name: str) -> str:
    path = stack.artifacts(name) / "user_logs" / "std_log.txt"
    return path.read_text() if path.exists() else ""


def wait_for_log(stack: Stack, name: str, text: str) -> None:
    import time

    deadline = time.monotonic() + 60
    while text not in log_of(stack, name):
        assert time.monotonic() < deadline, stack.ml.jobs.get(name).status
        assert stack.ml.jobs.get(name).status not in ("Failed", "Canceled"), stack.error(name)
        time.sleep(0.05)


def test_a_job_over_its_limit_is_ended(stack: Stack, code: Code) -> None:
    job = stack.submit(code(x=""), "sleep 600", timeout=1)
    assert stack.ended(job.name).status == "Canceled"
    assert "longer than its limit of 1 s" in stack.error(job.name)["message"]


def test_an_environment_that_cannot_be_built_fails_the_job_and_shows_the_build(
    stack: Stack, code: Code
) -> None:
    conda = {"dependencies": ["python=3.11", {"pip": ["tunestack-has-no-such-package==9"]}]}
    job = stack.submit(code(x=""), "true", conda=conda)
    assert stack.ended(job.name).status == "Failed"
    assert stack.error(job.name)["code"] == "ImageBuildFailure"
    name = "azureml-logs/20_image_build_log.txt"
    assert name in stack.details(job.name)["logFiles"]
    assert "tunestack-has-no-such-package" in (stack.artifacts(job.name) / name).read_text()


def test_conda_packages_are_refused_by_name(stack: Stack, code: Code) -> None:
    job = stack.submit(code(x=""), "true", conda={"dependencies": ["python=3.11", "gcc=12"]})
    assert stack.ended(job.name).status == "Failed"
    assert "gcc=12" in stack.error(job.name)["message"]


def test_processes_of_a_distributed_job_find_each_other(stack: Stack, code: Code) -> None:
    script = """
        import os, socket

        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        address = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
        if rank == 0:
            with socket.create_server(address) as server:
                others = [server.accept()[0].recv(9).decode() for _ in range(size - 1)]
            print("rank 0 met", others, os.environ["OMP_NUM_THREADS"])
        else:
            import time
            for _ in range(300):
                try:
                    socket.create_connection(address).send(str(rank).encode())
                    break
                except OSError:
                    time.sleep(0.05)
            print("rank", rank, "of", size)
    """
    job = stack.submit(
        code(ranks=script),
        "python ranks.py",
        distribution={"type": "pytorch", "process_count_per_instance": 2},
    )
    assert stack.ended(job.name).status == "Completed", stack.error(job.name)
    logs = stack.artifacts(job.name) / "user_logs"
    assert "rank 0 met ['1']" in (logs / "std_log_process_0.txt").read_text()
    assert "rank 1 of 2" in (logs / "std_log_process_1.txt").read_text()


def test_jobs_wait_for_a_free_node_in_their_order(stack: Stack, code: Code) -> None:
    folder = code(x="")
    first = stack.submit(folder, "sleep 600", compute="single")
    stack.until(first.name, ("Running",))
    second = stack.submit(folder, "true", compute="single")
    stack.until(second.name, ("Queued",))
    stack.ml.jobs.begin_cancel(first.name).result()
    assert stack.ended(second.name).status == "Completed"


@pytest.mark.parametrize(
    ("grant", "action"),
    [
        ("job: Storage Blob Data Contributor", "blobs/read"),
        ("job: AcrPull", "Microsoft.ContainerRegistry/registries/pull/read"),
    ],
)
def test_a_missing_grant_of_the_job_is_named(
    stack: Stack, code: Code, grant: str, action: str
) -> None:
    put_back = stack.revoke(grant)
    try:
        job = stack.submit(code(x=""), "true")
        assert stack.ended(job.name).status == "Failed"
    finally:
        put_back()
    message = stack.error(job.name)["message"]
    assert action in message and "'job'" in message and stack.group.id.lower() in message.lower()


def test_a_job_without_the_right_to_log_metrics_gets_403(stack: Stack, code: Code) -> None:
    put_back = stack.revoke("job: AzureML Data Scientist")
    try:
        job = stack.submit(
            code(train=TRAIN),
            "echo a > w; python train.py w ${{outputs.model}} 1",
            outputs={"model": Output(type=AssetTypes.URI_FOLDER)},
        )
        assert stack.ended(job.name).status == "Failed"
    finally:
        put_back()
    assert "403" in stack.error(job.name)["message"]


def test_what_could_not_run_is_refused_at_once(stack: Stack, code: Code) -> None:
    with pytest.raises(HttpResponseError) as refused:
        stack.submit(code(x=""), "true", compute="nowhere", instance_count=1)
    assert "nowhere" in str(refused.value)
    with pytest.raises(HttpResponseError, match="at most 1"):
        stack.submit(code(x=""), "true", compute="single", instance_count=2)


def test_jobs_are_listed_newest_first_and_can_be_archived(stack: Stack, code: Code) -> None:
    folder = code(x="")
    names = [stack.submit(folder, "true", tags={"who": "lister"}).name for _ in range(2)]
    for name in names:
        stack.ended(name)
    listed = [job.name for job in stack.ml.jobs.list()]
    assert listed.index(names[1]) < listed.index(names[0])
    assert {job.name for job in stack.ml.jobs.list(tag="who=lister")} == set(names)
    stack.ml.jobs.archive(names[0])
    assert names[0] not in [job.name for job in stack.ml.jobs.list()]
    stack.ml.jobs.restore(names[0])
    assert names[0] in [job.name for job in stack.ml.jobs.list()]


def test_a_job_that_is_not_there_is_not_found(stack: Stack) -> None:
    with pytest.raises(ResourceNotFoundError):
        stack.ml.jobs.get("no-such-job")


@pytest.mark.slow
def test_torch_finds_its_other_processes_by_what_the_job_is_given(stack: Stack, code: Code) -> None:
    """Slow: installs the whole training list (5 GB, linked from uv's cache) and imports torch."""
    listed = (PROJECT / "training" / "job" / "requirements.txt").read_text().splitlines()
    packages = [line for line in listed if line and not line.startswith(("#", " "))]
    script = """
        import torch, torch.distributed as dist

        dist.init_process_group("gloo")
        total = torch.tensor([dist.get_rank() + 1])
        dist.all_reduce(total)
        print("sum", int(total), "threads", torch.get_num_threads())
        dist.barrier()  # a rank that ends early aborts the other one's connection
        dist.destroy_process_group()
    """
    job = stack.submit(
        code(ranks=script),
        "python ranks.py",
        conda={"dependencies": ["python=3.11", {"pip": packages}]},
        distribution={"type": "pytorch", "process_count_per_instance": 2},
    )
    assert stack.ended(job.name, 300).status == "Completed", stack.error(job.name)
    log = (stack.artifacts(job.name) / "user_logs" / "std_log_process_0.txt").read_text()
    assert "sum 3" in log
