"""The job reads conversations strictly: nothing is cut, dropped or learned in silence."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from failure import JobError
from job_runs import conversations, write_jsonl

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@pytest.fixture(scope="module")
def tokenizer() -> "PreTrainedTokenizerFast":
    """A small tokenizer with Phi-3.5's template."""
    from random_model import random_tokenizer

    return random_tokenizer([json.dumps(conversations())])


def _tokenise(
    path: Path, tokenizer: "PreTrainedTokenizerFast", max_length: int = 512, may_split: bool = False
) -> Any:
    from dataset import read_conversations, tokenise
    from templates import training_template

    return tokenise(
        read_conversations(path),
        tokenizer,
        training_template(tokenizer),
        max_length=max_length,
        may_split=may_split,
        name=path.name,
    )


def test_only_the_assistants_words_have_labels(
    tmp_path: Path, tokenizer: "PreTrainedTokenizerFast"
) -> None:
    from dataset import IGNORED

    data = _tokenise(write_jsonl(tmp_path / "t.jsonl", conversations(4)), tokenizer)
    assert len(data) == 4
    for row in data:
        learned = tokenizer.decode([label for label in row["labels"] if label != IGNORED])
        assert learned.replace("<|endoftext|>", "").strip().endswith("<|end|>")
        assert learned.startswith(("Ada", "Bo")) and "?" not in learned


def test_conversations_that_are_too_long_are_named_with_what_cutting_would_lose(
    tmp_path: Path, tokenizer: "PreTrainedTokenizerFast"
) -> None:
    records = conversations(6)
    for index in (1, 4):
        records[index]["messages"][1]["content"] += " please" * 200
    path = write_jsonl(tmp_path / "long.jsonl", records)
    with pytest.raises(JobError) as refusal:
        _tokenise(path, tokenizer, max_length=100)
    lengths = [len(row) for row in _tokenise(path, tokenizer, max_length=10_000)["input_ids"]]
    message = str(refusal.value)
    assert f"line 2 ({lengths[1]} tokens)" in message
    assert f"line 5 ({lengths[4]} tokens)" in message
    assert "line 3" not in message
    assert f"lose {lengths[1] + lengths[4] - 200} tokens" in message


def test_packing_takes_long_conversations_whole(
    tmp_path: Path, tokenizer: "PreTrainedTokenizerFast"
) -> None:
    path = write_jsonl(tmp_path / "t.jsonl", conversations(6))
    whole = _tokenise(path, tokenizer)
    assert _tokenise(path, tokenizer, max_length=16, may_split=True)[:] == whole[:]


@pytest.mark.parametrize("may_split", [False, True])
def test_bad_lines_are_all_named(
    tmp_path: Path, tokenizer: "PreTrainedTokenizerFast", may_split: bool
) -> None:
    good = json.dumps(conversations(1)[0])
    question = {"messages": [{"role": "user", "content": "and?"}]}
    odd = {"messages": [{"role": "pilot", "content": "up"}]}
    path = tmp_path / "bad.jsonl"
    path.write_text("\n".join([good, "{", "", json.dumps(question), json.dumps(odd), "[]"]))
    with pytest.raises(JobError) as refusal:
        _tokenise(path, tokenizer, may_split=may_split)
    message = str(refusal.value)
    assert "4 bad lines" in message and "\n" not in message
    assert all(f"line {n}: " in message for n in (2, 4, 5, 6))
    assert "line 1: " not in message and "'pilot'" in message


def test_an_empty_system_turn_is_dropped_and_a_byte_order_mark_read_over(tmp_path: Path) -> None:
    from dataset import read_conversations

    record = conversations(1)[0]
    record["messages"][0]["content"] = " "
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps(record) + "\n", encoding="utf-8-sig")
    (turns,) = read_conversations(path).values()
    assert [turn["role"] for turn in turns] == ["user", "assistant"]
    record["messages"].insert(2, {"role": "system", "content": ""})
    write_jsonl(path, [record])
    assert read_conversations(path).first(1) == [turns]


def test_a_missing_file_and_an_empty_one_are_named(tmp_path: Path) -> None:
    from dataset import read_conversations

    with pytest.raises(JobError, match=r"gone\.jsonl cannot be read"):
        read_conversations(tmp_path / "gone.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(JobError, match=r"empty\.jsonl holds no conversation"):
        read_conversations(tmp_path / "empty.jsonl")
