"""`tunestack data`: get, convert, check, show and split data. Nothing here talks to Azure."""

from pathlib import Path

import click

from commands.data.check import check_command, summary
from commands.data.convert import convert_command
from commands.data.show import show_command
from commands.data.stats import stats_command
from commands.options import json_option
from commands.output import say, show, table
from training.data.check import check_file
from training.data.get import SOURCES, get_data
from training.data.split import split_file


@click.group()
def data() -> None:
    """Get, convert, check, show and split training data."""


data.add_command(check_command)
data.add_command(convert_command)
data.add_command(show_command)
data.add_command(stats_command)


@data.command()
@click.argument("name", type=click.Choice(list(SOURCES)), metavar="NAME")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path("data"), show_default=True,
    help="Where <NAME>/train.jsonl and validation.jsonl are written.",
)  # fmt: skip
@click.option("--seed", default=0, show_default=True, help="Decides which chats are validation.")
@click.option("--force", is_flag=True, help="Overwrite files that were changed here.")
@json_option
def get(name: str, folder: Path, seed: int, force: bool, as_json: bool) -> None:
    r"""Bring a data set here.

    \b
    sample     this project's own travel chats, with one hard rule; needs no network
    travel     the GPT-4 tutorial's file
    ultrachat  the own-GPU tutorial's one percent of UltraChat 200k
    """
    fetched = get_data(name, folder, seed=seed, force=force)
    train = check_file(fetched.train)
    validation = check_file(fetched.validation, fewest=1)
    for note in fetched.notes:
        say(note)
    document = {
        "name": name,
        "origin": fetched.origin,
        "notes": list(fetched.notes),
        "train": train.document(),
        "validation": validation.document(),
    }
    show(document, as_json, lambda: summary(train, validation))


@data.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--folder", type=click.Path(path_type=Path), default=None,
    help="Where train.jsonl and validation.jsonl go.  [default: data/<name of the file>]",
)  # fmt: skip
@click.option("--share", default=0.2, show_default=True, help="Part that goes to validation.")
@click.option("--seed", default=0, show_default=True, help="Another seed, another choice of chats.")
@click.option(
    "--group-by", default="", metavar="KEY",
    help="Records with the same value of this key stay on one side.",
)  # fmt: skip
@json_option
def split(
    file: Path, folder: Path | None, share: float, seed: int, group_by: str, as_json: bool
) -> None:
    """Split a file into training and validation; equal chats stay on one side."""
    target = folder or Path("data") / file.stem
    made = split_file(file, target, share=share, seed=seed, group_by=group_by)
    document = {
        "train": {"path": str(made.train), "rows": made.train_rows},
        "validation": {"path": str(made.validation), "rows": made.validation_rows},
    }
    rows = [(part["path"], part["rows"]) for part in document.values()]
    show(document, as_json, lambda: table("", ["file", "chats"], rows))
