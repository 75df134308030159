"""Low-priority nodes that are taken away: what the program meets, and what becomes of the job."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Output
from azure_group import API
from click.testing import CliRunner
from ml_stack import Stack

from cli import COMMANDS, help_text
from commands.root import command_line
from core.errors import SettingsError, UserError
from local import preemptions
from local.preemptions import Preemption

WORK = """
    import pathlib, signal, sys, time

    folder = pathlib.Path(sys.argv[1])

    def told(number, frame):
        (folder / "notice").write_text("SIGTERM")
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, told)
    done = len(list(folder.glob("step-*")))
    print(f"begins at {done}", flush=True)
    for step in range(done + 1, 4):
        (folder / f"step-{step}").touch()
        print('metrics {"step": %d}' % step, flush=True)
        while step == 2 and done < 2:
            time.sleep(600)
"""
LINE = "python work.py ${{outputs.checkpoints}}"


@pytest.fixture(scope="module", autouse=True)
def low(stack: Stack) -> str:
    """A low-priority cluster beside the dedicated ones."""
    like = stack.group.arm.get(f"{stack.workspace['id']}/computes/single", API) or {}
    inner = like["properties"]["properties"]
    body = {
        "location": like["location"],
        "identity": {
            "type": "UserAssigned",
            "userAssignedIdentities": {
                key: {} for key in like["identity"]["userAssignedIdentities"]
            },
        },
        "properties": {
            "computeType": "AmlCompute",
            "properties": {
                "vmSize": inner["vmSize"],
                "vmPriority": "LowPriority",
                "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 1},
            },
        },
    }
    stack.group.arm.put(f"{stack.workspace['id']}/computes/low", API, body)
    return "low"


@pytest.fixture
def rules(azure_folder: Path) -> Iterator[Callable[..., None]]:
    """Set preemptions, and leave none behind."""
    yield lambda **how: preemptions.add(azure_folder, Preemption(**how)) and None
    preemptions.clear(azure_folder)


def work(stack: Stack, code: Callable[..., Path], compute: str = "low") -> str:
    outputs = {"checkpoints": Output(type="uri_folder")}
    return str(stack.submit(code(work=WORK), LINE, compute=compute, outputs=outputs).name)


def checkpoints(stack: Stack, job: str) -> Path:
    store = f"azureml-blobstore-{stack.workspace['properties']['workspaceId']}"
    return stack.blobs(store) / "azureml" / job / "checkpoints"


def log(stack: Stack, job: str) -> list[str]:
    return (stack.artifacts(job) / "user_logs" / "std_log.txt").read_text().splitlines()


def test_a_requeued_job_starts_again_with_what_it_had_written(
    stack: Stack, code: Callable[..., Path], rules: Callable[..., None], azure_folder: Path
) -> None:
    rules(after_steps=2, then="requeue")
    job = work(stack, code)
    assert stack.ended(job).status == "Completed"
    assert log(stack, job) == ["begins at 2", 'metrics {"step": 3}'], "the log begins anew"
    assert not (checkpoints(stack, job) / "notice").exists(), "no notice, no SIGTERM"
    assert "preempted" in stack.details(job)["warnings"][0]["message"]
    assert not stack.error(job)
    assert preemptions.rules(azure_folder)[0].is_spent


@pytest.mark.parametrize(("then", "status"), [("fail", "Failed"), ("cancel", "Canceled")])
def test_a_job_that_is_not_requeued_ends_and_names_the_preemption(
    stack: Stack, code: Callable[..., Path], rules: Callable[..., None], then: str, status: str
) -> None:
    rules(when='metrics {"step": 2}', then=then, notice=30)
    job = work(stack, code)
    assert stack.ended(job).status == status
    assert "PreemptionError" in stack.error(job)["message"]
    kept = {path.name for path in checkpoints(stack, job).iterdir()}
    assert kept == {"step-1", "step-2", "notice"}, "the notice came as SIGTERM"


def test_a_cluster_says_how_many_nodes_a_job_holds_until_they_are_taken(
    stack: Stack, code: Callable[..., Path], rules: Callable[..., None]
) -> None:
    def nodes() -> int:
        found = stack.group.arm.get(f"{stack.workspace['id']}/computes/low", API) or {}
        return int(found["properties"]["properties"]["currentNodeCount"])

    job = work(stack, code)
    stack.until(job, ("Running",))
    assert nodes() == 1
    rules(job=job, then="fail")
    assert stack.ended(job).status == "Failed"
    assert nodes() == 0


def test_a_dedicated_node_is_never_taken(
    stack: Stack, code: Callable[..., Path], rules: Callable[..., None], azure_folder: Path
) -> None:
    rules(then="fail", times=0)
    job = work(stack, code, "single")
    stack.until(job, ("Running",))
    with pytest.raises(SettingsError, match=r"runs on single, whose nodes are dedicated: never"):
        rules(job=job)
    stack.ml.jobs.begin_cancel(job).result()
    assert stack.ended(job).status == "Canceled"
    assert not stack.error(job)
    assert preemptions.rules(azure_folder)[0].hits == 0


def test_a_cancel_ends_a_job_for_good_also_where_it_was_requeued(
    stack: Stack, code: Callable[..., Path], rules: Callable[..., None]
) -> None:
    rules(times=0)
    job = work(stack, code)
    stack.until(job, ("Running", "Queued", "Preparing"))
    stack.ml.jobs.begin_cancel(job).result()
    assert stack.ended(job).status == "Canceled"
    assert not stack.error(job)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"job": "nobody"}, "there is no job 'nobody'"),
        ({"job": ""}, "job: give a name or a glob"),
        ({"then": "explode"}, "then: 'explode' is none of requeue, fail, cancel"),
        ({"after_steps": -1}, "after-steps: -1 is less than 0"),
        ({"after_steps": 1, "when": "x*"}, "give one of them"),
        ({"notice": -1}, "notice: -1 is not between 0 and 600 seconds"),
        ({"times": -1}, "times: -1 is less than 0"),
    ],
)
def test_what_makes_no_sense_is_refused(
    rules: Callable[..., None], how: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        rules(**how)
    assert reason in str(caught.value)


def test_a_world_without_low_priority_says_how_to_get_it(tmp_path: Path) -> None:
    from local.cores import COMPUTES
    from local.state import State

    state = State(tmp_path)
    compute = {"name": "c", "properties": {"properties": {"vmPriority": "Dedicated"}}}
    state.put("/w/computes/c", COMPUTES, compute)
    with pytest.raises(SettingsError, match="lowPriority=true"):
        preemptions.add(state, Preemption())
    with pytest.raises(UserError, match="no preemption 3"):
        preemptions.clear(state, 3)
    state.close()


def test_a_person_sets_lists_and_clears_them_by_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path))

    def run(*arguments: str, exit_code: int = 0) -> str:
        root = command_line(COMMANDS, help_text())
        result = CliRunner().invoke(root, ["local", "preempt", *arguments])
        assert result.exit_code == exit_code, result.output
        return result.output

    told = run("phi*", "--after-steps", "5", "--then", "fail", "--notice", "30", "--times", "2")
    assert told == ("1: phi* loses its nodes after 5 steps, 30 s of notice, then fail; 2 times\n")
    assert "no notice, then requeue; always" in run("--times", "0")
    [first, second] = json.loads(run("--list", "--json"))["preemptions"]
    assert (first["job"], first["hits"], second["job"]) == ("phi*", 0, "*")
    assert "phi*" in run("--list")
    assert "notice: -1 is not between" in run("--notice", "-1", exit_code=2)
    assert run("--clear") == "Preemptions cleared: 2.\n"
