"""`status --html` of a stack in which a job has run, on the local Azure; one job for all tests."""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import commands.train.ordering
from commands.session import Session
from core.cloud import Cloud
from core.errors import CloudError
from core.refs import StackOutputs
from core.settings import Settings
from infra.in_process.engine import InProcess
from tests.training.quick import QUICK_JOB, chats
from tests.typed_commands import run, run_json
from training.submission import Order

SETTINGS = Settings(compute="cpu", person_type="ServicePrincipal", low_priority=True)
RECIPE = """\
name: quick
description: measure
model_name: shown
base: {source: random, id: none}
method: full
"""


@pytest.fixture(scope="module")
def job(
    cloud: Cloud, outputs: StackOutputs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """A job that has measured and whose model is registered; commands see its stack."""
    folder = tmp_path_factory.mktemp("shown")
    (folder / "recipe.yaml").write_text(RECIPE)
    chats(folder / "train.jsonl", range(12))
    chats(folder / "validation.jsonl", range(12, 14))
    engine = InProcess("training", SETTINGS, cloud)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("settings", SETTINGS), ("cloud", cloud), ("engine", engine), ("outputs", outputs)
        ):  # fmt: skip
            patch.setattr(Session, name, value)
        quick = functools.partial(Order, code=QUICK_JOB)
        patch.setattr(commands.train.ordering, "Order", quick)
        yield run_json("train", "--recipe", folder / "recipe.yaml", "--data", folder)


@pytest.fixture(scope="module")
def shown(job: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str]:
    """What the page's facts are, and the page."""
    file = tmp_path_factory.mktemp("page") / "stack.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("commands.status.answers.asked", never)
        facts = run_json("status", "--html", file)
    return facts, file.read_text()


def never(*arguments: object) -> None:
    raise AssertionError("a deployment was asked, which costs")


def test_the_page_shows_the_run_with_the_losses_that_it_tracked(
    job: dict[str, Any], shown: tuple[Any, str]
) -> None:
    facts, page = shown
    [found] = [one for one in facts["runs"] if one["name"] == job["job"]["name"]]
    assert found["history"] == [{"step": step, "loss": 3.0 / step} for step in (1, 2, 3)]
    assert (found["status"], found["verdict"]) == ("Completed", None)
    assert found["hours"] > 0 and found["usd"] > 0
    assert "training loss 3.000 to 1.000, steps 1 to 3" in page


def test_the_page_shows_the_model_and_the_stack_and_what_it_costs(
    job: dict[str, Any], shown: tuple[Any, str]
) -> None:
    facts, page = shown
    [model] = [one for one in facts["models"] if one["name"] == "shown"]
    assert (model["tags"]["job"], model["serves"]) == (job["job"]["name"], [])
    assert facts["not_readable"] == []
    assert facts["cost"]["usd"] > 0 and facts["cost"]["known_per_hour"] > 0
    assert "shown:1" in page and facts["since"]
    assert {one["title"] for one in facts["resources"]} >= {"workspace", "compute cluster"}


def test_status_without_the_page_says_what_it_always_said(job: dict[str, Any]) -> None:
    found = run_json("status")
    assert list(found) == [
        "stack", "is_up", "resources", "is_rehearsal", "endpoints", "hosted", "jobs", "tuning",
        "nodes", "per_hour",
    ]  # fmt: skip


@pytest.mark.usefixtures("job")
def test_what_azure_refuses_is_named_and_the_rest_of_the_page_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise CloudError("Azure refused to list <b>.", code="AuthorizationFailed", status=403)

    for place in ("models.list_models", "runs.Tracking", "standing.found_workloads"):
        monkeypatch.setattr(f"commands.status.{place}", refuse)
    told = run("status", "--html", tmp_path / "p.html", "--json")
    facts, page = json.loads(told.stdout), (tmp_path / "p.html").read_text()
    assert [(one["part"], one["what"]) for one in facts["not_readable"]] == [
        ("answers", "what runs in the workspace"),
        ("models", "models of the registry"),
        ("runs", "losses of the route azureml"),
    ]
    assert "Not readable: models of the registry" in told.stderr
    assert "Azure refused to list &lt;b&gt;. (AuthorizationFailed)" in page
    assert facts["runs"] and facts["cost"]["items"] and "no losses yet" in page


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--open",), "Add --html FILE."),
        (("--ask",), "Add --html FILE."),
        (("--all", "--html", "x.html"), "choose one"),
        (("--html", "no/such/folder/x.html"), "there is no folder no/such/folder"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: tuple[str, ...], told: str) -> None:
    assert told in run("status", *options, exit_code=2).stderr
