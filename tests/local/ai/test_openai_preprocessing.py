"""From uploaded lines to those that the job program reads."""

import json
from pathlib import Path
from typing import Any

import pytest
from ai_account import chats, pairs, turn

from local.ai.preprocessing import Prepared, Unusable, prepare

SYSTEM, ASK, SAY = turn("system", "Be kind."), turn("user", "Hi"), turn("assistant", "Hello")


def prepared(tmp_path: Path, *records: Any, method: str = "supervised") -> list[dict[str, Any]]:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    prepare(source, target, method)
    return [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]


def test_a_chat_keeps_roles_and_texts_alone(tmp_path: Path) -> None:
    rich = {
        "messages": [
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": [{"type": "text", "text": "Hi"}], "name": "me"},
            {**SAY, "weight": 1},
        ],
        "prompt_id": "x",
    }
    assert prepared(tmp_path, rich) == [{"messages": [SYSTEM, ASK, SAY]}]


def test_preferences_become_prompt_chosen_and_rejected(tmp_path: Path) -> None:
    record = {
        "input": {"messages": [SYSTEM, ASK]},
        "preferred_output": [SAY],
        "non_preferred_output": [turn("assistant", "What?")],
    }
    assert prepared(tmp_path, record, method="dpo") == [
        {"prompt": [SYSTEM, ASK], "chosen": [SAY], "rejected": [turn("assistant", "What?")]}
    ]


def test_a_byte_order_mark_and_empty_lines_are_no_records(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(b"\xef\xbb\xbf" + chats(2).replace(b"\n", b"\n\n"))
    found = prepare(source, tmp_path / "out.jsonl", "supervised")
    assert found.rows == 2 and found.tokens > 20
    assert isinstance(found, Prepared)
    assert (tmp_path / "out.jsonl").read_bytes().startswith(b'{"messages"')


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (["a"], "no JSON object"),
        ({"prompt": "a", "completion": "b"}, "needs a list `messages`"),
        ({"messages": []}, "needs a list `messages`"),
        ({"messages": [SYSTEM, SAY]}, "needs a user's message"),
        ({"messages": [SAY, ASK]}, "ends with the assistant's"),
        ({"messages": [turn("bot", "a"), SAY]}, "the role 'bot'"),
        ({"messages": [ASK, turn("assistant", " ")]}, "without text"),
        ({"messages": [{**ASK, "weight": 1}, SAY]}, "a weight"),
        ({"messages": [ASK, {**SAY, "weight": 2}]}, "a weight"),
        ({"messages": [ASK, {**SAY, "tool_calls": [{}]}]}, "tool calls"),
        ({"messages": [ASK, SAY], "tools": [{}]}, "tools"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}, SAY]},
            "images",
        ),
    ],
)
def test_what_is_no_chat_is_named_with_its_line(tmp_path: Path, record: Any, told: str) -> None:
    with pytest.raises(Unusable, match=f"line 2: .*{told}"):
        prepared(tmp_path, {"messages": [ASK, SAY]}, record)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"input": None}, "needs `input`"),
        ({"input": {"messages": [ASK, SAY]}}, "not the user's"),
        ({"preferred_output": [SAY, SAY]}, "`preferred_output` is not one message"),
        ({"non_preferred_output": [ASK]}, "`non_preferred_output` is not one message"),
        ({"non_preferred_output": [turn("assistant", "kind")]}, "both outputs are the same"),
    ],
)
def test_what_is_no_pair_is_named_with_its_line(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    record = json.loads(pairs(1)) | changes
    with pytest.raises(Unusable, match=f"line 1: .*{told}"):
        prepared(tmp_path, record, method="dpo")


def test_only_the_first_findings_are_named(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"line 5: .*; and 2 more lines$"):
        prepared(tmp_path, *[{}] * 7)
