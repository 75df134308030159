"""A file of preferences: to each prompt an answer that is wanted and one that is not.

    {"prompt": [messages], "chosen": [one message], "rejected": [one message]}

Like conversations, it is read line by line and nothing of it stays in memory.
"""

import itertools
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conversations import Conversation, Conversations, examined, few, lines, turns_of
from datasets import Dataset
from failure import JobError
from recipe_file import Recipe
from transformers import PreTrainedTokenizerBase

if TYPE_CHECKING:
    from material import Material

log = logging.getLogger("job")

BATCH = 1000


@dataclass(frozen=True)
class Pair:
    """A prompt with both answers."""

    prompt: Conversation
    chosen: Conversation
    rejected: Conversation


@dataclass(frozen=True)
class Pairs(Conversations):
    """A file of preferences whose lines are known to be good.

    As conversations its lines are the prompts with the answers that are wanted.
    """

    def pairs(self) -> Iterator[tuple[int, Pair]]:
        """Go through the pairs with their line numbers."""
        return ((number, pair_of(line)) for number, line in lines(self.path))

    def items(self) -> Iterator[tuple[int, Conversation]]:
        """Go through prompts with the answers that are wanted."""
        return ((number, pair.prompt + pair.chosen) for number, pair in self.pairs())

    @property
    def texts(self) -> Iterator[str]:
        """Everything that is said, turn by turn, in both answers."""
        for _, pair in self.pairs():
            for turn in pair.prompt + pair.chosen + pair.rejected:
                yield turn["content"]


def read_pairs(path: Path) -> Pairs:
    """Check every line of a file of preferences.

    Raises:
        JobError: the file cannot be read or is empty; or lines are bad, all of them named.
    """
    return Pairs(path, *examined(path, lambda line: pair_of(line).prompt[0], "no pair of answers"))


def pair_of(line: bytes) -> Pair:
    """Read a line; ValueError says what is wrong with it."""
    try:
        record = json.loads(line)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start + 1}") from error
    if not isinstance(record, dict):
        raise ValueError("no JSON object")
    if missing := [name for name in ("prompt", "chosen", "rejected") if name not in record]:
        raise ValueError(f"no {' and no '.join(f'`{name}`' for name in missing)}")
    prompt = _turns(record, "prompt")
    if not prompt or prompt[-1]["role"] != "user":
        raise ValueError("the last message of `prompt` is not the user's")
    chosen, rejected = (_answer(record, name) for name in ("chosen", "rejected"))
    if chosen == rejected:
        raise ValueError("`chosen` and `rejected` are the same: nothing can be learned")
    return Pair(prompt, chosen, rejected)


def _turns(record: dict[str, Any], name: str) -> Conversation:
    if not isinstance(record[name], list):
        raise ValueError(f"`{name}` is no list of messages")
    try:
        return turns_of(record[name])
    except ValueError as error:
        raise ValueError(f"`{name}`: {error}") from error


def _answer(record: dict[str, Any], name: str) -> Conversation:
    turns = _turns(record, name)
    if [turn["role"] for turn in turns] != ["assistant"]:
        raise ValueError(f"`{name}` is not one message of the assistant's")
    if not turns[0]["content"].strip():
        raise ValueError(f"`{name}` is empty")
    return turns


def tokenised_pairs(
    material: "Material", tokenizer: PreTrainedTokenizerBase, recipe: Recipe
) -> tuple[Dataset, Dataset]:
    """Turn the pairs of both parts into token ids, with the model's own template.

    A prompt is rendered as an endpoint renders it, and an answer as what a whole conversation
    has beyond that.

    Raises:
        JobError: a prompt with one of its answers is too long; nothing is cut off in silence.
    """
    train, evaluation = (
        _tokenise(material.talks[part], tokenizer, recipe, path.name)
        for part, path in material.files.items()
    )
    return train, evaluation


def _tokenise(
    pairs: Pairs, tokenizer: PreTrainedTokenizerBase, recipe: Recipe, name: str
) -> Dataset:
    columns: dict[str, list[list[int]]] = {"prompt_ids": [], "chosen_ids": [], "rejected_ids": []}
    longer: dict[int, int] = {}
    every = pairs.pairs()
    while batch := list(itertools.islice(every, BATCH)):
        for number, ids in zip((n for n, _ in batch), _ids(batch, tokenizer), strict=True):
            for column, part in zip(columns.values(), ids, strict=True):
                column.append(part)
            length = len(ids[0]) + max(len(ids[1]), len(ids[2]))
            if length > recipe.training.max_length:
                longer[number] = length
    _check_lengths(longer, recipe.training.max_length, name)
    log.info("%s: %d pairs, %d tokens", name, len(pairs), _total(columns))
    return Dataset.from_dict(columns)


def _ids(
    batch: list[tuple[int, Pair]], tokenizer: PreTrainedTokenizerBase
) -> list[tuple[list[int], list[int], list[int]]]:
    """Give the tokens of each prompt and of what follows it in either conversation."""
    pairs = [pair for _, pair in batch]
    prompts, chosen, rejected = (
        tokenizer.apply_chat_template(
            turns, tokenize=True, return_dict=True, add_generation_prompt=is_prompt
        )["input_ids"]
        for turns, is_prompt in (
            ([pair.prompt for pair in pairs], True),
            ([pair.prompt + pair.chosen for pair in pairs], False),
            ([pair.prompt + pair.rejected for pair in pairs], False),
        )
    )
    found = []
    for prompt, good, bad in zip(prompts, chosen, rejected, strict=True):
        # A token may span the border of prompt and answer; then the answer begins with it.
        start = min(_shared(prompt, good), _shared(prompt, bad))
        found.append((prompt[:start], good[start:], bad[start:]))
    return found


def _shared(one: list[int], other: list[int]) -> int:
    """Count the tokens that two texts begin with in common."""
    different = (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(different, min(len(one), len(other)))


def _total(columns: dict[str, list[list[int]]]) -> int:
    return sum(len(row) for column in columns.values() for row in column)


def _check_lengths(longer: dict[int, int], limit: int, name: str) -> None:
    if longer:
        found = [f"line {number} ({length} tokens)" for number, length in longer.items()]
        raise JobError(
            f"{name} has {len(longer)} pairs longer than training.max_length {limit}:"
            f" {few(found)}; raise max_length or shorten them"
        )
