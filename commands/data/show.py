"""`tunestack data show`: one record as the model sees it, and what it learns from it."""

import sys
from pathlib import Path
from typing import Any

import click

from commands.options import json_option
from commands.output import show
from training.recipes import load_recipe
from training.tokens import tokens_of_line


@click.command(name="show")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("line", type=click.IntRange(min=1))
@click.option(
    "--recipe", "-r", "name", default="rehearsal", show_default=True,
    help="Recipe whose base model renders it.",
)  # fmt: skip
@click.option(
    "--base", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with the base model's tokenizer, instead of where the recipe takes it from.",
)  # fmt: skip
@click.option(
    "--train-file", type=click.Path(path_type=Path),
    help="What an untrained model's tokenizer is made from.  [default: FILE]",
)  # fmt: skip
@json_option
def show_command(
    file: Path, line: int, name: str, base: Path | None, train_file: Path | None, as_json: bool
) -> None:
    """Show the record on LINE as the model sees it: what it only reads, and what it learns.

    The job's own code renders and tokenises it. In a terminal what is learned is bright; else
    there is a line for each token. Needs the `tokens` extra.
    """
    found = tokens_of_line(file, line, load_recipe(name), train_file=train_file, base=base)
    learned = sum(token["learns"] for token in found["tokens"])
    document = {"file": str(file), "line": line, "recipe": name, "learned": learned, **found}
    show(document, as_json, lambda: _print(document))


def _print(document: dict[str, Any]) -> None:
    tokens = document["tokens"]
    if sys.stdout.isatty():
        _colour(document["text"], tokens)
    else:
        for token in tokens:
            click.echo(f"{'learn' if token['learns'] else 'read'}\t{token['id']}\t{_word(token)!r}")
    share = document["learned"] / max(len(tokens), 1)
    click.echo(f"{len(tokens)} tokens, {document['learned']} of them learned ({share:.0%}).")


def _word(token: dict[str, Any]) -> str:
    """Give a token's text; part of a character, such as of an emoji, has none of its own."""
    text: str = token["raw"] if "\ufffd" in token["token"] else token["token"]
    return text


def _colour(text: str, tokens: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.text import Text

    shown = Text(text, style="dim")
    for token in tokens:
        if token["learns"]:
            shown.stylize("not dim bold green", token["start"], token["end"])
    Console(file=sys.stdout, highlight=False).print(shown, soft_wrap=True)
