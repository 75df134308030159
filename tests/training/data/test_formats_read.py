"""What each form of training data becomes, and what is said where a record is not of its form."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import SettingsError
from training.data import formats
from training.data.check import check_file

USER = {"role": "user", "content": "Where to?"}
ANSWER = {"role": "assistant", "content": "To the sea."}
SYSTEM = {"role": "system", "content": "Be kind."}
WORSE = {"role": "assistant", "content": "No idea."}
CHAT = {"messages": [USER, ANSWER]}
PAIR = {"prompt": [USER], "chosen": [ANSWER], "rejected": [WORSE]}


def write(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def read_one(folder: Path, record: Any, **options: Any) -> dict[str, Any]:
    (line,) = formats.read(write(folder / "one.jsonl", record), **options)
    assert not line.fault, line.fault
    made = json.loads(line.content)
    assert isinstance(made, dict)
    return made


FORMS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("chat", CHAT, CHAT),
    ("chat", {"messages": [{"role": "user", "content": [{"type": "text", "text": "Where "},
      {"type": "text", "text": "to?"}]}, ANSWER]}, CHAT),
    ("prompt-completion", {"prompt": "Where to?", "completion": "To the sea."}, CHAT),
    ("prompt-completion", {"prompt": [SYSTEM, USER], "completion": [ANSWER]},
     {"messages": [SYSTEM, USER, ANSWER]}),
    ("prompt-completion", {"prompt": [USER], "completion": ANSWER}, CHAT),
    ("prompt-completion",
     {"prompt": "System: Be kind.\n\nUser: Where to?\nAssistant: To the sea.\nUser: And\nthen?\n"
                "Assistant:", "completion": " Home."},
     {"messages": [SYSTEM, USER, ANSWER, {"role": "user", "content": "And\nthen?"},
                   {"role": "assistant", "content": " Home."}]}),
    ("alpaca", {"instruction": "Where to?", "input": "", "output": "To the sea."}, CHAT),
    ("alpaca", {"instruction": "Where", "input": "to?", "output": "To the sea.",
                "system": "Be kind.", "history": [["Hi", "Hello"]]},
     {"messages": [SYSTEM, {"role": "user", "content": "Hi"},
                   {"role": "assistant", "content": "Hello"},
                   {"role": "user", "content": "Where\n\nto?"}, ANSWER]}),
    ("sharegpt", {"conversations": [{"from": "human", "value": "Where to?"},
                                    {"from": "gpt", "value": "To the sea."}]}, CHAT),
    ("sharegpt", {"system": "Be kind.", "conversations": [{"role": "user", "content": "Where to?"},
                                    {"role": "assistant", "content": "To the sea."}]},
     {"messages": [SYSTEM, USER, ANSWER]}),
    ("sharegpt", {"conversations": [{"from": "system", "value": "Be kind."},
                                    {"from": "human", "value": "Where to?"},
                                    {"from": "gpt", "value": "To the sea."}]},
     {"messages": [SYSTEM, USER, ANSWER]}),
    ("columns", {"user": "Where to?", "assistant": "To the sea."}, CHAT),
    ("preference", PAIR, PAIR),
    ("preference", {"prompt": "Where to?", "chosen": "To the sea.", "rejected": "No idea."}, PAIR),
    ("preference", {"chosen": [USER, ANSWER], "rejected": [USER, WORSE]}, PAIR),
    ("preference", {"prompt": "Where to?", "chosen": [USER, ANSWER], "rejected": [USER, WORSE]},
     PAIR),
    ("preference", {"chosen": "\n\nHuman: Where to?\n\nAssistant: To the sea.",
                    "rejected": "\n\nHuman: Where to?\n\nAssistant: No idea."}, PAIR),
    ("azure-preference", {"input": {"messages": [USER]}, "preferred_output": [ANSWER],
                          "non_preferred_output": [WORSE]}, PAIR),
]  # fmt: skip


@pytest.mark.parametrize(("name", "record", "made"), FORMS)
def test_each_form_is_recognised_and_becomes_what_is_trained_on(
    tmp_path: Path, name: str, record: dict[str, Any], made: dict[str, Any]
) -> None:
    assert read_one(tmp_path, record) == made
    found = formats.detect(tmp_path / "one.jsonl")
    assert (found.name, found.container) == (name, "jsonl")
    assert found.is_preference is ("chosen" in made)
    assert read_one(tmp_path, record, format=name) == made


@pytest.mark.parametrize(("name", "record", "made"), FORMS)
def test_keys_that_are_no_part_of_the_form_stay_beside_it(
    tmp_path: Path, name: str, record: dict[str, Any], made: dict[str, Any]
) -> None:
    kept = {"id": 7, "group": {"customer": "a"}}
    assert read_one(tmp_path, record | kept) == made | kept


@pytest.mark.parametrize(("name", "record", "made"), FORMS)
def test_what_is_read_passes_the_check(
    tmp_path: Path, name: str, record: dict[str, Any], made: dict[str, Any]
) -> None:
    lines = formats.read(write(tmp_path / "in.jsonl", record))
    (tmp_path / "out.jsonl").write_bytes(b"".join(line.content + b"\n" for line in lines))
    report = check_file(tmp_path / "out.jsonl", fewest=1)
    assert report.is_good, report.errors


@pytest.mark.parametrize(("name", "record", "made"), FORMS)
def test_a_system_text_is_put_where_there_is_none(
    tmp_path: Path, name: str, record: dict[str, Any], made: dict[str, Any]
) -> None:
    key = "prompt" if "chosen" in made else "messages"
    own = [one for one in made[key] if one["role"] == "system"]
    expected = made[key] if own else [{"role": "system", "content": "New."}, *made[key]]
    assert read_one(tmp_path, record, system="New.")[key] == expected


BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("chat", {"messages": "x"}, "`messages` is text, not a list"),
    ("chat", {"prompt": "x"}, "`messages` is missing"),
    ("prompt-completion", {"prompt": "x"}, "`completion` is missing"),
    ("prompt-completion", {"prompt": 1, "completion": "y"}, "`prompt` is a number, not text"),
    ("prompt-completion", {"prompt": ["a"], "completion": "y"}, "message 1 is text"),
    ("alpaca", {"instruction": None, "output": "x"}, "`instruction` is null, not text"),
    ("alpaca", {"instruction": "a", "output": "x", "history": [["a"]]}, "`history`: entry 1"),
    ("sharegpt", {"conversations": [{"from": "tool", "value": "x"}]}, "turn 1 is from 'tool'"),
    ("sharegpt", {"conversations": [{"from": "human"}]}, "turn 1: `content` is missing"),
    ("columns", {"user": "a"}, "`assistant` is missing"),
    ("preference", {"chosen": "a", "rejected": "b"}, "`prompt` is missing"),
    ("preference", {"prompt": "Another", "chosen": [USER, ANSWER], "rejected": [USER, WORSE]},
     "do not begin with `prompt`"),
    ("azure-preference", {"input": "x", "preferred_output": [], "non_preferred_output": []},
     "`input` is text"),
    ("azure-preference", {"input": {"messages": [USER], "tools": [{}]},
                          "preferred_output": [ANSWER], "non_preferred_output": [WORSE]},
     "tool calls"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "record", "reason"), BROKEN)
def test_a_record_that_is_not_of_its_form_says_why_and_the_next_is_read(
    tmp_path: Path, name: str, record: dict[str, Any], reason: str
) -> None:
    good = next(good for form, good, _ in FORMS if form == name)
    path = write(tmp_path / "in.jsonl", good, record, good)
    first, fault, last = formats.read(path, format=name)
    assert reason in fault.fault
    assert (fault.number, fault.content) == (2, b"")
    assert first.content == last.content != b""


def test_a_chat_is_kept_byte_for_byte(tmp_path: Path) -> None:
    line = b'{ "id":1.50, "messages" : [{"content":"Sch\\u00f6n","role":"user"}] }'
    (tmp_path / "in.jsonl").write_bytes(b"\xef\xbb\xbf" + line + b"\r\n\r\n" + line)
    assert [(one.number, one.content) for one in formats.read(tmp_path / "in.jsonl")] == [
        (1, line),
        (3, line),
    ]


def test_a_preference_in_our_form_is_kept_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({"id": 1.50, **PAIR}, indent=None, separators=(" , ", " : ")))
    (line,) = formats.read(path)
    assert line.content == path.read_bytes()


def test_a_text_that_only_mentions_a_speaker_stays_in_one_piece(tmp_path: Path) -> None:
    for prompt in ("Explain `User: x`", "User: only a question", "User: a\nUser: b\nAssistant:",
                   "Dear all,\nUser: a\nAssistant:"):  # fmt: skip
        made = read_one(tmp_path, {"prompt": prompt, "completion": "y"})
        assert made["messages"][0] == {"role": "user", "content": prompt}
        assert len(made["messages"]) == 2


@pytest.mark.parametrize(
    ("records", "says"),
    [
        ([{**CHAT, **PAIR}], r"chat \(line 1\) and preference \(line 1\)"),
        ([CHAT, {"instruction": "a", "output": "b"}], r"chat \(line 1\) and alpaca \(line 2\)"),
    ],
)
def test_what_could_be_several_forms_is_asked_for(
    tmp_path: Path, records: list[Any], says: str
) -> None:
    path = write(tmp_path / "in.jsonl", *records)
    with pytest.raises(SettingsError, match=says) as refused:
        formats.detect(path)
    assert "--format chat or --format" in refused.value.hint
    assert next(formats.read(path, format="chat")).content


def test_unknown_keys_are_named_with_a_choice_of_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "in.jsonl", {"Question": "a", "best_answer": "b", "answer": "c"})
    with pytest.raises(SettingsError, match="the keys Question, best_answer, answer;") as refused:
        formats.detect(path)
    assert "--columns user=Question,assistant=answer" in refused.value.hint


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"format": "nonsense"}, "no format 'nonsense'; known: auto, chat"),
        ({"columns": {"user": "a"}}, "a chat needs user and assistant"),
        ({"columns": {"usr": "a", "assistant": "b"}}, "usr is not one of user, assistant"),
        ({"columns": {"user": "a", "assistant": "b"}, "format": "chat"}, "exclude each other"),
        ({"columns": {"user": "promt", "assistant": "completion"}}, "no column 'promt'; there are"),
    ],
)
def test_a_wrong_request_is_refused_at_once(
    tmp_path: Path, options: dict[str, Any], says: str
) -> None:
    path = write(tmp_path / "in.jsonl", {"prompt": "a", "completion": "b"})
    with pytest.raises(SettingsError, match=says):
        formats.read(path, **options)


def test_columns_make_chats_and_preferences(tmp_path: Path) -> None:
    record = {"q": "Where to?", "a": "To the sea.", "b": "No idea.", "s": "Be kind.", "id": 1}
    chosen = {"user": "q", "assistant": "a", "system": "s"}
    made = read_one(tmp_path, record, columns=chosen)
    assert made == {"messages": [SYSTEM, USER, ANSWER], "b": "No idea.", "id": 1}
    made = read_one(tmp_path, record, columns={"user": "q", "chosen": "a", "rejected": "b"})
    assert made == {**PAIR, "s": "Be kind.", "id": 1}
