"""Show what the job would make of a file, without torch: the very code that the job runs.

    python preview.py --recipe recipe.json --file F.jsonl --train-file F.jsonl
        [--base-model DIR] (--line N | --keep FOLDER)

With --line: the tokens of one record. With --keep: how many tokens each record has, as three
32-bit numbers a record (line, tokens, learned tokens) in a file in FOLDER, made once. Prints one
JSON document. Ends with 1 and a line `error: …` where the file or the line is at fault, with 3
where the base model's tokenizer cannot be had.
"""

import argparse
import hashlib
import json
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from base_tokenizer import load_tokenizer
from conversations import Conversation, conversation, lines
from failure import JobError, explain
from recipe_file import read_recipe
from rendering import tokens_by_line, tokens_of
from templates import training_template
from token_cache import Entry, key_of
from transformers import PreTrainedTokenizerBase


def main(arguments: list[str]) -> int:
    """Answer one order; give the exit code."""
    order = parse(arguments)
    try:
        tokenizer, template = _base(order)
    except JobError as error:
        return _fail(error, 3)
    try:
        show = one_record if order.line else lengths
        sys.stdout.write(json.dumps(show(order, tokenizer, template)) + "\n")
    except (JobError, OSError) as error:
        return _fail(error, 1)
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="preview.py", description="Show what a job would see.")
    for name in ("recipe", "file", "train-file"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--base-model", type=Path, help="Folder of the base model's files.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--line", type=int, help="Number of the record's line.")
    what.add_argument("--keep", type=Path, help="Folder that the counts of tokens are kept in.")
    return parser.parse_args(arguments)


def _base(order: argparse.Namespace) -> tuple[PreTrainedTokenizerBase, str]:
    said = (turn["content"] for _, talk in _good(order.train_file) for turn in talk)
    tokenizer = load_tokenizer(read_recipe(order.recipe).base, order.base_model, said)
    return tokenizer, training_template(tokenizer)


def _good(path: Path) -> Iterator[tuple[int, Conversation]]:
    """Go through the lines that hold a conversation; the check of data names the others."""
    for number, line in lines(path):
        try:
            yield number, conversation(line)
        except ValueError:
            continue


def one_record(
    order: argparse.Namespace, tokenizer: PreTrainedTokenizerBase, template: str
) -> dict[str, Any]:
    """Give a record's tokens, each with what the model reads or learns by it."""
    talk = _record(order.file, order.line)
    (tokens,) = tokens_of([talk], tokenizer, template)
    raw = tokenizer.convert_ids_to_tokens(tokens.ids.tolist())
    rows = zip(tokens.ids.tolist(), tokens.places, tokens.learned.tolist(), raw, strict=True)
    return {
        "text": tokens.text,
        "tokens": [
            {"token": tokens.text[start:end], "id": id, "learns": learns, "start": start,
             "end": end, "raw": name}
            for id, (start, end), learns, name in rows
        ],
    }  # fmt: skip


def _record(path: Path, wanted: int) -> Conversation:
    last = 0
    for number, line in lines(path):
        if number == wanted:
            try:
                return conversation(line)
            except ValueError as error:
                raise JobError(f"{path}, line {wanted}: {error}") from error
        last = number
    raise JobError(f"{path} has no record on line {wanted}; its last one is on line {last}")


def lengths(
    order: argparse.Namespace, tokenizer: PreTrainedTokenizerBase, template: str
) -> dict[str, Any]:
    """Count the tokens of each record, unless that was done before."""
    with order.file.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    entry = Entry(order.keep, key_of(sha256, tokenizer, template), ".counts")
    if (facts := entry.facts()) is None:
        counts = array("I")
        for number, tokens in tokens_by_line(_good(order.file), tokenizer, template):
            counts.extend((number, len(tokens.ids), int(tokens.learned.sum())))
        facts = {"rows": len(counts) // 3}
        with entry.written(facts) as path, path.open("wb") as file:
            counts.tofile(file)
    return {"rows": facts["rows"], "counts": str(entry.file), "sha256": sha256}


def _fail(error: Exception, code: int) -> int:
    sys.stderr.write(f"error: {explain(error)}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
