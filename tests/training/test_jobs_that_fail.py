"""Jobs that really fail on the local Azure, and what the commands say of them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commands.session import Session
from core.cloud import Cloud
from core.refs import StackOutputs
from core.settings import Settings
from tests.training.quick import QUICK_JOB, order, recipe
from tests.typed_commands import run
from training.submission import Order, submit


def explained(name: str) -> dict[str, Any]:
    return dict(json.loads(run("jobs", "explain", name, "--json").stdout))


@pytest.fixture(autouse=True)
def stack(cloud: Cloud, outputs: StackOutputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "cloud", cloud)
    monkeypatch.setattr(Session, "outputs", outputs)
    monkeypatch.setattr(Session, "settings", Settings(compute="cpu"))


@pytest.fixture
def failed(cloud: Cloud, outputs: StackOutputs, tmp_path: Path) -> Any:
    """Submit an order, follow it through the command line to its bad end; give name and words."""

    def fail(given: Order | str) -> tuple[str, str]:
        asked = order(tmp_path, recipe(given)) if isinstance(given, str) else given
        job = submit(cloud, outputs, asked).name
        return job, run("jobs", "logs", job, "--follow", exit_code=1).stderr

    return fail


def test_a_killed_program_is_called_out_of_memory_and_only_probably(failed: Any) -> None:
    job, told = failed("be killed")
    assert "Cause: probably: the program was killed from outside (137)" in told
    assert "[oom-cpu]" in told and "training.batch_size" in told
    shown = json.loads(run("jobs", "show", job, "--json").stdout)
    assert shown["explanation"]["rule"] == "oom-cpu"
    assert shown["explanation"]["confidence"] == "likely"
    assert "oom-cpu" in run("jobs", "show", job).stdout


@pytest.mark.slow
def test_a_missing_package_is_named_with_the_line_that_tells(failed: Any) -> None:
    """Slow: one more real job; two such stay in the fast tier."""
    job, told = failed("import what is not there")
    assert "a_package_that_is_not_there [import-error]" in told
    assert "ModuleNotFoundError" in explained(job)["evidence"][0]
    assert "It stands in:" in run("jobs", "explain", job).stdout


def test_the_programs_last_word_is_explained_and_on_the_page(failed: Any, tmp_path: Path) -> None:
    job, told = failed("say error: the loss is nan at step 12; it comes from training line 7: look")
    assert "Cause: the loss became nan at step 12; it comes from training line 7 [loss" in told
    files = json.loads(run("jobs", "report", job, "--folder", tmp_path / "r", "--json").stdout)
    page = Path(files["html"]).read_text()
    assert "loss-broken" in page and f"tunestack jobs explain {job}" in page
    assert Path(files["png"]).read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_packages_that_exclude_one_another_are_called_so(failed: Any, tmp_path: Path) -> None:
    """Slow: one more real job; two such stay in the fast tier."""
    code = tmp_path / "code"
    shutil.copytree(QUICK_JOB, code)
    (code / "requirements.txt").write_text("click==8.1.0\nclick==8.3.0\n")
    job, told = failed(replace(order(tmp_path, recipe()), code=code))
    assert "[image-pip-conflict]" in told and "requirements.in" in told
    assert any("resolving" in line for line in explained(job)["evidence"])


@pytest.mark.slow
def test_a_job_that_took_too_long_says_how_to_allow_more(failed: Any, tmp_path: Path) -> None:
    """Slow: one more real job; two such stay in the fast tier."""
    short = replace(order(tmp_path, recipe("wait")), timeout_hours=1 / 3600)
    told = failed(short)[1]
    assert "longer than it was allowed [timeout]" in told and "--timeout" in told


@pytest.mark.slow
def test_what_nobody_knows_is_said_to_be_unknown_and_its_end_shown(failed: Any) -> None:
    """Slow: one more real job; two such stay in the fast tier."""
    job, told = failed("fail")
    assert "No rule of tunestack knows this failure" in told
    assert "Traceback: the weights are missing" in told
    found = explained(job)
    assert found["rule"] == "unknown" and found["confidence"] == "none"


@pytest.mark.slow
def test_a_job_that_went_well_has_nothing_to_explain(
    cloud: Cloud, outputs: StackOutputs, tmp_path: Path
) -> None:
    """Slow: one more real job; two such stay in the fast tier."""
    job = submit(cloud, outputs, order(tmp_path, recipe())).name
    told = run("jobs", "logs", job, "--follow").stderr
    assert "costs nothing" not in told  # said once, by train
    assert "there is no failure to explain" in run("jobs", "explain", job).stdout
    shown = json.loads(run("jobs", "show", job, "--json").stdout)
    assert shown["curve"]["loss"]["first"] == {"step": 1, "value": 3.0}
    assert shown["curve"]["loss"]["last"] == shown["curve"]["loss"]["best"]
    assert shown["cost"]["usd"] == 0 and shown["cost"]["hours"] > 0
    assert "nothing: a rehearsal (1 node, " in run("jobs", "show", job).stdout
    told = run("jobs", "report", "--folder", tmp_path / "report").stdout  # the newest
    assert str(tmp_path / "report" / "curve.png") in told.replace("\n", "")
    page = (tmp_path / "report" / "index.html").read_text()
    assert "Try Hotel Borges." in page and "3.000 → 1.000" in page
    assert f"tunestack models register {job}" in page
