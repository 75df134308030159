"""Another tool's answers: matched to the questions, and refused by line where they are none."""

import json
from pathlib import Path
from typing import Any

import pytest

from commands.evaluate.answers.saved import SHOWN, collect_saved, read_saved
from commands.evaluate.asked import Asked, Saved
from core.errors import SettingsError
from evaluation.cases import Decoding
from evaluation.sides import Side
from evaluation.store import AnswerStore
from tests.evaluation_commands.live_sides import cases

CASES = cases(3)


def line(number: int, reply: Any, **more: Any) -> str:
    messages = [{"role": "user", "content": f"Question {number}?"}]
    return json.dumps({"messages": messages, "reply": reply, **more})


def side(path: Path) -> Asked:
    return Asked(Side(name=path.name, where="file", identity={"file": "f"}), Saved(path))


def test_lines_answer_the_cases_with_the_same_messages(tmp_path: Path) -> None:
    path, store = tmp_path / "others.jsonl", AnswerStore(tmp_path / "answers")
    rows = [line(2, "two", model="m"), line(7, "seven"), line(0, "zero", tokens=4, seconds=0.5)]
    path.write_text("\ufeff" + "\r\n".join(rows), encoding="utf-8")
    collect_saved(side(path), CASES, Decoding(), store)
    found = store.replies(side(path).side, Decoding(), CASES)
    assert {id: reply.text for id, reply in found.items()} == {
        CASES[0].id: "zero", CASES[2].id: "two",
    }  # fmt: skip
    (note,) = store.notes(side(path).side, Decoding())
    assert "how they were decoded is not known" in note
    assert (found[CASES[0].id].tokens, found[CASES[0].id].seconds) == (4, 0.5)


def test_a_file_that_answers_none_of_the_questions_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "others.jsonl"
    path.write_text(line(9, "nine"))
    with pytest.raises(SettingsError, match="none of its 1 replies is to one of the 3 questions"):
        collect_saved(side(path), CASES, Decoding(), AnswerStore(tmp_path))


def test_every_wrong_line_is_named_without_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "others.jsonl"
    path.write_text("\n".join([line(1, "fine"), "{private", line(2, ["private"]), "[]"]))
    with pytest.raises(SettingsError) as caught:
        read_saved(path)
    told = str(caught.value)
    assert "line 2: no JSON" in told
    assert "line 3: reply: Input should be a valid string" in told
    assert "line 4: the line" in told
    assert "private" not in told


def test_of_many_wrong_lines_the_first_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    path = tmp_path / "others.jsonl"
    path.write_text("no\n" * (SHOWN + 5))
    with pytest.raises(SettingsError, match="and 5 lines more"):
        read_saved(path)
    path.write_text("\n\n")
    with pytest.raises(SettingsError, match="holds no reply"):
        read_saved(path)
