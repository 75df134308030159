"""`deploy --gate` as it is typed: only what has passed goes on to be deployed.

Storage is in memory, and the deploy itself ends where it begins. With real ones behind it, a
managed model's gate is in tests/deploy/managed/test_foundry_on_local.py, that of an own model in
tests/e2e/test_evaluation.py.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands import deploy
from commands.evaluate import keeping
from commands.evaluate.keeping import keep
from commands.session import Session
from core.errors import UserError
from core.refs import ModelRef
from core.settings import Settings
from tests.evaluation.example import judged
from tests.evaluation_commands.memory_storage import Blobs
from tests.typed_commands import run

STACK = "gated"
MODEL = "says-held:1"
BEGINS = "deploying begins"


@pytest.fixture(autouse=True)
def stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack with one registered model of its own."""

    def carry_out(*given: Any, **more: Any) -> None:
        raise UserError(BEGINS)

    for attribute, value in (("cloud", None), ("outputs", None), ("settings", Settings())):
        monkeypatch.setattr(Session, attribute, value)
    monkeypatch.setattr(keeping, "blob_folder", Blobs().folder)
    monkeypatch.setattr(keeping, "find_model", lambda *given: {"tags": {}})
    monkeypatch.setattr(deploy, "managed_model", lambda *given: None)
    monkeypatch.setattr(deploy, "choose_model", lambda *given: ModelRef.parse(MODEL))
    monkeypatch.setattr(deploy, "carry_out", carry_out)


@pytest.fixture
def gate(tmp_path: Path) -> Callable[..., Path]:
    """Write a gate; without thresholds of its own one that the example passes."""

    def write(*lines: str) -> Path:
        path = tmp_path / "mine.yaml"
        wanted = lines or ("{metric: rule.hard, min: 0.9, better: true}",)
        rows = "".join(f"  - {line}\n" for line in wanted)
        path.write_text(f"name: mine\nmin_cases: 50\nrequire:\n{rows}")
        return path

    return write


def told(*arguments: object, exit_code: int = 1) -> str:
    """What `deploy` says, on one line."""
    typed = ("deploy", "--yes", "--model", MODEL, "--stack", STACK, *arguments)
    return " ".join(run(*typed, exit_code=exit_code).stderr.split())


def test_a_model_that_nobody_evaluated_is_refused_with_the_command_that_does(
    gate: Callable[..., Path],
) -> None:
    path = gate()
    said = told("--gate", path)
    assert f"{MODEL} has not been evaluated against another model" in said
    assert f"tunestack evaluate base {MODEL} --gate {path} --stack {STACK}" in said
    assert BEGINS not in said


def test_what_is_no_gate_is_refused_before_anything_is_read(
    gate: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "cloud", property(lambda self: pytest.fail("it was opened")))
    said = told("--gate", gate("{metric: rogue_l, min: 0.5}"), "--vm-size", "big", exit_code=2)
    assert "'big' is not a VM size" in said
    assert "no evaluation has a metric 'rogue_l'. Did you mean rouge_l" in said


def test_a_model_that_fails_is_refused_with_every_reason(gate: Callable[..., Path]) -> None:
    keep(Session(STACK), judged(MODEL, 60), "<p>")
    path = gate(
        "{metric: seconds, not_worse: true, sure: true}", "{metric: f1, min: 0.6}",
        "{metric: rule.hard, min: 0.9}",
    )  # fmt: skip
    said = told("--gate", path)
    assert f"{MODEL} fails the gate mine, and nothing was sent" in said
    for reason in ("seconds: +0.37 against the reference", "f1: 0.51 over 60 cases"):
        assert said.count(reason) == 2, "once among the checks, once among the reasons"
    assert "passed rule.hard: 1 over 60 answers" in said
    assert BEGINS not in said


def test_what_passes_is_deployed_and_the_newest_evaluation_counts(
    gate: Callable[..., Path],
) -> None:
    keep(Session(STACK), judged(MODEL, 60, made="2026-11-22T09:00:00Z"), "<p>")
    assert BEGINS in told("--gate", gate())
    worse = judged(MODEL, 60, made="2026-11-22T10:00:00Z").model_copy(update={"metrics": ()})
    keep(Session(STACK), worse, "<p>")
    said = told("--gate", gate())
    assert "rule.hard: was not measured" in said and BEGINS not in said
