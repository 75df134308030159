"""What the check of a training file promises."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import SettingsError
from training.data.check import check_file, leaks, require_good
from training.data.seen import SeenRecords

GOOD = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Where to?"},
    {"role": "assistant", "content": "To the sea."},
]
USER, ASSISTANT = GOOD[1], GOOD[2]


def chat(messages: Any, **extra: Any) -> bytes:
    return json.dumps({"messages": messages, **extra}).encode()


def write(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


FAULTS = [
    (b"nope", "not JSON"),
    (b'{"messages": [', "not JSON"),
    (b'{"messages": "\xff"}', "not UTF-8: byte 0xff at column 15"),
    ('{"messages": []}'.encode("utf-16"), "UTF-16"),
    (b"{", "several lines"),
    (b"[1]", "not a JSON object but a list"),
    (b'"text"', "not a JSON object but text"),
    (b"{}", "`messages` is missing"),
    (b'{"messages": null}', "`messages` is missing"),
    (b'{"messages": "hi"}', "`messages` is text, not a list"),
    (b'{"messages": []}', "`messages` is empty"),
    (chat([1]), "message 1 is a number, not an object"),
    (chat([{"role": "bot", "content": "x"}, ASSISTANT]), "role 'bot' is not one of"),
    (chat([{"content": "x"}, ASSISTANT]), "message 1 has no `role`"),
    (chat([{"role": ["user"], "content": "x"}, ASSISTANT]), "role ['user'] is not one of"),
    (chat([{"role": "user"}, ASSISTANT]), "message 1 has no `content`"),
    (chat([{"role": "user", "content": None}, ASSISTANT]), "`content` is null, not text"),
    (chat([{"role": "user", "content": []}, ASSISTANT]), "`content` is a list, not text"),
    (chat([{"role": "user", "content": " \n"}, ASSISTANT]), "message 1 has no text"),
    (chat([USER, GOOD[0], ASSISTANT]), "message 2 is a system message; only the first may be"),
    (chat([ASSISTANT]), "message 1 is from assistant; user has the turn"),
    (chat([USER, USER, ASSISTANT]), "message 2 is from user; assistant has the turn"),
    (chat([USER, ASSISTANT, ASSISTANT]), "message 3 is from assistant; user has the turn"),
    (chat([USER]), "the last message is from user, not from assistant"),
    (chat([GOOD[0]]), "the last message is from system, not from assistant"),
]


@pytest.mark.parametrize(("line", "reason"), FAULTS, ids=[reason for _, reason in FAULTS])
def test_each_fault_is_named_with_its_line(tmp_path: Path, line: bytes, reason: str) -> None:
    report = check_file(write(tmp_path / "f.jsonl", chat(GOOD), line), fewest=1)
    assert not report.is_good
    assert any(f.line == 2 and reason in f.reason for f in report.errors), report.findings
    assert all(f.line == 2 for f in report.errors)


def test_all_faults_of_a_file_come_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", *(line for line, _ in FAULTS if b"\n" not in line))
    lines = {finding.line for finding in check_file(path).errors}
    assert lines == set(range(1, 1 + path.read_bytes().count(b"\n")))


def test_a_good_file_passes_and_is_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", chat(GOOD), chat([USER, ASSISTANT]))
    report = check_file(path, fewest=1)
    assert (report.is_good, report.rows, report.findings) == (True, 2, [])
    assert dict(report.roles) == {"system": 1, "user": 2, "assistant": 2}
    assert report.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_mark_and_empty_lines_are_told_and_stop_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", b"\xef\xbb\xbf" + chat(GOOD), b"", chat([USER, ASSISTANT]))
    report = check_file(path, fewest=1)
    assert report.is_good and report.rows == 2
    assert [(f.line, f.severity) for f in report.findings] == [(1, "warning"), (2, "warning")]


def test_duplicates_are_found_by_meaning(tmp_path: Path) -> None:
    spaced = json.dumps(
        {"id": 7, "messages": [dict(reversed(m.items())) for m in GOOD]}, indent=None
    )
    path = write(tmp_path / "f.jsonl", chat(GOOD), chat([USER, ASSISTANT]), spaced.encode())
    report = check_file(path, fewest=1)
    assert report.duplicates == 1
    assert [f.reason for f in report.findings if f.line == 3] == ["the same chat as line 1"]


def test_unknown_keys_are_noted_once_and_allowed(tmp_path: Path) -> None:
    weighted = [{**USER, "weight": 1}, ASSISTANT]
    lines = [chat([*weighted[:1], {**ASSISTANT, "content": str(i)}], id=i) for i in range(30)]
    report = check_file(write(tmp_path / "f.jsonl", *lines))
    assert report.is_good
    assert [(f.severity, f.reason.split("`")[1]) for f in report.findings] == [
        ("note", "id"),
        ("note", "messages[].weight"),
    ]


def test_few_records_draw_a_warning(tmp_path: Path) -> None:
    report = check_file(write(tmp_path / "f.jsonl", chat(GOOD)))
    assert report.is_good
    assert report.findings[0].reason.startswith("1 records are few")


def test_an_empty_or_missing_file_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    assert [f.reason for f in check_file(empty).errors] == ["the file holds no record"]
    with pytest.raises(SettingsError, match="No such file"):
        check_file(tmp_path / "none.jsonl")
    with pytest.raises(SettingsError, match="Is a directory"):
        check_file(tmp_path)


def test_faults_of_two_files_are_refused_together(tmp_path: Path) -> None:
    one = check_file(write(tmp_path / "one.jsonl", b"nope"))
    two = check_file(write(tmp_path / "two.jsonl", chat(GOOD), b"[]"))
    with pytest.raises(SettingsError) as refused:
        require_good(one, two)
    assert f"{tmp_path}/one.jsonl: line 1: not JSON" in str(refused.value)
    assert f"{tmp_path}/two.jsonl: line 2: not a JSON object" in str(refused.value)


def test_a_chat_in_both_files_is_a_leak(tmp_path: Path) -> None:
    train = check_file(write(tmp_path / "t.jsonl", chat([USER, ASSISTANT]), chat(GOOD)))
    clean = check_file(write(tmp_path / "c.jsonl", chat([USER, {**ASSISTANT, "content": "No."}])))
    leaky = check_file(write(tmp_path / "v.jsonl", b"", chat(GOOD, id=1)))
    assert leaks(train, clean) == []
    assert [str(f) for f in leaks(train, leaky)] == [
        "line 2: this chat is in the training file too, line 2"
    ]


def test_the_tables_memory_of_records_grows_without_losing_any() -> None:
    seen = SeenRecords()
    keys = [(number * 0x9E3779B97F4A7C15 + 1) % 2**64 for number in range(20_000)]
    assert not any(seen.add(key, line) for line, key in enumerate(keys, 1))
    assert [seen.find(key) for key in keys] == list(range(1, 20_001))
    assert seen.add(keys[0], 99) == 1
    assert seen.find(0) == 0


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a loaded machine
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=4)
                    | st.dictionaries(st.sampled_from(["messages", "role", "content", "x"]), inner,
                                      max_size=4), max_leaves=12))  # fmt: skip
def test_no_json_makes_the_check_stumble(tmp_path_factory: Any, value: Any) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "f.jsonl"
    report = check_file(write(path, json.dumps(value).encode()))
    assert report.rows == 1
    assert not report.is_good or value["messages"][-1]["role"] == "assistant"


@given(st.binary(max_size=60))
def test_no_bytes_make_the_check_stumble(tmp_path_factory: Any, content: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "f.jsonl"
    path.write_bytes(content)
    assert check_file(path).sha256 == hashlib.sha256(content).hexdigest()
