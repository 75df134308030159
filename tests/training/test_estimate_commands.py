"""`train --estimate` and `train --probe`, as a person types them."""

import functools
import json
from pathlib import Path
from typing import Any

import pytest

import commands.train.ordering
from commands.session import Session
from core.cloud import Cloud
from core.refs import StackOutputs
from core.settings import Settings
from tests.training.quick import QUICK_JOB, chats
from tests.typed_commands import run
from training.estimate.calibration import measured_jobs
from training.kept_orders import read_order
from training.metrics import job_metrics
from training.recipes import load_recipe
from training.submission import Order

RECIPE = """\
name: probed
description: measure
model_name: probed
base: {source: random, id: none, architecture: {hidden_size: 64, intermediate_size: 192,
  num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 4}}
method: full
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[object, ...]:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    chats(tmp_path / "train.jsonl", range(12))
    chats(tmp_path / "validation.jsonl", range(12, 14))
    return "--recipe", tmp_path / "recipe.yaml", "--data", tmp_path


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Fail where a command opens the cloud."""

    def opened(self: Session) -> None:
        raise AssertionError("the cloud was opened")

    monkeypatch.setattr(Session, "cloud", property(opened))
    monkeypatch.setattr(Session, "outputs", property(opened))
    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path / "home"))


@pytest.fixture
def stack(cloud: Cloud, outputs: StackOutputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the commands at the tests' stack and at the quick program."""
    monkeypatch.setattr(Session, "cloud", cloud)
    monkeypatch.setattr(Session, "outputs", outputs)
    monkeypatch.setattr(Session, "settings", Settings(compute="cpu"))
    monkeypatch.setattr(commands.train.ordering, "Order", functools.partial(Order, code=QUICK_JOB))


@pytest.mark.usefixtures("never")
def test_an_estimate_opens_no_cloud_and_says_what_it_does_not_know(
    files: tuple[object, ...],
) -> None:
    result = run("train", "--estimate", *files[2:], "--recipe", "phi-4-mini")
    assert "3,836,021,760 parameters" in result.stdout
    assert "Cheapest that fits (*): Standard_NC24ads_A100_v4" in result.stdout
    assert "method=lora" in result.stdout, "the T4's way to fit"
    assert "not calibrated" in result.stderr


@pytest.mark.usefixtures("never")
def test_an_estimate_as_one_document(files: tuple[object, ...]) -> None:
    found: Any = json.loads(run("train", "--estimate", "--json", *files).stdout)
    assert found["own"]["vm_size"] == "Standard_E16s_v3"
    offer = found["offers"][0]
    assert offer["memory"]["low"] < offer["memory"]["high"] < offer["capacity"]
    assert offer["usd"]["low"] < offer["usd"]["high"] and "eastus" in offer["price_source"]


@pytest.mark.usefixtures("never")
def test_a_probe_that_nobody_waits_for_is_refused(files: tuple[object, ...]) -> None:
    assert "--no-follow" in run("train", "--probe", "--no-follow", *files, exit_code=2).stderr


@pytest.mark.usefixtures("stack")
@pytest.mark.slow
def test_a_probe_corrects_the_estimate_and_later_ones_find_it_in_the_workspace(
    cloud: Cloud, outputs: StackOutputs, files: tuple[object, ...]
) -> None:
    """Slow: two jobs."""
    result = run("train", "--probe", "5", "--yes", "--json", *files)
    found = json.loads(result.stdout)
    assert found["tokens_per_second"] == 1000 and found["peak_memory"] == 512 * 2**20
    assert found["predicted"]["basis"].startswith("not calibrated")
    assert found["corrected"]["basis"] == f"as {found['probe']} ran"
    assert "The whole run: tunestack" in result.stderr

    order = read_order(cloud, outputs, found["probe"])
    assert order.recipe.training.max_steps == 5 and order.recipe.samples.count == 0
    assert order.estimate_usd is None, "a probe is no run to hold a price against"
    job = json.loads(run("jobs", "show", found["probe"], "--json").stdout)
    assert job["tags"]["tunestack-probe"] == "true"
    assert job_metrics(cloud, outputs, found["probe"])["system/tokens_per_second"] == 1000

    whole = load_recipe(str(files[1]))
    assert [one.job for one in measured_jobs(cloud, outputs, whole)] == [found["probe"]]
    other = load_recipe(str(files[1]), ["training.max_length=64"])
    assert measured_jobs(cloud, outputs, other) == (), "another length is another kind"


@pytest.mark.usefixtures("stack")
@pytest.mark.slow
def test_a_probe_that_measured_nothing_says_so(files: tuple[object, ...], tmp_path: Path) -> None:
    """Slow: a job of its own."""
    (tmp_path / "recipe.yaml").write_text(
        RECIPE.replace("description: measure", "description: succeed")
    )
    told = run(
        "train", "--probe", "5", "--yes", *files, "--set", "training.batch_size=2", exit_code=1
    )
    assert "tracked no speed" in told.stderr
