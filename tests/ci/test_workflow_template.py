"""The workflow that `ci init` writes: every command is one of ours, no secret, the least rights."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
from workflow_text import CHOICES, GITHUB, action, commands, load, written

from cli import COMMANDS, help_text
from commands.ci.workflow_files import ACTION, FILES, TEMPLATES, WORKFLOW, Choices, workflow_files
from commands.root import command_line
from core.settings import parse_settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    written(folder)
    return folder


@pytest.fixture(scope="module")
def workflow(repository: Path) -> dict[str, Any]:
    return load(repository / WORKFLOW)


def parse(command: click.Command, words: tuple[str, ...], name: str) -> None:
    """Hold a command line to what the command takes, without running it."""
    context = command.make_context(name, list(words))
    if isinstance(command, click.Group):
        _, inner, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert inner is not None
        parse(inner, tuple(rest), inner.name or "")


def test_every_command_of_the_workflow_is_one_of_ours_with_options_that_it_has(
    repository: Path, workflow: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    for name in ("train", "validation", "held-out"):
        file = repository / CHOICES["data"] / f"{name}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    found = list(commands(workflow))
    for command in found:
        parse(command_line(COMMANDS, help_text()), command.words, "tunestack")
    script = "\n".join(str(step.get("run")) for job in workflow["jobs"].values()
                       for step in job["steps"])  # fmt: skip
    assert len(found) == len(re.findall(r"\btunestack [a-z]", script)) == 18


def test_a_command_that_is_none_is_found(workflow: dict[str, Any]) -> None:
    with pytest.raises(click.ClickException):
        parse(command_line(COMMANDS, help_text()), ("deploy", "--canari", "10"), "tunestack")
    (first, *_) = commands(workflow)
    assert first.words == (
        "data", "check", "data/travel/train.jsonl", "data/travel/validation.jsonl",
        "--recipe", "phi-3.5-mini",
    )  # fmt: skip


def test_the_order_is_check_plan_train_evaluate_canary_approval_promote(
    workflow: dict[str, Any],
) -> None:
    jobs = workflow["jobs"]
    assert {name: job.get("needs") for name, job in jobs.items()} == {
        "check": None,
        "train": "check",
        "follow": "train",
        "evaluate": ["train", "follow"],
        "canary": "evaluate",
        "promote": ["evaluate", "canary"],
        "rollback": ["evaluate", "canary", "promote"],
    }
    assert [name for name, job in jobs.items() if "environment" in job] == ["promote"]
    assert [(command.job, command.words[0]) for command in commands(workflow)] == [
        ("check", "data"), ("check", "recipe"), ("check", "train"), ("check", "plan"),
        ("train", "plan"), ("train", "doctor"), ("train", "train"), ("follow", "jobs"),
        ("evaluate", "models"), ("evaluate", "evaluate"),
        ("canary", "deploy"), ("canary", "endpoint"), ("canary", "chat"), ("canary", "evaluate"),
        ("promote", "deploy"), ("promote", "chat"),
        ("rollback", "endpoint"), ("rollback", "rollback"),
    ]  # fmt: skip


def test_there_is_no_secret_and_who_signs_in_has_no_more_rights_than_that(
    repository: Path, workflow: dict[str, Any]
) -> None:
    texts = [(repository / name).read_text() for name in FILES]
    assert not any("secrets." in text or "client-secret" in text for text in texts)
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        wanted = None if name == "check" else {"contents": "read", "id-token": "write"}
        assert job.get("permissions") == wanted, name


def test_a_pull_request_never_signs_in(workflow: dict[str, Any]) -> None:
    check, train = workflow["jobs"]["check"], workflow["jobs"]["train"]
    (setup,) = [step for step in check["steps"] if "tunestack" in step.get("uses", "")]
    assert setup["with"] == {"sign-in": "false"}
    assert check["env"] == {"AZURE_CLIENT_ID": "", "AZURE_SUBSCRIPTION_ID": ""}
    assert train["if"].startswith("github.event_name != 'pull_request' && github.ref == ")


def test_what_signs_in_or_installs_happens_only_where_it_was_asked_for(repository: Path) -> None:
    steps = action(repository)["runs"]["steps"]
    asked = [step["uses"] for step in steps if step.get("if") == "inputs.sign-in == 'true'"]
    assert [name.partition("@")[0] for name in asked] == ["azure/login", "pulumi/actions"]


def test_every_action_is_named_with_a_version_and_every_job_has_an_end(
    repository: Path, workflow: dict[str, Any]
) -> None:
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    steps += action(repository)["runs"]["steps"]
    used = {step["uses"] for step in steps if "uses" in step}
    for name in used - {"./.github/actions/tunestack"}:
        assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|[0-9a-f]{40})", name), name
    assert all(0 < job["timeout-minutes"] <= 360 for job in workflow["jobs"].values())


def test_a_run_of_the_branch_is_never_cancelled_by_a_later_one(workflow: dict[str, Any]) -> None:
    concurrency = workflow["concurrency"]
    assert concurrency["group"].startswith("tunestack-dev-")
    assert concurrency["cancel-in-progress"] == "${{ github.event_name == 'pull_request' }}"


def test_no_turn_is_longer_than_githubs_six_hours_and_all_are_longer_than_the_training(
    tmp_path: Path,
) -> None:
    for hours, turns in ((0.5, 2), (24, 6), (72, 15)):
        follow = written(tmp_path, hours=hours)["jobs"]["follow"]
        assert follow["strategy"]["matrix"]["turn"] == list(range(1, turns + 1))
        (script,) = [step["run"] for step in follow["steps"] if "run" in step]
        (minutes,) = re.findall(r"(\d+)m tunestack", script)
        assert int(minutes) * (turns - 1) >= hours * 60
        assert int(minutes) < follow["timeout-minutes"] < 360


def test_the_branch_and_the_environment_are_those_that_azure_trusts(tmp_path: Path) -> None:
    settings = parse_settings(
        {**GITHUB, "githubBranch": "c++/1", "githubEnvironment": "live"}
    )  # fmt: skip
    made = written(tmp_path, settings)
    assert made["on"]["push"]["branches"] == [r"c\+\+/1"], "a filter, in which + is a pattern"
    assert "'refs/heads/c++/1'" in made["jobs"]["train"]["if"]
    assert made["jobs"]["promote"]["environment"] == "live"


def test_what_is_typed_stays_one_word_of_yaml_and_of_the_shell(tmp_path: Path) -> None:
    odd = "Is it \"good\", or: 'not'? # $(rm -rf /) @STACK@"
    made = written(tmp_path, question=odd)
    assert made["env"]["QUESTION"] == odd
    scripts = [step.get("run", "") for job in made["jobs"].values() for step in job["steps"]]
    assert not any("rm -rf" in script or "${{" in script for script in scripts)


def test_only_what_a_training_is_made_of_trains_anew(tmp_path: Path) -> None:
    """A gate or a suite that is changed does not: the same job is judged again by `-f job=`."""
    made = written(tmp_path, recipe="./mine.yaml", gate="gates/mine.yaml", suite="my/suite.yaml")
    assert made["on"]["push"]["paths"] == ["data/travel/**", "mine.yaml", "Pulumi.dev.yaml"]
    assert written(tmp_path, data="./")["on"]["push"]["paths"] == ["**", "Pulumi.dev.yaml"]


def script(workflow: dict[str, Any], job: str) -> str:
    """Give what the last step of a job runs."""
    return str([step["run"] for step in workflow["jobs"][job]["steps"] if "run" in step][-1])


def bash(
    folder: Path, text: str, program: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a step as GitHub does, with a `tunestack` that notes how it was called."""
    stand_in = folder / "bin" / "tunestack"
    stand_in.parent.mkdir(exist_ok=True)
    stand_in.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\n{program}\n')
    stand_in.chmod(0o755)
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text], cwd=folder,
        env={**os.environ, "PATH": f"{stand_in.parent}:{os.environ['PATH']}", **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "is_last", "ends"),
    [(0, "false", 0), (0, "true", 0), (1, "false", 1), (124, "false", 0), (137, "false", 0),
     (124, "true", 1)],
)  # fmt: skip
def test_a_turn_fails_with_the_training_and_the_last_where_the_training_goes_on(
    workflow: dict[str, Any], tmp_path: Path, code: int, is_last: str, ends: int
) -> None:
    """A last turn that succeeded would leave "Re-run failed jobs" nothing that follows."""
    found = bash(tmp_path, script(workflow, "follow"), f"exit {code}", JOB="j", IS_LAST=is_last)
    assert found.returncode == ends
    assert (tmp_path / "calls").read_text() == "jobs logs j --follow\n"


@pytest.mark.skipif(not shutil.which("jq"), reason="jq is not here; GitHub's runners have it")
@pytest.mark.parametrize(
    ("traffic", "share_of_canary", "goes_back"),
    [
        ({"old:1": 90, "new:1": 10}, "10", True),  # refused, or what was asked failed
        ({"old:1": 90, "new:1": 10}, "", True),  # the canary's runner was lost
        ({"old:1": 100, "new:1": 0}, "", True),  # the deployment was cancelled: it bills
        ({"new:1": 100}, "10", True),  # promoted, and then it did not answer
        ({"new:1": 100}, "100", False),  # the first model, or one that answered before
        ({"new:1": 100}, "", False),
        ({"old:1": 100}, "", False),  # a gate was missed: nothing stands
        ({}, "", False),
    ],
)
def test_a_rollback_takes_back_what_this_run_moved_and_nothing_else(
    workflow: dict[str, Any],
    tmp_path: Path,
    traffic: dict[str, int],
    share_of_canary: str,
    goes_back: bool,
) -> None:
    shown = [{"name": model, "model": model, "traffic": share} for model, share in traffic.items()]
    document = json.dumps({"deployments": shown})
    found = bash(
        tmp_path, script(workflow, "rollback"), f"echo '{document}'",
        MODEL="new:1", SHARE_OF_CANARY=share_of_canary,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["endpoint show --json", *["rollback --yes"] * goes_back]


def test_no_placeholder_is_left_and_none_is_unknown(repository: Path) -> None:
    for name, template in FILES.items():
        assert re.search(r"@[A-Z_]+@", (TEMPLATES / template).read_text())
        assert not re.search(r"@[A-Z_]+@", (repository / name).read_text())


def test_a_file_that_is_the_same_is_told_so_and_one_that_is_not_shows_its_lines(
    repository: Path,
) -> None:
    choices = Choices(**{**CHOICES, "canary": 25})
    workflow, same = workflow_files("dev", parse_settings(GITHUB), choices, repository)
    assert (workflow.state, same.state) == ("changed", "same")
    assert same.path == repository / ACTION
    lines = [line for line in workflow.diff().splitlines() if line[:1] in "+-"][2:]
    assert lines == ['-  CANARY_PERCENT: "10"', '+  CANARY_PERCENT: "25"']


def test_actionlint_finds_nothing(repository: Path) -> None:
    found = subprocess.run(
        [ROOT / ".ci" / "actionlint", "--where"], capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip("actionlint is not here: make actionlint")
    subprocess.run(["git", "init", "--quiet", repository], check=True)
    tool = found.stdout.strip()
    run = subprocess.run(
        [tool, "-no-color", WORKFLOW], cwd=repository, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout
    assert not shutil.which("shellcheck") or "shellcheck" not in run.stdout


def test_actionlint_would_find_something(repository: Path, tmp_path: Path) -> None:
    """The check above can fail: an output that no step gives is told."""
    found = subprocess.run(
        [ROOT / ".ci" / "actionlint", "--where"], capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip("actionlint is not here: make actionlint")
    text = (repository / WORKFLOW).read_text().replace("steps.register", "steps.registered")
    (tmp_path / "broken.yml").write_text(text)
    run = subprocess.run(
        [found.stdout.strip(), "-no-color", str(tmp_path / "broken.yml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert 'property "registered" is not defined' in run.stdout
