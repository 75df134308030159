"""From a file of conversations to tokens, with a label for each token that the model has to say."""

import contextlib
import itertools
import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np
import pyarrow as pa
from conversations import Conversation, Conversations, few, read_conversations
from datasets import Dataset
from failure import JobError
from recipe_file import Recipe
from rendering import BATCH, tokens_by_line
from templates import training_template
from token_cache import Entry, key_of
from transformers import PreTrainedTokenizerBase

if TYPE_CHECKING:
    from material import Material

__all__ = ["IGNORED", "Conversation", "read_conversations", "tokenise", "tokenised"]

log = logging.getLogger("job")

IGNORED = -100
"""The label of a token that is read but not learned."""
NUMBERS = pa.list_(pa.int32())
SCHEMA = pa.schema({"line": pa.int32(), "input_ids": NUMBERS, "labels": NUMBERS})


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
            folder=material.tokens,
        )
        for part, path in material.files.items()
    )
    return train, evaluation


def tokenise(
    conversations: Conversations,
    tokenizer: PreTrainedTokenizerBase,
    template: str,
    *,
    max_length: int,
    may_split: bool,
    name: str,
    folder: Path | None = None,
) -> Dataset:
    """Turn conversations into token ids and labels; only the assistant's turns have labels.

    The tokens are kept in `folder` and read from there the next time; without one, they go with
    this process. They are mapped into memory, never read into it. With `may_split` (packing) a
    longer conversation goes on in the next pack; without it, the end would be cut off, so it is
    refused.
    """
    datasets.disable_caching()  # packs would be written beside the tokens, into a mounted store
    with tempfile.TemporaryDirectory(prefix="tunestack-tokens-") as passing:
        entry = Entry(folder or Path(passing), key_of(conversations.sha256, tokenizer, template))
        with entry.alone() if folder else contextlib.nullcontext():
            if entry.facts() is None:
                _write(entry, conversations, tokenizer, template)
                log.info("%s: tokenised", name)
            else:
                log.info("%s: its tokens are there already", name)
        rows = Dataset.from_file(str(entry.file))
    _check_lengths(rows, max_length, may_split=may_split, name=name)
    return rows.select_columns(["input_ids", "labels"])


def _write(
    entry: Entry, conversations: Conversations, tokenizer: PreTrainedTokenizerBase, template: str
) -> None:
    """Write tokens to an Arrow file batch by batch, so that memory stays flat."""
    every = tokens_by_line(conversations.items(), tokenizer, template)
    with (
        entry.written({"rows": len(conversations)}) as path,
        pa.OSFile(str(path), "wb") as file,
        pa.ipc.new_stream(file, SCHEMA) as stream,
    ):
        while batch := list(itertools.islice(every, BATCH)):
            lines = pa.array([number for number, _ in batch], pa.int32())
            ids = _column([one.ids for _, one in batch])
            labels = _column([np.where(one.learned, one.ids, IGNORED) for _, one in batch])
            stream.write_batch(pa.record_batch([lines, ids, labels], schema=SCHEMA))


def _column(rows: list[Any]) -> pa.ListArray:
    ends = np.cumsum([0, *map(len, rows)], dtype=np.int32)
    return pa.ListArray.from_arrays(ends, np.concatenate(rows).astype(np.int32, copy=False))


def _check_lengths(rows: Dataset, limit: int, *, may_split: bool, name: str) -> None:
    lengths = np.asarray(pa.compute.list_value_length(rows.data.column("input_ids")))
    log.info("%s: %d conversations, %d tokens", name, len(lengths), lengths.sum())
    (longer,) = np.nonzero(lengths > limit)
    if not len(longer):
        return
    if may_split:
        log.info("%s: %d conversations exceed %d tokens; packing splits", name, len(longer), limit)
        return
    lines = np.asarray(rows.data.column("line"))
    named = [f"line {lines[row]} ({lengths[row]} tokens)" for row in longer]
    cut = int((lengths[longer] - limit).sum())
    raise JobError(
        f"{name} has {len(longer)} conversations longer than training.max_length {limit}:"
        f" {few(named)}; cutting them off would lose {cut} tokens, so raise max_length or"
        " shorten them"
    )
