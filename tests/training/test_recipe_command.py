"""`tunestack recipe`: every finding of every recipe at once."""

import json
from pathlib import Path
from typing import Any

import pytest

from commands.session import Session
from core.settings import Settings
from tests.typed_commands import run
from training.recipe_check import check_recipe
from training.recipes import recipe_names

A100, T4, CPU = "Standard_NC24ads_A100_v4", "Standard_NC4as_T4_v3", "Standard_E4s_v3"


def document(*arguments: object, exit_code: int = 0) -> Any:
    return json.loads(run(*arguments, "--json", exit_code=exit_code).stdout)


def told(name: str, *overrides: str, size: str = A100) -> list[tuple[str, str]]:
    found = check_recipe(name, overrides, size).findings
    return [(one.severity, f"{one.told} {one.fix}") for one in found]


def severity_of(found: list[tuple[str, str]], part: str) -> str:
    return next((severity for severity, text in found if part in text), "")


def test_all_recipes_of_ours_are_good() -> None:
    found = document("recipe", "check")
    assert [one["name"] for one in found] == recipe_names()
    assert all(one["is_good"] for one in found)


def test_the_list_names_every_recipe_and_show_tells_its_defaults() -> None:
    assert [one["name"] for one in document("recipe", "list")] == recipe_names()
    shown = document("recipe", "show", "phi-4-mini", "--set", "training.epochs=7")
    assert shown["training"]["epochs"] == 7 and shown["lora"]["rank"] == 16
    assert "learning_rate" in run("recipe", "show", "phi-4-mini").stdout


def test_a_wrong_recipe_hides_nothing_of_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\nmetod: full\n")
    (tmp_path / "b.yaml").write_text("name: b\nmethod: ful\n")
    found = document("recipe", "check", tmp_path / "a.yaml", tmp_path / "b.yaml", exit_code=2)
    reasons = [[finding["told"] for finding in one["findings"]] for one in found]
    assert any("metod" in reason for reason in reasons[0])
    assert any("method" in reason for reason in reasons[1])
    assert not any(one["is_good"] for one in found)


@pytest.mark.parametrize(("overrides", "size", "severity", "part"), [
    ((), A100, "ok", "3,821,079,552 parameters on Standard_NC24ads_A100_v4"),
    ((), T4, "error", "--set method=lora"),
    ((), CPU, "error", "does not fit"),
    (("method=qlora",), CPU, "error", "four bits"),
    (("method=lora",), A100, "warning", "is little for adapters"),
    (("training.learning_rate=0.01",), A100, "warning", "is much for all"),
    (("training.batch_size=4",), A100, "warning", "accumulation=16 learn the same"),
    (("lora.rank=4",), A100, "note", "the method `full` does not use it"),
    (("method=lora", "lora.layers=40"), A100, "error", "the model has 32"),
    (("method=lora", "lora.target_modules=[q_proj]"), A100, "error", "no q_proj it has qkv_proj"),
    (("base.id=acme/Other-7B",), A100, "warning", "chat template was not tried"),
])  # fmt: skip
def test_each_finding(
    overrides: tuple[str, ...], size: str, severity: str, part: str,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path))
    assert severity_of(told("phi-3.5-mini", *overrides, size=size), part) == severity


@pytest.mark.parametrize(("name", "overrides", "severity", "part"), [
    ("travel-gpt", (), "ok", "gpt-oss-20b is tuned for everybody"),
    ("gpt-4.1-mini", (), "warning", "for existing customers only since 2026-10-14"),
    ("gpt-oss-20b", ("tier=Standard",), "error", "--set tier=GlobalStandard"),
    ("gpt-oss-20b", ("objective=dpo",), "error", "not by dpo"),
    ("phi-4-serverless", ("base.id=Phi-3.5-mini-instruct",), "error", "ended on 2025-08-30"),
    ("phi-4-serverless", ("objective=dpo",), "error", "learns from chats alone"),
    ("travel-gpt", ("suffix=ft.travel",), "error", "letters, digits, - and _"),
    ("travel-gpt", ("training.epochs=51",), "error", "51 is not within 1 and 50"),
    ("travel-gpt", ("route=[openai]",), "error", "is none of azureml, serverless, openai"),
])  # fmt: skip
def test_each_finding_of_a_managed_recipe(
    name: str, overrides: tuple[str, ...], severity: str, part: str,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path))
    assert severity_of(told(name, *overrides), part) == severity


def test_a_check_on_a_stack_asks_for_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "settings", Settings(compute="gpu", vm_size=T4))
    run("recipe", "check", "phi-3.5-mini", "--stack", "dev", exit_code=2)
    run("recipe", "check", "phi-3.5-mini-qlora", "--stack", "dev")
