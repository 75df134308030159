"""What a live comparison asks: the lab's questions, or a file's."""

import json
from pathlib import Path

import pytest

from core.errors import SettingsError
from evaluation.questions import SYSTEM, TRAVEL, read_questions, travel_questions


def test_the_lab_asks_five_questions_each_under_its_system_message() -> None:
    asked = travel_questions()
    assert [one.messages[1]["content"] for one in asked] == list(TRAVEL)
    assert {one.messages[0]["content"] for one in asked} == {SYSTEM}
    assert all(len(one.messages) == 2 for one in asked)


def test_another_system_message_takes_the_labs_place_and_an_empty_one_leaves_it_out() -> None:
    assert travel_questions("Be brief.")[0].messages[0]["content"] == "Be brief."
    assert [turn["role"] for turn in travel_questions("")[0].messages] == ["user"]


def test_a_files_answers_are_references_and_are_not_asked(tmp_path: Path) -> None:
    file = tmp_path / "chats.jsonl"
    turns = [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Rome?"),
             ("assistant", "Yes!")]  # fmt: skip
    line = json.dumps({"messages": [{"role": r, "content": c} for r, c in turns]})
    file.write_text(f"\ufeff{line}\n\n")
    (one,) = read_questions(file)
    assert one.reference == "Yes!"
    assert [turn["content"] for turn in one.messages] == ["Be kind.", "Hi", "Hello", "Rome?"]
    assert read_questions(file, "Other.")[0].messages[0]["content"] == "Other."
    assert len(read_questions(file, "Other.")[0].messages) == 4


def test_a_line_of_a_file_ends_where_json_lines_end(tmp_path: Path) -> None:
    file = tmp_path / "chats.jsonl"
    asked = {"role": "user", "content": "one\u2028two\x85three"}
    file.write_text(json.dumps({"messages": [asked]}, ensure_ascii=False), encoding="utf-8")
    assert [one.messages for one in read_questions(file)] == [(asked,)]


def test_every_bad_line_is_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / "chats.jsonl"
    good = '{"messages": [{"role": "user", "content": "Hi"}]}'
    bad = ["{", '{"messages": []}', '{"messages": [{"role": "robot", "content": "x"}]}', '{"a": 1}']
    file.write_text("\n".join([good, *bad]))
    with pytest.raises(SettingsError) as caught:
        read_questions(file)
    assert [f", line {n}:" in str(caught.value) for n in (1, 2, 3, 4, 5)] == [False] + [True] * 4


def test_a_file_without_a_question_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(SettingsError, match="holds no question"):
        read_questions(tmp_path / "empty.jsonl")
