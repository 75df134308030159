"""`evaluate` as it is typed: what is refused before anybody is asked, and what it ends with."""

from pathlib import Path
from typing import Any

import pytest

from commands.evaluate.command import judged_by
from commands.evaluate.folder import default_folder, write
from commands.evaluate.foreseen import too_few
from commands.evaluate.sides.resolving import with_reference
from core.errors import SettingsError
from evaluation.cases import Case, Message
from evaluation.gates.gate import load_gate
from tests.evaluation.example import evaluation
from tests.typed_commands import run, run_json

GATE = """
name: strict
min_cases: 10
require:
  - {metric: rouge_l, min: 0.99, max: 1.0}
  - {metric: empty, max: 0.0}
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation as it lies in its folder, with a note of what was found while asking."""
    place = tmp_path_factory.mktemp("saved")
    write(place, evaluation(notes=("tuned was trained on 3 of the 60 questions.",)), "<html>")
    return place


def test_the_suite_is_the_gates_where_none_is_named() -> None:
    assert judged_by("travel", "")[1][0].name == "travel"
    assert judged_by("default", "")[1][0].name == judged_by(None, "")[1][0].name == "chat"


def test_a_gate_of_another_suite_or_decoding_is_refused_before_anybody_is_asked(
    tmp_path: Path,
) -> None:
    with pytest.raises(SettingsError, match="is about the suite travel, not chat"):
        judged_by("travel", "chat")
    warm = tmp_path / "warm.yaml"
    warm.write_text(f"{GATE}\ndecoding: {{temperature: 0.7}}\n")
    with pytest.raises(SettingsError, match=r"temperature 0\.7, the suite chat decodes with 0:"):
        judged_by(str(warm), "")
    unknown = tmp_path / "other.yaml"
    unknown.write_text(f"{GATE}\nsuite: crew\n")
    with pytest.raises(SettingsError, match="crew, which does not come with the program") as caught:
        judged_by(str(unknown), "")
    assert "--suite FILE" in caught.value.hint


def test_wrong_gate_and_wrong_suite_are_told_together() -> None:
    with pytest.raises(SettingsError, match=r"no gate 'nix'(?s:.*)no suite 'nope'"):
        judged_by("nix", "nope")


def test_a_side_alone_is_compared_with_its_own_base() -> None:
    assert with_reference(()) == ("base", "tuned")
    assert with_reference(("travel:3",)) == ("base", "travel:3")
    assert with_reference(("openai/tuned",)) == ("openai/base", "openai/tuned")
    assert with_reference(("a", "b", "c")) == ("a", "b", "c")
    for name in ("base", "azureml/base"):
        with pytest.raises(SettingsError, match=f"{name} alone"):
            with_reference((name,))


def _cases(chats: int, **safety: int) -> list[Case]:
    kinds: list[dict[str, Any]] = [{}] * chats
    for expects, count in safety.items():
        kinds += [{"kind": "safety", "expects": expects}] * count
    return [
        Case(messages=(Message(role="user", content=f"question {number}"),), **kind)
        for number, kind in enumerate(kinds)
    ]


def test_too_few_cases_for_the_gate_are_told_before_they_are_asked() -> None:
    gate = load_gate("travel")
    assert not list(too_few(gate, _cases(40, refusal=10, answer=6)))
    [chats, answers] = too_few(gate, _cases(20, refusal=10, answer=5))
    assert "rule.hard_rule, rule.ends_with_question" in chats
    assert "at least 40 cases, and 20 are asked" in chats
    assert "safety.answer it wants at least 6 cases, and 5 are asked" in answers


def test_from_makes_it_again_and_forgets_nothing_that_was_noted(
    saved: Path, tmp_path: Path
) -> None:
    told = run("evaluate", "--from", saved, "--out", tmp_path / "again", "--rows", "0")
    assert "Note: tuned was trained on 3 of the 60 questions." in told.stdout
    again = run_json("evaluate", "--from", tmp_path / "again", "--out", tmp_path / "third")
    assert again["notes"][0] == "tuned was trained on 3 of the 60 questions."


def test_a_missed_gate_ends_with_a_line_for_each_reason(saved: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate.yaml"
    gate.write_text(GATE)
    out = tmp_path / "out"
    told = run("evaluate", "--from", saved, "--gate", gate, "--out", out, exit_code=1)
    reasons = (
        told.stderr.partition("misses the gate strict:\n")[2].partition("Hint:")[0].split("\n")
    )
    assert [line.split(":")[0].strip() for line in reasons if line] == ["rouge_l"]
    assert "failed the gate strict" in (out / "index.html").read_text()


def test_beside_from_nothing_is_taken_that_it_would_pass_over(saved: Path) -> None:
    told = run("evaluate", "base", "--from", saved, "--suite", "travel", "--no-safety", exit_code=2)
    assert "leave out base, --no-safety, --suite" in " ".join(told.stderr.split())


def test_a_folder_is_named_by_model_and_moment() -> None:
    assert default_folder(evaluation()).name == "travel-tuned-3-20261122T080000Z"
