"""`models register JOB@STEP`: made, found again, registered; by a quick program on local Azure."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

import training.checkpoint_models
import training.follow
from commands.evaluate.keeping import keep
from commands.evaluate.requiring import require_gate
from commands.session import Session
from core.cloud import Cloud
from core.errors import UserError
from core.refs import ModelRef, StackOutputs
from core.settings import Settings
from infra.standing.run_times import last_completed
from infra.standing.workloads import workspace_id
from tests.evaluation.example import evaluation, side
from tests.training.quick import QUICK_JOB, order, recipe
from tests.typed_commands import run, run_json
from training.artifacts import blob_folder
from training.checkpoint_models import (
    find_checkpoint_model,
    order_checkpoint,
    register_checkpoint,
    submit_checkpoint,
)
from training.follow import follow
from training.jobs import list_jobs
from training.lineage import read_lineage
from training.model_files import model_folder
from training.models import FROM_CHECKPOINT, find_model, list_models, register
from training.submission import submit

NAME = "keeping"


@pytest.fixture(autouse=True)
def stack(cloud: Cloud, outputs: StackOutputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the commands at the tests' stack and at the quick program; look often."""
    monkeypatch.setattr(Session, "cloud", cloud)
    monkeypatch.setattr(Session, "outputs", outputs)
    monkeypatch.setattr(Session, "settings", Settings(compute="cpu", low_priority=True))
    monkeypatch.setattr(training.checkpoint_models, "JOB_FOLDER", QUICK_JOB)
    monkeypatch.setattr(training.follow, "FIRST_WAIT", 0.1)
    monkeypatch.setattr(training.follow, "LONGEST_WAIT", 0.1)


@pytest.fixture(scope="module")
def job(cloud: Cloud, outputs: StackOutputs, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A training with whole checkpoints and a broken one, and the model that it left."""
    made = submit(
        cloud, outputs, order(tmp_path_factory.mktemp("data"), recipe(model_name=NAME))
    ).name
    for _ in follow(cloud, outputs, made, wait=lambda _: time.sleep(0.05)):
        pass
    register(cloud, outputs, made)
    kept = blob_folder(cloud, outputs, f"tunestack/runs/{made}/checkpoints/")
    for step, weights in ((20, b"twenty"), (40, b"forty"), (60, b"fail")):
        kept.write(f"checkpoint-{step}/weights", weights)
        kept.write(f"checkpoint-{step}/whole.json", b"{}")
    kept.write("checkpoint-80/weights", b"cut o")
    return made


def keeping_jobs(cloud: Cloud, outputs: StackOutputs, checkpoint: str) -> list[str]:
    listed = list_jobs(cloud, outputs)
    return [one["name"] for one in listed if one["tags"].get(FROM_CHECKPOINT) == checkpoint]


@pytest.fixture
def registered(job: str) -> ModelRef:
    """The version of the checkpoint of step 40; only the first who asks waits for a job."""
    return ModelRef(**run_json("models", "register", f"{job}@40"))


def test_a_checkpoint_is_the_next_version_with_the_lineage_of_its_training(
    job: str, registered: ModelRef, cloud: Cloud, outputs: StackOutputs
) -> None:
    first = find_model(cloud, outputs, ModelRef(name=NAME, version="1"))["tags"]
    model = find_model(cloud, outputs, registered)
    tags = model["tags"]
    assert registered.name == NAME and registered.version != "1"
    assert (tags["from_checkpoint"], tags["kept_step"], tags["job"]) == (f"{job}@40", "40", job)
    assert tags["eval_loss"] == "0.5000" != first["eval_loss"]
    assert tags["price_source"] == "a rehearsal on this machine"
    for same in ("data_sha256", "base", "recipe", "fingerprint"):
        assert tags[same] == first[same]
    assert model_folder(cloud, outputs, model).read("weights") == b"forty"
    assert [tags["made_by"]] == keeping_jobs(cloud, outputs, f"{job}@40")
    told = read_lineage(cloud, outputs, registered)
    assert told.order is not None and told.order.job == job and told.curve
    assert f"{job}@40" in run("models", "show", registered).stdout
    assert f"model of {job}@40" in " ".join(run("jobs", "list").stdout.split())


def test_a_second_time_gives_the_version_there_is_and_makes_no_job(
    job: str, registered: ModelRef, cloud: Cloud, outputs: StackOutputs
) -> None:
    told = run("models", "register", f"{job}@40", "--max-cost", "0")
    assert told.stdout.strip() == f"Model {registered}"
    assert f"Next: tunestack deploy --model {registered}" in told.stderr
    (made,) = keeping_jobs(cloud, outputs, f"{job}@40")
    assert run("models", "register", made).stdout.strip() == f"Model {registered}"


def test_what_the_job_left_is_still_the_job_s(
    job: str, registered: ModelRef, cloud: Cloud, outputs: StackOutputs
) -> None:
    assert run("models", "register", job).stdout.strip() == f"Model {NAME}:1"
    trained = last_completed(cloud.arm, workspace_id(outputs))
    assert trained and trained.name not in keeping_jobs(cloud, outputs, f"{job}@40")


def test_a_step_that_the_job_itself_has_kept_needs_no_job(
    job: str, cloud: Cloud, outputs: StackOutputs
) -> None:
    asked = order_checkpoint(cloud, outputs, job, 20)
    assert find_checkpoint_model(cloud, outputs, asked) is None
    kept = replace(asked, manifest=asked.manifest | {"kept_step": 20})
    assert str(find_checkpoint_model(cloud, outputs, kept)) == f"{NAME}:1"


def test_a_job_that_nobody_waited_for_is_registered_without_another(
    job: str, cloud: Cloud, outputs: StackOutputs
) -> None:
    left = submit_checkpoint(cloud, outputs, order_checkpoint(cloud, outputs, job, 20))
    made = ModelRef(**run_json("models", "register", f"{job}@20"))
    assert keeping_jobs(cloud, outputs, f"{job}@20") == [left.name]
    assert register_checkpoint(cloud, outputs, left.name) == made


def test_what_fails_registers_nothing(job: str, cloud: Cloud, outputs: StackOutputs) -> None:
    before = list_models(cloud, outputs, NAME)
    said = run("models", "register", f"{job}@60", exit_code=1).output
    assert "error: the node is too small" in said and "Nothing was registered" in said
    assert f"models register {job}@60" in said and "jobs resume" not in said
    assert list_models(cloud, outputs, NAME) == before


def test_what_cannot_be_is_refused_before_anything_is_sent(
    job: str, cloud: Cloud, outputs: StackOutputs
) -> None:
    before = len(list_jobs(cloud, outputs))
    told = run("models", "register", f"{job}@80", exit_code=1).output
    assert "kept are 20, 40, 60" in told
    assert "JOB@STEP" in run("models", "register", f"{job}@last", exit_code=2).output
    assert "There is no job" in run("models", "register", "nobody@3", exit_code=1).output
    dear = run("models", "register", f"{job}@60", "--max-cost", "0.01", exit_code=2).output
    assert "2 h on one Standard_" in dear and "Nothing was sent." in dear
    asks = run("models", "register", f"{job}@60", "--stack", "dev", exit_code=2).output
    assert "Submit the job?" in asks and "--yes" in asks
    assert len(list_jobs(cloud, outputs)) == before


def test_samples_and_reproduction_are_of_other_weights_and_refused(registered: ModelRef) -> None:
    compared = run("models", "compare", registered, exit_code=2).output
    assert f"tunestack evaluate base {registered}" in " ".join(compared.split())
    again = run("reproduce", registered, "--check-only", exit_code=2).output
    assert "not what its job left" in " ".join(again.split())


def test_the_gate_finds_the_evaluation_of_the_same_weights_alone(
    job: str, registered: ModelRef, tmp_path: Path
) -> None:
    gate = tmp_path / "mine.yaml"
    wanted = "{metric: rule.hard, min: 0.9, better: true}"
    gate.write_text(f"name: mine\nmin_cases: 50\nrequire:\n  - {wanted}\n")
    session, name = Session("local"), f"{job}@40"
    asked = side(name, model=name, role="checkpoint")
    made = evaluation(60, ("base", name))
    sides = (side("base", model="tiny", role="base"), asked)
    with pytest.raises(UserError, match="has not been evaluated"):
        require_gate(session, str(registered), str(gate))
    keep(session, made.model_copy(update={"sides": sides}), "<p>")
    (outcome,) = require_gate(session, str(registered), str(gate))["gate"]
    assert outcome["passed"] and outcome["candidate"] == name
    with pytest.raises(UserError, match="has not been evaluated") as caught:
        require_gate(session, f"{NAME}:1", str(gate))
    assert f"tunestack evaluate base {NAME}:1" in caught.value.hint
