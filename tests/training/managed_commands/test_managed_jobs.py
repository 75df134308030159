"""`jobs` over every route: one list, one vocabulary; what a service cannot do, it names."""

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import CloudError
from core.refs import StackOutputs
from tests.training.managed_commands.conftest import SERVERLESS, Trained
from tests.typed_commands import run, run_json

Folder = Callable[..., Path]
ROUTES = ("openai", SERVERLESS)
NAMES = ("openai", "serverless")
WITHIN = 30.0

pytestmark = pytest.mark.usefixtures("managed")


def until(name: str, *statuses: str) -> dict[str, Any]:
    """Wait until a job is in one of these states."""
    end = time.monotonic() + WITHIN
    while (found := run_json("jobs", "show", name))["status"] not in statuses:
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return dict(found)


def submitted(folder: Path, recipe: str = "gpt-oss-20b") -> str:
    made = run_json("train", "--recipe", recipe, "--data", folder, "--no-follow")
    return str(made["job"]["name"])


@pytest.mark.slow
def test_jobs_of_all_routes_are_in_one_list_newest_first(trained: Trained) -> None:
    """Slow: a training by each route."""
    first, last = (trained[route].job for route in NAMES)
    found = {job["name"]: job for job in run_json("jobs", "list")}
    for made in [trained[route] for route in NAMES]:
        assert found[made.job]["route"] == made.route
        assert found[made.job]["tags"]["recipe"] == made.recipe
    names = list(found)
    assert names.index(last) < names.index(first)
    shown = run("jobs", "list").stdout
    assert "route" in shown.splitlines()[0]
    assert all(
        made.job in shown and made.route in shown for made in [trained[route] for route in NAMES]
    )


@pytest.mark.parametrize("route", ROUTES)
def test_show_tells_what_went_in_and_the_curve(trained: Trained, route: str) -> None:
    name = trained[route].job
    found = run_json("jobs", "show", name)
    assert found["status"] == "Completed" and found["error"] == ""
    assert [point["step"] for point in found["points"]] == list(range(1, 16))
    losses = found["curve"]["loss"]
    assert losses["last"]["value"] < losses["first"]["value"]
    assert found["curve"]["eval_loss"]["best"]["step"] == 15
    shown = run("jobs", "show", name).stdout
    assert "step 15  loss 0.618  eval loss 0.718" in shown
    assert found["tags"]["data_sha256"] in shown
    assert any(key in shown for key in ("n_epochs", "num_train_epochs"))


def test_checkpoints_are_listed_as_deploy_takes_them(trained: Trained) -> None:
    made = trained["openai"]
    model = made.model.removesuffix(":1")
    found = run_json("jobs", "checkpoints", made.job)
    assert [one["name"] for one in found] == [f"{model}:ckpt-step-{step}" for step in (10, 5)]
    assert found[0]["metrics"]["loss"] < found[1]["metrics"]["loss"]
    assert f"{model}:ckpt-step-5" in run("jobs", "checkpoints", made.job).stdout


@pytest.mark.parametrize("route", ROUTES)
def test_the_curve_comes_as_a_page_and_as_a_table(
    trained: Trained, route: str, tmp_path: Path
) -> None:
    name = trained[route].job
    page = Path(run_json("jobs", "report", name, "--folder", tmp_path)["html"])
    assert f"{name}: completed" in page.read_text(encoding="utf-8")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    got = run_json("jobs", "download", name, "--folder", tmp_path / "got")
    with Path(got["curve"]).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["step"]) for row in rows] == list(range(1, 16))
    told = run("jobs", "download", name, "--output", "model", exit_code=1).stderr
    assert "has no output model: the service keeps the weights" in told


@pytest.mark.slow
def test_a_job_can_be_paused_goes_on_and_ends(chats: Folder, tmp_path: Path) -> None:
    """Slow: the trainer is stopped and begun again."""
    go = tmp_path / "go"
    name = submitted(chats(f"[wait 13 {go}]"))
    until_step(name, 10)
    run("jobs", "pause", name)
    until(name, "Paused")
    told = run("jobs", "logs", name, "--follow", exit_code=1).stderr
    assert "is paused" in told and f"tunestack jobs resume {name} --stack local" in told
    assert run("jobs", "resume", name, "--cluster", "big", exit_code=2).stderr.startswith("Error")
    go.touch()
    made = run_json("jobs", "resume", name)
    assert made["job"]["status"] == "Completed"
    assert made["model"]["tags"]["job"] == name


def until_step(name: str, step: int) -> None:
    """Wait until a job has told of a step; the service tells every tenth."""
    end = time.monotonic() + WITHIN
    while not any(one["step"] >= step for one in run_json("jobs", "show", name)["points"]):
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize(
    "recipe", ["gpt-oss-20b", pytest.param("phi-4-mini-serverless", marks=pytest.mark.slow)]
)
def test_a_canceled_job_ends_and_stays_so(chats: Folder, tmp_path: Path, recipe: str) -> None:
    name = submitted(chats(f"[wait {tmp_path / 'never'}]"), recipe)
    run("jobs", "cancel", name)
    until(name, "Canceled")
    assert f"{name}: Canceled" in run("jobs", "cancel", name).stdout
    told = run("models", "register", name, exit_code=1).stderr
    assert f"{name} is Canceled; its service registers the model of a completed one" in told


@pytest.mark.parametrize(
    "recipe", ["gpt-oss-20b", pytest.param("phi-4-mini-serverless", marks=pytest.mark.slow)]
)
def test_a_failed_job_says_why(chats: Folder, recipe: str) -> None:
    shown = run("train", "--recipe", recipe, "--data", chats("[fail 3]"), exit_code=1).stderr
    assert "ended as Failed" in shown
    name = shown.partition("Submitted ")[2].split()[0]
    found = run_json("jobs", "explain", name)
    assert found["rule"] == "service" and found["cause"]
    assert "ended as Failed" in run("jobs", "explain", name).stdout
    assert run_json("jobs", "show", name)["error"] == found["cause"]


@pytest.mark.slow
def test_what_the_service_cannot_do_is_said(trained: Trained) -> None:
    """Slow: a training by each route."""
    name = trained["serverless"].job
    for verb in ("pause", "resume"):
        assert f"cannot {verb} {name}" in run("jobs", verb, name, exit_code=1).stderr
    told = run("jobs", "pause", trained["openai"].job, exit_code=1).stderr
    assert "cannot be paused: it is Completed" in told


@pytest.mark.parametrize("verb", ["show", "logs", "cancel", "pause", "checkpoints", "report"])
def test_a_job_that_nobody_knows_names_the_list(verb: str) -> None:
    told = run("jobs", verb, "ftjob-nope", exit_code=1).stderr
    assert "There is no job ftjob-nope." in told and "tunestack jobs list" in told


@pytest.mark.slow
def test_a_service_that_does_not_answer_hides_no_other_jobs(
    trained: Trained, managed: StackOutputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow: a training by the route that does answer."""

    def refuse(self: object) -> None:
        raise CloudError("Azure OpenAI is away.")

    monkeypatch.setattr("training.managed.openai.service.OpenAITuning.jobs", refuse)
    shown = run("jobs", "list")
    assert "Azure OpenAI is away." in shown.stderr
    assert trained["serverless"].job in shown.stdout
