"""From a file of conversations to tokens, with a label for each token that the model has to say."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from datasets import Dataset
from failure import JobError
from recipe_file import Recipe
from templates import training_template
from transformers import PreTrainedTokenizerBase

if TYPE_CHECKING:
    from material import Material

log = logging.getLogger("job")

Conversation = list[dict[str, str]]

IGNORED = -100
"""The label of a token that is read but not learned."""
BATCH = 1000


def read_conversations(path: Path) -> dict[int, Conversation]:
    """Read a JSONL file into conversations by line number; all bad lines are named at once.

    An empty system turn is dropped: an endpoint is never sent one, and templates render it
    differently.
    """
    conversations: dict[int, Conversation] = {}
    findings: list[str] = []
    for number, line in _lines(path):
        try:
            conversations[number] = _conversation(line)
        except ValueError as error:
            findings.append(f"line {number}: {error}")
    if findings:
        raise JobError(f"{path.name} has {len(findings)} bad lines: {_few(findings)}")
    if not conversations:
        raise JobError(f"{path.name} holds no conversation")
    return conversations


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from ((n, line) for n, line in enumerate(file, start=1) if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise JobError(f"{path} cannot be read: {error}") from error


def _conversation(line: str) -> Conversation:
    record = json.loads(line)
    turns = record.get("messages") if isinstance(record, dict) else None
    if not isinstance(turns, list) or not turns:
        raise ValueError("no list of `messages`")
    for turn in turns:
        if not isinstance(turn, dict) or not isinstance(turn.get("content"), str):
            raise ValueError("a message without text")
        if turn.get("role") not in ("system", "user", "assistant"):
            raise ValueError(f"a message with the role {turn.get('role')!r}")
    kept = [{"role": t["role"], "content": t["content"]} for t in turns if not _is_empty_system(t)]
    if not kept or kept[-1]["role"] != "assistant":
        raise ValueError("the last message is not the assistant's")
    return kept


def _is_empty_system(turn: dict[str, str]) -> bool:
    return turn["role"] == "system" and not turn["content"].strip()


def shared_system_message(conversations: dict[int, Conversation]) -> str:
    """Give the system message that every conversation begins with; empty if they differ.

    An endpoint begins with it the conversations that bring none, so that a tuned model is asked
    as it was trained.
    """
    openings = (turns[0] for turns in conversations.values())
    first = {turn["content"] if turn["role"] == "system" else "" for turn in openings}
    return first.pop() if len(first) == 1 else ""


def tokenised(
    material: "Material", tokenizer: PreTrainedTokenizerBase, recipe: Recipe
) -> tuple[Dataset, Dataset]:
    """Tokenise both parts with the model's own template, marked for its answers.

    Raises:
        JobError: the template has no marks, or a conversation would be cut off.
    """
    template = training_template(tokenizer)
    train, evaluation = (
        tokenise(
            material.talks[part],
            tokenizer,
            template,
            max_length=recipe.training.max_length,
            may_split=recipe.training.packing,
            name=path.name,
        )
        for part, path in material.files.items()
    )
    return train, evaluation


def tokenise(
    conversations: dict[int, Conversation],
    tokenizer: PreTrainedTokenizerBase,
    template: str,
    *,
    max_length: int,
    may_split: bool,
    name: str,
) -> Dataset:
    """Turn conversations into token ids and labels; only the assistant's turns have labels.

    With `may_split` (packing) a longer conversation goes on in the next pack; without it, the
    end would be cut off, so it is refused.
    """
    columns: dict[str, list[list[int]]] = {"input_ids": [], "labels": []}
    numbers = list(conversations)
    for start in range(0, len(numbers), BATCH):
        batch = tokenizer.apply_chat_template(
            [conversations[n] for n in numbers[start : start + BATCH]],
            chat_template=template,
            tokenize=True,
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        columns["input_ids"] += batch["input_ids"]
        columns["labels"] += _labels(batch["input_ids"], batch["assistant_masks"])
    lengths = dict(zip(numbers, map(len, columns["input_ids"]), strict=True))
    _check_lengths(lengths, max_length, may_split=may_split, name=name)
    log.info("%s: %d conversations, %d tokens", name, len(lengths), sum(lengths.values()))
    return Dataset.from_dict(columns)


def _labels(ids: list[list[int]], masks: list[list[int]]) -> list[list[int]]:
    return [
        [token if said else IGNORED for token, said in zip(row, mask, strict=True)]
        for row, mask in zip(ids, masks, strict=True)
    ]


def _check_lengths(lengths: dict[int, int], limit: int, *, may_split: bool, name: str) -> None:
    longer = {number: length for number, length in lengths.items() if length > limit}
    if not longer:
        return
    if may_split:
        log.info("%s: %d conversations exceed %d tokens; packing splits", name, len(longer), limit)
        return
    lines = [f"line {number} ({length} tokens)" for number, length in longer.items()]
    cut = sum(length - limit for length in longer.values())
    raise JobError(
        f"{name} has {len(longer)} conversations longer than training.max_length {limit}:"
        f" {_few(lines)}; cutting them off would lose {cut} tokens, so raise max_length or"
        " shorten them"
    )


def _few(findings: list[str], limit: int = 20) -> str:
    rest = len(findings) - limit
    return ", ".join(findings[:limit]) + (f" and {rest} more" if rest > 0 else "")
