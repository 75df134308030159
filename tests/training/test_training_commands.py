"""The commands around data and training, as a person types them."""

import functools
import json
from pathlib import Path
from typing import Any

import pytest

import commands.train.ordering
import commands.train.own
from commands.jobs.view import metrics_line, watch
from commands.session import Session
from core.cloud import Cloud
from core.errors import JobFailed
from core.refs import StackOutputs
from core.settings import Settings
from infra.standing.workloads import workspace_id
from tests.training.quick import QUICK_JOB, chats
from tests.typed_commands import run, run_json
from training.follow import LogLine, Metrics, Status
from training.submission import Order

RECIPE = """\
name: quick
description: succeed
model_name: typed
base: {source: random, id: none}
method: full
"""


@pytest.fixture
def stack(cloud: Cloud, outputs: StackOutputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the commands at the tests' stack and at the quick program."""
    monkeypatch.setattr(Session, "cloud", cloud)
    monkeypatch.setattr(Session, "outputs", outputs)
    monkeypatch.setattr(Session, "settings", Settings(compute="cpu"))
    monkeypatch.setattr(commands.train.ordering, "Order", functools.partial(Order, code=QUICK_JOB))


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a command opens the cloud."""

    def opened(self: Session) -> None:
        raise AssertionError("the cloud was opened")

    monkeypatch.setattr(Session, "cloud", property(opened))
    monkeypatch.setattr(Session, "outputs", property(opened))


def test_get_check_and_split_go_together(tmp_path: Path) -> None:
    got = run_json("data", "get", "sample", "--folder", tmp_path)
    train = got["train"]["path"]
    assert run_json("data", "check", train, got["validation"]["path"])[0]["is_good"]
    parts = run_json("data", "split", train, "--folder", tmp_path / "split")
    assert parts["train"]["rows"] + parts["validation"]["rows"] == got["train"]["rows"]
    assert "158" in run("data", "check", train).stdout


def test_a_check_names_every_faulty_line_and_leaves_with_2(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text("nope\n" * 30)
    result = run("data", "check", path, exit_code=2)
    assert "and 27 more; all of them: --json" in result.stdout
    assert f"Not fit for training: {path} (30)." in result.stderr
    assert run_json("data", "check", path, exit_code=2)[0]["rules"]["json.syntax"] == 30


def test_a_check_of_two_files_finds_what_is_in_both(tmp_path: Path) -> None:
    train = chats(tmp_path / "t.jsonl", range(12))
    validation = chats(tmp_path / "v.jsonl", range(11, 14))
    reasons = [
        finding["reason"]
        for finding in run_json("data", "check", train, validation)[1]["findings"]
        if finding["line"]
    ]
    assert reasons == ["this chat is in the training file too, line 12"]


def test_files_that_cannot_be_read_are_all_named(tmp_path: Path) -> None:
    told = run("data", "check", tmp_path / "a", tmp_path / "b", exit_code=2).stderr
    assert f"{tmp_path}/a: No such file" in told and f"{tmp_path}/b: No such file" in told


@pytest.mark.usefixtures("never")
def test_train_names_all_that_is_wrong_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE + "metod: x\n")
    (tmp_path / "bad.jsonl").write_text("nope\n{}\n")
    told = run(
        "train", "--recipe", tmp_path / "recipe.yaml", "--set", "training.epochs",
        "--train-file", tmp_path / "bad.jsonl",
        "--eval-file", chats(tmp_path / "v.jsonl", range(3)), exit_code=2,
    ).stderr  # fmt: skip
    for finding in (
        "metod: Extra",
        "--set training.epochs: not",
        "line 1: not JSON",
        "line 2: `me",
    ):
        assert finding in told
    assert "Nothing was sent." in told or "nothing was sent" in told


@pytest.mark.usefixtures("never")
def test_train_without_data_names_the_command_that_gets_some(tmp_path: Path) -> None:
    told = run("train", "--recipe", "tiny-phi3", "--data", tmp_path, exit_code=2).stderr
    assert "tunestack data get sample" in told


@pytest.mark.usefixtures("never")
def test_what_costs_is_asked_and_without_a_terminal_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The rules read Azure before, so that nobody is asked about what cannot be.
    monkeypatch.setattr(commands.train.own, "preflight", lambda *of, **more: None)
    chats(tmp_path / "train.jsonl", range(12))
    chats(tmp_path / "validation.jsonl", range(12, 14))
    told = run(
        "train", "--stack", "dev", "--recipe", "tiny-phi3", "--data", tmp_path, exit_code=2
    ).stderr
    assert "$3.67 an hour" in told and "Add --yes" in told


def test_an_unknown_cluster_is_refused_with_the_list_and_nothing_is_sent(
    outputs: StackOutputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(self: Session) -> None:
        raise AssertionError("the cloud was opened")

    monkeypatch.setattr(Session, "cloud", property(opened))
    monkeypatch.setattr(Session, "outputs", outputs)
    monkeypatch.setattr(Session, "settings", Settings(compute="cpu"))
    (tmp_path / "recipe.yaml").write_text(RECIPE + "metod: x\n")
    chats(tmp_path / "train.jsonl", range(12))
    chats(tmp_path / "validation.jsonl", range(12, 14))
    ask = ("train", "--recipe", tmp_path / "recipe.yaml", "--data", tmp_path, "--yes")
    told = run(*ask, "--cluster", "big", exit_code=2).stderr
    assert "--cluster: 'big' is none of this stack's clusters:" in told
    assert all(name in told for name in ("cpu-e16s-v3", "cpu-e16s-v3-low"))
    assert "metod: Extra" in told, "all that is wrong is told at once"


@pytest.mark.usefixtures("stack")
def test_a_job_runs_on_the_cluster_that_is_asked_for(
    cloud: Cloud, outputs: StackOutputs, tmp_path: Path
) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    chats(tmp_path / "train.jsonl", range(12))
    chats(tmp_path / "validation.jsonl", range(12, 14))
    ask = (
        "train",
        "--recipe",
        tmp_path / "recipe.yaml",
        "--data",
        tmp_path,
        "--yes",
        "--no-follow",
    )
    low = outputs.low_priority_cluster
    made = run_json(*ask, "--cluster", low)
    job = cloud.arm.get(f"{workspace_id(outputs)}/jobs/{made['job']['name']}", "2025-12-01")
    assert job and job["properties"]["computeId"].rsplit("/", 1)[-1] == low
    run("jobs", "cancel", made["job"]["name"])


@pytest.mark.usefixtures("stack")
def test_train_submits_follows_and_registers(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    chats(tmp_path / "train.jsonl", range(12))
    chats(tmp_path / "validation.jsonl", range(12, 14))
    ask = ("train", "--recipe", tmp_path / "recipe.yaml", "--data", tmp_path, "--yes", "--json")
    result = run(*ask)
    made = json.loads(result.stdout)
    assert made["model"]["name"] == "typed" and made["model"]["tags"]["job"] == made["job"]["name"]
    assert "step 3/3  epoch 1.00  loss 1.000" in result.stderr

    name = made["job"]["name"]
    assert run_json("jobs", "show", name)["metrics"] == {"loss": 1.0}
    assert "step 3/3" in run("jobs", "logs", name).stdout
    assert name in run("jobs", "list").stdout
    assert run_json("models", "register", name)["version"] == made["model"]["version"]
    assert run_json("models", "show", "typed")["tags"]["recipe"] == "quick"
    compared = run_json("models", "compare", "typed")
    broken = [compared[side]["breaking"]["hard_rule"] for side in ("base", "tuned")]
    assert broken == [1, 0]
    page = tmp_path / "compared.html"
    told = run("models", "compare", "typed", "--html", page).stdout
    assert "hard rule" in told and "): Try Hotel Borges." in told
    assert "Too few cases to tell tuned from base." in told
    assert "Try Hotel Borges." in page.read_text()
    got = run_json("jobs", "download", name, "--output", "report", "--folder", tmp_path / "got")
    assert (Path(got["report"]) / "samples.jsonl").is_file()
    assert f"{name}: Completed" in run("jobs", "cancel", name).stdout


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(
    "command", [("jobs", "show"), ("jobs", "logs"), ("jobs", "cancel"), ("models", "register")]
)
def test_a_job_that_is_not_there_is_named_with_the_command_that_lists(
    command: tuple[str, ...],
) -> None:
    told = run(*command, "nope", "--stack", "dev", exit_code=1).stderr
    assert "There is no job nope." in told and "tunestack jobs list --stack dev" in told


def test_metrics_are_told_in_one_line() -> None:
    values = {"step": 5, "steps": 40, "loss": 2.3149, "epoch": 0.5, "learning_rate": 0.00012}
    assert metrics_line(values) == "step 5/40  epoch 0.50  loss 2.315  learning rate 0.00012"
    assert metrics_line({"eval_loss": 1}) == "eval loss 1.000"


def test_watching_prints_plain_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    watch([Status("Running"), LogLine("[bold] is kept"), Metrics({"step": 1})], "j", "dev")
    told = capsys.readouterr()
    assert told.out == ""
    assert "Running" in told.err and "[bold] is kept" in told.err and "step 1" in told.err


def test_leaving_says_how_to_come_back_and_how_to_stop(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> Any:
        yield Status("Running")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch(interrupted(), "j", "dev")
    told = capsys.readouterr().err
    assert "tunestack jobs logs j --follow --stack dev" in told
    assert "tunestack jobs cancel j --stack dev" in told


def test_a_failure_names_the_stack_in_its_hint() -> None:
    def failed() -> Any:
        yield Status("Failed")
        raise JobFailed("It ended.", hint="The whole log: tunestack jobs logs j")

    with pytest.raises(JobFailed) as error:
        watch(failed(), "j", "dev")
    assert error.value.hint.endswith("tunestack jobs logs j --stack dev")
