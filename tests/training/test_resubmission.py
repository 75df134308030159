"""Runs whose low-priority nodes are taken: through the commands, on the local Azure."""

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import commands.jobs.following
import commands.jobs.resume
import commands.train.like
import commands.train.ordering
import training.follow
from commands.jobs.following import follow_run
from commands.session import Session
from core.cloud import Cloud
from core.errors import JobFailed
from core.refs import StackOutputs
from core.settings import Settings
from local import preemptions
from local.preemptions import Preemption
from tests.training.quick import QUICK_JOB, chats, order, recipe
from tests.typed_commands import run
from training.artifacts import output_place
from training.jobs import cancel_job, find_job, list_jobs
from training.kept_orders import find_order
from training.metrics import metric_history
from training.submission import Order, submit

CURVE = [(step, 100.0 - sum(range(step + 1))) for step in range(1, 9)]
"""What the quick program tracks where nothing happens to it."""


@pytest.fixture(autouse=True)
def stack(cloud: Cloud, outputs: StackOutputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the commands at the tests' stack and at the quick program; look often."""
    monkeypatch.setattr(Session, "cloud", cloud)
    monkeypatch.setattr(Session, "outputs", outputs)
    monkeypatch.setattr(Session, "settings", Settings(compute="cpu", low_priority=True))
    monkeypatch.setattr(commands.train.ordering, "Order", functools.partial(Order, code=QUICK_JOB))
    for module in (commands.jobs.following, commands.jobs.resume, commands.train.like):
        monkeypatch.setattr(module, "JOB_FOLDER", QUICK_JOB)
    monkeypatch.setattr(training.follow, "FIRST_WAIT", 0.1)
    monkeypatch.setattr(training.follow, "LONGEST_WAIT", 0.1)


@pytest.fixture
def preempt(azure_folder: Path) -> Iterator[Callable[..., None]]:
    """Set preemptions, and leave none behind."""
    yield lambda **how: preemptions.add(azure_folder, Preemption(**how)) and None
    preemptions.clear(azure_folder)


@pytest.fixture
def typed(tmp_path: Path, outputs: StackOutputs) -> Callable[..., tuple[object, ...]]:
    """Write a recipe and data; give the command line that trains on the low-priority cluster."""

    def make(does: str, *more: object) -> tuple[object, ...]:
        path = tmp_path / "recipe.yaml"
        path.write_text(
            f"{{name: quick, description: '{does}', model_name: held, method: full,"
            " base: {source: random, id: none}}"
        )
        chats(tmp_path / "train.jsonl", range(12))
        chats(tmp_path / "validation.jsonl", range(12, 14))
        ask = ("train", "--recipe", path, "--data", tmp_path, "--yes", "--json")
        return (*ask, "--cluster", outputs.low_priority_cluster, *more)

    return make


def tries(cloud: Cloud, outputs: StackOutputs, run_name: str) -> list[dict[str, Any]]:
    """The jobs of a run, in their order."""
    found = [
        job for job in list_jobs(cloud, outputs) if job["tags"].get("tunestack-run") == run_name
    ]
    return sorted(found, key=lambda job: int(job["tags"]["tunestack-try"]))


def curve(cloud: Cloud, outputs: StackOutputs, jobs: list[dict[str, Any]]) -> list[Any]:
    """What all tries of a run have tracked, one after the other."""
    return [point for job in jobs for point in metric_history(cloud, outputs, job["name"], "loss")]


def submitted(cloud: Cloud, outputs: StackOutputs, folder: Path, does: str) -> str:
    """Submit as `train` does that is killed right afterwards; give the job's name."""
    made = order(folder, recipe(does))
    place = made.place.model_copy(update={"resubmits": True})
    made = replace(made, cluster=outputs.low_priority_cluster, place=place)
    return submit(cloud, outputs, made).name


@pytest.mark.slow
def test_what_azure_ml_starts_again_is_followed_on_and_stays_one_job(
    cloud: Cloud,
    outputs: StackOutputs,
    typed: Callable[..., tuple[object, ...]],
    preempt: Callable[..., None],
) -> None:
    """Slow: a job that runs twice."""
    preempt(after_steps=3, then="requeue")
    result = run(*typed("hold 3"))
    jobs = tries(cloud, outputs, json.loads(result.stdout)["job"]["name"])
    assert len(jobs) == 1
    assert curve(cloud, outputs, jobs) == CURVE
    assert "begins after step 3" in result.stderr


def test_a_lost_job_goes_on_from_its_checkpoints_and_at_last_on_dedicated_nodes(
    cloud: Cloud,
    outputs: StackOutputs,
    typed: Callable[..., tuple[object, ...]],
    preempt: Callable[..., None],
) -> None:
    preempt(when='metrics {"step": [25],*', then="fail", notice=30)
    preempt(when='metrics {"step": 5,*', then="cancel")
    result = run(*typed("hold 2 5", "--losses", 2))
    made = json.loads(result.stdout)
    jobs = tries(cloud, outputs, made["job"]["name"].removesuffix("-3"))
    assert [job["status"] for job in jobs] == ["Failed", "Canceled", "Completed"]
    low, main = outputs.low_priority_cluster, outputs.cluster
    assert [job["compute"] for job in jobs] == [low, low, main]
    places = {output_place(find_job(cloud, outputs, job["name"]), "checkpoints") for job in jobs}
    run_name = jobs[0]["name"]
    assert places == {("workspaceblobstore", f"tunestack/runs/{run_name}/checkpoints/")}
    assert curve(cloud, outputs, jobs) == CURVE
    assert made["model"]["tags"]["job"] == f"{run_name}-3"
    for told in (
        f"{run_name} lost its low-priority nodes and ended as Failed. It ran",
        "Kept: checkpoint-2.",
        f"Submitted again as {run_name}-2 on {low}: loss 1 of 2.",
        "Kept: checkpoint-5.",
        f"Submitted again as {run_name}-3 on {main}: dedicated nodes, after low-priority ones were"
        " lost 2 times.",
        "told to end",
    ):
        assert told in result.stderr, result.stderr
    assert f"try 3 of {run_name}" in run("jobs", "list").stdout
    again = run("jobs", "logs", run_name, "--follow")
    assert f"It goes on as {run_name}-2" in again.stderr and f"{run_name}-3" in again.stderr
    assert len(tries(cloud, outputs, run_name)) == 3, "following again submits nothing"


@pytest.mark.slow
def test_who_follows_after_a_kill_submits_again_and_the_next_one_finds_it(
    cloud: Cloud, outputs: StackOutputs, tmp_path: Path, preempt: Callable[..., None]
) -> None:
    """Slow: three processes and two jobs."""
    preempt(after_steps=3, then="fail")
    name = submitted(cloud, outputs, tmp_path, "hold 3")
    session = Session("local")
    assert follow_run(session, name) == follow_run(session, name) == f"{name}-2"
    assert curve(cloud, outputs, tries(cloud, outputs, name)) == CURVE


@pytest.mark.slow
def test_without_following_nothing_is_submitted_again_until_it_is_resumed(
    cloud: Cloud,
    outputs: StackOutputs,
    typed: Callable[..., tuple[object, ...]],
    preempt: Callable[..., None],
) -> None:
    """Slow: two jobs."""
    preempt(after_steps=3, then="fail")
    result = run(*typed("hold 3", "--no-follow"))
    name = json.loads(result.stdout)["job"]["name"]
    assert f"nothing submits it again: tunestack jobs resume {name} does." in result.stderr
    told = run("jobs", "logs", name, "--follow", exit_code=1).stderr
    assert f"tunestack jobs resume {name}" in told and "--no-follow" in told
    assert len(tries(cloud, outputs, name)) == 1
    made = json.loads(run("jobs", "resume", name, "--yes", "--json").stdout)
    assert made["model"]["tags"]["job"] == f"{name}-2"
    assert curve(cloud, outputs, tries(cloud, outputs, name)) == CURVE
    told = run("jobs", "resume", name, exit_code=1).stderr
    assert f"{name}-2 has completed" in told and f"tunestack train --like {name}-2" in told


def test_a_person_s_cancel_and_a_program_s_error_are_never_submitted_again(
    cloud: Cloud, outputs: StackOutputs, tmp_path: Path
) -> None:
    cancelled = submitted(cloud, outputs, tmp_path, "hold 1")
    cancel_job(cloud, outputs, cancelled)
    failed = submitted(cloud, outputs, tmp_path, "fail")
    for name, status in ((cancelled, "Canceled"), (failed, "Failed")):
        with pytest.raises(JobFailed, match=f"ended as {status}"):
            follow_run(Session("local"), name)
        assert len(tries(cloud, outputs, name)) == 1


def test_like_takes_over_an_order_and_tells_what_differs(
    cloud: Cloud, outputs: StackOutputs, typed: Callable[..., tuple[object, ...]], tmp_path: Path
) -> None:
    first = json.loads(run(*typed("succeed", "--timeout", 2, "--no-follow")).stdout)["job"]["name"]
    for path in tmp_path.iterdir():
        path.unlink()
    result = run(
        "train", "--like", first, "--set", "training.epochs=1.5", "--yes", "--json", "--no-follow"
    )
    assert f"Like {first}" in result.stderr
    assert "training.epochs: 3.0 -> 1.5" in result.stderr
    name = json.loads(result.stdout)["job"]["name"]
    before, now = (find_order(cloud, outputs, one) for one in (first, name))
    assert before and now
    assert now.recipe.training.epochs == 1.5
    assert now.place.like == first and now.place.run == name != before.place.run
    same = ("train", "validation", "cluster", "timeout_hours", "environment", "code_sha256")
    assert all(getattr(now, part) == getattr(before, part) for part in same)
    assert now.train.rows == 12 and now.priority == "LowPriority" and now.timeout_hours == 2
    told = run("train", "--like", first, "--recipe", "x", "--cluster", "big", exit_code=2).stderr
    assert "--recipe: --like brings" in told and "'big' is none of" in told
    told = run("train", "--like", first, "--train-file", "x", exit_code=2).stderr
    assert "takes both or none" in told
    assert "No order was kept for a job nope" in run("train", "--like", "nope", exit_code=1).stderr
    chats(tmp_path / "train.jsonl", range(20))
    chats(tmp_path / "validation.jsonl", range(20, 24))
    ask = ("train", "--like", first, "--data", tmp_path, "--cluster", outputs.cluster)
    told = run(*ask, "--yes", "--no-follow").stderr
    assert "training data: 12 chats" in told and "-> 20 chats" in told
    assert f"cluster: {outputs.low_priority_cluster} -> {outputs.cluster}" in told


def test_the_most_that_a_run_can_cost_counts_what_is_submitted_again(
    outputs: StackOutputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from commands import pricing
    from commands.train.cost import say_cost
    from core.errors import SettingsError
    from core.price_list import DEDICATED, LOW_PRIORITY, PriceList, Quote, shipped

    size = outputs.clusters[outputs.cluster].vm_size
    source = next(iter(shipped("eastus2", [size]).vms.values())).source
    prices = {(size.lower(), DEDICATED): 4.0, (size.lower(), LOW_PRIORITY): 1.0}
    vms = {key: Quote(price, source) for key, price in prices.items()}
    found = replace(shipped("eastus2", [size]), vms=vms)
    assert isinstance(found, PriceList)
    monkeypatch.setattr(pricing, "price_list", lambda *_: found)
    made = replace(
        order(tmp_path, recipe()), timeout_hours=10, cluster=outputs.low_priority_cluster
    )
    say_cost(Session("local"), made, 10)  # nobody follows: once, at the low price
    place = made.place.model_copy(update={"resubmits": True, "losses_allowed": 2})
    say_cost(Session("local"), replace(made, place=place), 60)
    with pytest.raises(SettingsError, match=r"\$60\.00") as caught:
        say_cost(Session("local"), replace(made, place=place), 59)
    assert "up to 2 times, and then once on dedicated nodes" in str(caught.value)
