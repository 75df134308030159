"""`destroy` of a stack that tunes and hosts: all of it ends in order, and nothing stays."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.cloud import Cloud
from infra.in_process.engine import InProcess
from local.process import LocalAzure
from local.tuning import programs
from tests.training.managed_commands.conftest import QUICK, SETTINGS, point_at
from tests.typed_commands import run, run_json

STACK = "managed-down"


@pytest.fixture
def doomed(
    local_azure: LocalAzure,
    azure_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[InProcess]:
    """A stack of the test's own, and the commands pointed at it."""
    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path / "home"))
    engine = InProcess(STACK, SETTINGS, Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"]))
    programs.use(azure_folder, job=QUICK / "quick_trainer", serving=QUICK / "quick_server")
    engine.up(lambda event: None)
    point_at(engine, monkeypatch)
    yield engine
    engine.destroy(lambda event: None)


@pytest.mark.slow
def test_what_tunes_and_what_is_hosted_ends_and_the_receipt_lists_it(
    doomed: InProcess, chats: Callable[..., Path], tmp_path: Path
) -> None:
    """Slow: a stack with every service goes up, trains twice, serves two models and goes down."""
    on = ("--stack", STACK, "--yes")
    serverless = run_json("train", "--recipe", "phi-4-mini-serverless", "--data", chats(), *on)
    model = f"phi-4-mini-serverless:{serverless['model']['version']}"
    run("deploy", "--model", model, "--name", "phi-down", *on)
    tuned = run_json("train", "--recipe", "travel-gpt", "--data", chats(), *on)
    run("deploy", "--model", f"{tuned['model']['name']}:1", "--name", "travel-down", *on)
    waits = chats(f"[wait {tmp_path / 'never'}]")
    job = run_json("train", "--recipe", "gpt-oss-20b", "--data", waits, "--no-follow", *on)
    name = job["job"]["name"]

    asked = run("destroy", "--stack", STACK, exit_code=2).stderr
    assert "serverless endpoint phi-down answers until it is deleted" in asked
    assert "model deployment travel-down answers until it is deleted" in asked
    assert f"job {name} is" in asked and "will be canceled" in asked

    shown = run("destroy", "--json", *on)
    receipt = run_json_of(shown.stdout)
    gone = {(item["title"], item["name"]) for item in receipt["deleted"]}
    assert ("serverless endpoint", "phi-down") in gone
    assert ("model deployment", "travel-down") in gone
    assert any(title == "tuning job" and name in which for title, which in gone)
    assert any(title == "tuning file" for title, _ in gone)
    order = [item["title"] for item in receipt["deleted"]]
    assert order.index("model deployment") < order.index("tuning job") < order.index("workspace")
    assert "AI account" in {item["title"] for item in receipt["purged"]}
    assert receipt["is_done"]
    assert receipt["remains"] == receipt["held"] == receipt["refused"] == receipt["notes"] == []
    assert run("destroy", "--stack", STACK).stdout == f"{STACK}: nothing was there.\n"


def run_json_of(text: str) -> dict[str, list[dict[str, str]]]:
    """Read a receipt."""
    import json

    return dict(json.loads(text))
