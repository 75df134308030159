"""Cases out of files: chats, preference pairs and votes; what is refused, once, sampled."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import training.data.get as get
from core.errors import SettingsError
from evaluation.cases import Case, Message
from evaluation.questions.reading import MOST_TOLD, once, read_cases, sample, under
from evaluation.questions.votes import writing


def turn(role: str, content: Any) -> dict[str, Any]:
    """A message."""
    return {"role": role, "content": content}


def chat(question: str, answer: str = "", system: str = "") -> dict[str, Any]:
    """A chat of one turn."""
    turns = [("system", system), ("user", question), ("assistant", answer)]
    return {"messages": [turn(role, content) for role, content in turns if content]}


def written(path: Path, *records: Any) -> Path:
    """Write lines; a text is written as it is."""
    lines = [each if isinstance(each, str) else json.dumps(each) for each in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def vote(verdict: str, *answers: str, question: str = "Rome?", number: int = 0) -> dict[str, Any]:
    """A vote's fields; the first answer is the one that it is about."""
    kind = "thumb" if len(answers) == 1 else "preference"
    judged = [
        {
            "id": f"{question}{number}-{place}", "side": side, "deployment": "d", "model": "m:1",
            "messages": [turn("system", "Be kind."), turn("user", question)], "text": text,
        }
        for place, (side, text) in enumerate(zip(("tuned", "base"), answers, strict=False))
    ]  # fmt: skip
    return {
        "stack": "s", "endpoint": "e", "kind": kind, "verdict": verdict,
        "about": judged[0]["id"], "parameters": {}, "answers": judged,
    }  # fmt: skip


def voted(path: Path, *votes: dict[str, Any]) -> Path:
    """Write votes as `serve` does."""
    with writing(path) as writer:
        for fields in votes:
            writer.append(fields)
    return path


def test_a_chats_last_answer_is_the_reference_and_is_not_asked(tmp_path: Path) -> None:
    turns = [turn("system", "Be kind."), turn("user", "Hi"), turn("assistant", "Hello"),
             turn("user", "Rome?"), turn("assistant", "Yes!")]  # fmt: skip
    file = written(tmp_path / "a.jsonl", "", {"messages": turns, "source": "me"}, chat("Paris?"))
    first, second = read_cases(file)
    assert [message.document() for message in first.messages] == turns[:4]
    assert (first.reference, first.kind, first.name) == ("Yes!", "held-out", "line 2")
    assert (second.question, second.reference, second.name) == ("Paris?", "", "line 3")


def test_a_system_message_takes_the_place_of_the_files_own(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", chat("Rome?", "Yes", "Be kind."), chat("Paris?"))
    for case in read_cases(file, system="Other."):
        assert [message.role for message in case.messages] == ["system", "user"]
        assert case.messages[0].content == "Other."
    own, other = read_cases(file)[0], read_cases(file, system="Other.")[0]
    assert own.id != other.id and own.reference == other.reference


def test_a_case_under_another_system_message_has_another_id() -> None:
    case = Case(messages=(Message(role="user", content="Rome?"),))
    before = case.id
    assert under(case, "Be kind.").id != before
    assert under(case, "") is case


def test_the_chosen_answer_of_a_pair_is_the_reference(tmp_path: Path) -> None:
    pair = {"prompt": [turn("user", "Rome?")], "chosen": [turn("assistant", "Yes")],
            "rejected": [turn("assistant", "No")]}  # fmt: skip
    (case,) = read_cases(written(tmp_path / "a.jsonl", pair))
    assert (case.question, case.reference, case.kind) == ("Rome?", "Yes", "preference")


def test_a_question_that_stands_twice_is_asked_once(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", chat("Rome?"), chat("Rome?", "Yes"), chat("Rome?", "No"))
    (case,) = read_cases(file)
    assert (case.reference, case.name) == ("Yes", "line 2")


def test_marks_and_breaks_inside_a_line_do_not_part_it(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    line = json.dumps(chat("one\u2028two\x85three"), ensure_ascii=False)
    file.write_bytes(f"\ufeff{line}\r\n\r\n".encode())
    assert read_cases(file)[0].question == "one\u2028two\x85three"


WRONG = [
    ("{", "no JSON"),
    ('{"messages": "\\ud83d"}', "no JSON"),
    ("[1]", "not a JSON object"),
    ({"a": 1}, "`messages` is missing or no list"),
    ({"messages": []}, "no question of the user before the answer"),
    ({"messages": [turn("assistant", "x")]}, "no question of the user before the answer"),
    ({"messages": [turn("user", "x"), turn("system", "y")]}, "no question of the user"),
    ({"messages": ["x"]}, "message 1 is no object"),
    ({"messages": [turn("robot", "x")]}, "message 1 has a role that is none of system, user"),
    ({"messages": [turn("user", "x"), turn("assistant", " ")]}, "message 2 has no text"),
    ({"messages": [turn("user", [{"type": "text", "text": "x"}])]}, "message 1 has no text"),
    ({"messages": [turn("user", "x"), turn("tool", "y")]}, "message 2 is of a tool call"),
    (
        {"messages": [turn("user", "x"), {**turn("assistant", ""), "tool_calls": [{}]}]},
        "message 2 is of a tool call",
    ),
    ({**chat("x"), "tools": [{}]}, "has tools: tool calls are not evaluated"),
    ({"prompt": "x", "chosen": []}, "`prompt` is missing or no list"),
]


@pytest.mark.parametrize(("record", "reason"), WRONG)
def test_a_line_that_is_no_case_is_told(tmp_path: Path, record: Any, reason: str) -> None:
    file = written(tmp_path / "a.jsonl", chat("Rome?"), record)
    with pytest.raises(SettingsError) as caught:
        read_cases(file)
    assert str(caught.value).startswith(f"{file}, line 2: {reason}")
    assert "tunestack data convert" in caught.value.hint


def test_all_bad_lines_are_told_at_once_and_nothing_of_what_they_hold(tmp_path: Path) -> None:
    secret = {"messages": [turn("user", "my secret"), turn("nobody", "my secret")]}
    file = written(tmp_path / "a.jsonl", *[secret] * (MOST_TOLD + 5))
    with pytest.raises(SettingsError) as caught:
        read_cases(file)
    lines = str(caught.value).splitlines()
    assert len(lines) == MOST_TOLD + 1 and lines[-1] == f"{file}: 5 more lines are no cases"
    assert "secret" not in str(caught.value)


def test_a_file_that_asks_nothing_or_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="holds nothing to ask"):
        read_cases(written(tmp_path / "a.jsonl", ""))
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        read_cases(tmp_path / "missing.jsonl")
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        read_cases(tmp_path)


def test_the_better_answer_of_a_vote_is_the_reference(tmp_path: Path) -> None:
    file = voted(
        tmp_path / "votes.jsonl",
        vote("better", "Yes", "No"),
        vote("up", "Sure", question="Paris?"),
        vote("down", "Bad", question="Oslo?"),
    )
    cases = {case.question: case for case in read_cases(file)}
    assert {question: case.reference for question, case in cases.items()} == {
        "Rome?": "Yes", "Paris?": "Sure", "Oslo?": "",
    }  # fmt: skip
    assert {case.kind for case in cases.values()} == {"preference"}
    assert cases["Rome?"].name == "vote Rome?0-0"
    assert [message.role for message in cases["Rome?"].messages] == ["system", "user"]


def test_votes_that_were_withdrawn_or_replaced_do_not_count(tmp_path: Path) -> None:
    first = vote("better", "Yes", "No")
    file = voted(
        tmp_path / "votes.jsonl",
        first,
        {**first, "about": "Rome?0-1"},  # the other answer is better after all
        vote("up", "Sure", question="Paris?"),
        vote("withdrawn", "Sure", question="Paris?"),
    )
    (case,) = read_cases(file)
    assert (case.question, case.reference) == ("Rome?", "No")


def test_the_latest_vote_on_a_question_gives_its_reference(tmp_path: Path) -> None:
    file = voted(
        tmp_path / "votes.jsonl",
        vote("up", "Old"),
        vote("up", "New", number=1),
        vote("down", "Bad", number=2),
    )
    (case,) = read_cases(file)
    assert case.reference == "New"


def test_what_a_kill_cut_off_is_left_out_and_another_programs_line_is_not(tmp_path: Path) -> None:
    file = voted(tmp_path / "votes.jsonl", vote("up", "Yes"))
    whole = file.read_text(encoding="utf-8")
    file.write_text(f"\ufeff{whole}{whole[:40]}\n", encoding="utf-8")
    assert len(read_cases(file)) == 1
    file.write_text(f"{whole}{json.dumps(chat('Rome?'))}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="line 2: no vote, in a file of votes"):
        read_cases(file)


def test_the_sample_of_the_project_reads_whole() -> None:
    cases = read_cases(get.SAMPLES / "heldout.jsonl")
    assert len(cases) == 20 and all(case.reference for case in cases)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 60), st.integers(0, 30), st.integers(0, 70), st.integers(0, 3))
def test_a_sample_keeps_what_it_had_when_lines_are_added(
    before: int, added: int, limit: int, seed: int
) -> None:
    cases = [Case(messages=(Message(role="user", content=str(n)),)) for n in range(before + added)]
    old, new = (sample(some, limit, seed) for some in (cases[:before], cases))
    assert len(new) == min(limit or len(cases), len(cases))
    assert new == [case for case in cases if case in new]
    pushed_out = [case for case in old if case not in new]
    assert len(pushed_out) <= len([case for case in new if case not in cases[:before]])
    shuffled = sample(cases[::-1], limit, seed)
    assert {case.id for case in shuffled} == {case.id for case in new}


def test_another_seed_takes_another_sample() -> None:
    cases = [Case(messages=(Message(role="user", content=str(n)),)) for n in range(100)]
    assert sample(cases, 10, 0) != sample(cases, 10, 1)
    assert once([*cases, *cases]) == cases
