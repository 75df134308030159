"""`data check` and `data split` as a person types them, and what `train` refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli import COMMANDS, help_text
from commands.data.check import checked_pair
from commands.root import command_line
from core.errors import SettingsError
from tests.training.data.check_material import chat, pair, write
from tests.typed_commands import run, run_json
from training.recipes import load_recipe


def good(tmp_path: Path, *more: Any) -> Path:
    return write(tmp_path / "mine.jsonl", *(chat(f"Q{n}", f"A{n}") for n in range(12)), *more)


def test_findings_are_grouped_by_rule_with_their_fix(tmp_path: Path) -> None:
    path = good(tmp_path, *[chat("Q", "A", "B")] * 5, chat("Mail jane@contoso.com", "Done"))
    out = run("data", "check", path, exit_code=2).output
    assert out.count("roles.last") == 1
    assert "line 13: the last message is from user" in out and "line 16" not in out
    assert "and 2 more; all of them: --json" in out
    assert "→ End with an assistant's answer" in out
    assert "personal.email" in out and "jane" not in out
    assert out.index("roles.last") < out.index("personal.email")
    assert "Not fit for training" in out


def test_json_has_every_finding_with_rule_and_fix(tmp_path: Path) -> None:
    path = good(tmp_path, *[chat("Q", "A", "B")] * 5)
    result = CliRunner().invoke(
        command_line(COMMANDS, help_text()), ["data", "check", str(path), "--json"]
    )
    (report,) = json.loads(result.stdout)
    assert result.exit_code == 2 and report["rules"]["roles.last"] == 5
    last = [each for each in report["findings"] if each["rule"] == "roles.last"]
    assert [each["line"] for each in last] == [13, 14, 15, 16, 17]
    assert all(each["fix"] and each["severity"] == "error" for each in last)


def test_strict_makes_warnings_errors_and_notes_stay_notes(tmp_path: Path) -> None:
    clean, doubled = good(tmp_path), tmp_path / "doubled.jsonl"
    run("data", "check", clean, "--strict")
    doubled.write_bytes(clean.read_bytes() * 2)
    run("data", "check", doubled)
    assert "doubled.jsonl (12)" in run("data", "check", doubled, "--strict", exit_code=2).output
    run("data", "check", doubled, "--strict", "--skip", "duplicates")


def test_rules_and_skip_choose_what_is_looked_for(tmp_path: Path) -> None:
    path = good(tmp_path, chat("Mail jane@contoso.com", "Say <|end|>"))
    rules = "personal,template"
    both = run("data", "check", path, "--rules", rules).output
    assert "personal.email" in both and "template.token" in both and "routes" not in both
    assert "personal" not in run("data", "check", path, "--skip", "personal").output
    assert "no rule guesses" in run("data", "check", path, "--skip", "guesses", exit_code=2).output


def test_a_recipe_tells_the_base_and_the_objective(tmp_path: Path) -> None:
    tokens = good(tmp_path, chat("Hi", "Say <|im_end|>", system="Be kind."))
    told = ("--skip", "length", "--recipe")  # lengths take a tokenizer
    out = run("data", "check", tokens, *told, "rehearsal", exit_code=2).output
    assert "template.own" in out and "system.default" in out
    run("data", "check", tokens, *told, "phi-3.5-mini")
    pairs = write(tmp_path / "pairs.jsonl", *(pair(f"Q{n}", "A", "B") for n in range(12)))
    run("data", "check", pairs)
    out = run("data", "check", pairs, *told, "rehearsal", exit_code=2).output
    assert "holds preferences" in out


def test_a_managed_recipe_adds_what_its_service_refuses(tmp_path: Path) -> None:
    path = good(tmp_path, chat("Q", "A", tools=[{"type": "function"}]))
    told = ("data", "check", path, "--recipe")
    run(*told, "travel-gpt")
    out = run(*told, "phi-4-mini-serverless", exit_code=2).output
    assert "routes.tools" in out and "line 13: tools; serverless tuning" in out
    nine = write(tmp_path / "nine.jsonl", *(chat(f"Q{n}", f"A{n}") for n in range(9)))
    out = run("data", "check", nine, "--recipe", "travel-gpt", exit_code=2).output
    assert "routes.few" in out and "Not fit for training" in out
    report = run_json("data", "check", path, nine, "--recipe", "travel-gpt")[1]
    assert report["is_good"], "nine records are enough to validate with"
    assert report["rules"]["leakage.exact"] == 9


def test_another_form_is_checked_as_what_it_becomes(tmp_path: Path) -> None:
    table = tmp_path / "faq.csv"
    rows = ["user,assistant", *(f"Q{n},A{n}" for n in range(12)), '"Mail jane@contoso.com",Done']
    table.write_text("\n".join(rows) + "\n")
    (report,) = json.loads(run("data", "check", table, "--json").stdout)
    assert (report["rows"], report["is_good"]) == (13, True) and "csv" in report["form"]
    assert [(each["rule"], each["line"]) for each in report["findings"] if each["line"]] == [
        ("personal.email", 14)
    ]


def test_training_refuses_another_form_and_names_the_conversion(tmp_path: Path) -> None:
    table = tmp_path / "faq.csv"
    table.write_text("user,assistant\n" + "".join(f"Q{n},A{n}\n" for n in range(12)))
    with pytest.raises(SettingsError, match=r"faq\.csv is columns in csv") as refused:
        checked_pair(table, good(tmp_path))
    assert refused.value.hint == f"tunestack data convert {table}"


def test_training_refuses_the_other_kind_than_the_recipe_learns_from(tmp_path: Path) -> None:
    chats = good(tmp_path)
    recipe = load_recipe("rehearsal")
    assert checked_pair(chats, chats, recipe)[0].rows == 12
    with pytest.raises(SettingsError, match="objective dpo learns from preferences"):
        checked_pair(chats, chats, recipe.model_copy(update={"objective": "dpo"}))


def test_leaks_between_the_files_are_told(tmp_path: Path) -> None:
    train = good(tmp_path)
    validation = write(tmp_path / "v.jsonl", chat("New", "Answer"), chat("Q3", "A3"))
    out = run("data", "check", train, validation).output
    assert "leakage.exact" in out and "line 2: this chat is in the training file too, line 4" in out


def test_split_takes_a_key_to_group_by(tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", *(chat(f"Q{n}", "A", who=n % 5) for n in range(50)))
    out = run("data", "split", path, "--folder", tmp_path / "out", "--group-by", "who", "--json")
    assert json.loads(out.stdout)["validation"]["rows"] == 10
