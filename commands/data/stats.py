"""`tunestack data stats`: how many tokens there are, and what a run on them takes."""

from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import click
from rich.markup import escape

from commands import pricing
from commands.options import json_option, stack_option
from commands.output import say, show, table
from commands.session import Session
from commands.train.estimate import hours, usd
from core.errors import SettingsError, UserError
from core.recipe import Recipe
from training.estimate import DataSize, Offer, of_run
from training.recipes import load_recipe
from training.tokens import Counts, count_tokens, packs, steps_of

BARS = 12
"""Rows of a histogram, at most."""
WIDTH = 40
"""Characters of its longest bar."""


@click.command(name="stats")
@stack_option
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE [VALIDATION]…"
)
@click.option(
    "--recipe", "-r", "name", default="rehearsal", show_default=True,
    help="Recipe whose base model counts them, and whose run is reckoned.",
)  # fmt: skip
@click.option(
    "--set", "overrides", multiple=True, metavar="PATH=VALUE",
    help="Change a part of the recipe: training.max_length=4096. Can be repeated.",
)  # fmt: skip
@click.option(
    "--base", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with the base model's tokenizer, instead of where the recipe takes it from.",
)  # fmt: skip
@json_option
def stats_command(
    stack: str,
    files: tuple[Path, ...],
    name: str,
    overrides: tuple[str, ...],
    base: Path | None,
    as_json: bool,
) -> None:
    """Count tokens as the job would, and say what a run takes: packs, steps, hours, price.

    Further files are validation data of the first. Counts are kept, so that a second look costs
    nothing. Needs the `tokens` extra.
    """
    recipe = load_recipe(name, overrides)
    counts = [count_tokens(file, recipe, train_file=files[0], base=base) for file in files]
    if empty := [str(one.path) for one in counts if not len(one.tokens)]:
        raise SettingsError(f"No conversation in {', '.join(empty)}.", hint="tunestack data check")
    own = _estimate(Session(stack), recipe, counts)
    document = {
        "recipe": recipe.name,
        "files": [_facts(one, recipe) for one in counts],
        "run": _run(recipe, counts[0], own),
    }
    show(document, as_json, lambda: _print(document, recipe, own))


def _facts(counts: Counts, recipe: Recipe) -> dict[str, Any]:
    ordered, limit = sorted(counts.tokens), recipe.training.max_length
    longer = counts.longer_than(limit)
    return {
        "path": str(counts.path),
        "chats": len(ordered),
        "tokens": counts.total,
        "learned": sum(counts.learned),
        "median": median(ordered),
        "p95": ordered[int(0.95 * (len(ordered) - 1))],
        "longest": ordered[-1],
        "longer_than_max_length": [{"line": line, "tokens": count} for line, count in longer],
        "truncation_would_cut": sum(count - limit for _, count in longer),
        "histogram": [
            {"from": start, "to": end, "chats": chats} for start, end, chats in histogram(ordered)
        ],
    }


def histogram(ordered: list[int]) -> list[tuple[int, int, int]]:
    """Count lengths, shortest first, in bins of a round width: from, to (excluded), how many."""
    widths = (unit * 10**power for power in range(9) for unit in (1, 2, 5))
    low, high = ordered[0], ordered[-1]
    width = next(width for width in widths if high // width - low // width < BARS)
    starts = range(low // width * width, high + 1, width)
    return [(s, s + width, sum(s <= length < s + width for length in ordered)) for s in starts]


def _estimate(session: Session, recipe: Recipe, counts: list[Counts]) -> Offer | None:
    """Reckon hours and price on the stack's size, as `train --estimate` does, but counted.

    None where the base model's shapes or the stack's settings are not known here.
    """
    sizes = [_size(one) for one in counts]
    with suppress(UserError):
        own_size = session.settings.cluster_vm_size
        prices = pricing.price_list(session, own_size, asks=not session.is_rehearsal)
        validation = sizes[1] if len(sizes) > 1 else None
        found = of_run(recipe, sizes[0], validation, prices=prices, sizes=[own_size])
        return found.on(own_size)
    return None


def _size(counts: Counts) -> DataSize:
    return DataSize(
        rows=len(counts.tokens),
        bytes=counts.path.stat().st_size,
        tokens=counts.total,
        learned_tokens=sum(counts.learned),
        longest=max(counts.tokens),
    )


def _run(recipe: Recipe, train: Counts, own: Offer | None) -> dict[str, Any]:
    ours = recipe.training
    return {
        "max_length": ours.max_length,
        "packs": packs(train.tokens, ours.max_length) if ours.packing else None,
        "steps": steps_of(recipe, train.tokens),
        "epochs": ours.epochs,
        "estimate": own.document() if own else None,
    }


def _print(document: dict[str, Any], recipe: Recipe, own: Offer | None) -> None:
    columns = ["file", "chats", "tokens", "learned", "median", "95 %", "longest"]
    table("", columns, [_row(facts) for facts in document["files"]])
    for facts in document["files"]:
        _print_histogram(facts)
        _print_longer(facts, recipe)
    run = document["run"]
    packed = (
        f"{run['packs']} packs of {run['max_length']} tokens, " if recipe.training.packing else ""
    )
    click.echo(f"\n{recipe.name}: {packed}{run['steps']} steps, {run['epochs']:g} epochs.")
    if own:
        click.echo(f"About {hours(own.hours)} and {usd(own.price)} on {own.vm_size}.")
        say(f"[dim]{escape(own.basis)}; tunestack train --estimate compares VM sizes[/dim]")


def _row(facts: dict[str, Any]) -> tuple[Any, ...]:
    share = facts["learned"] / max(facts["tokens"], 1)
    return (
        escape(facts["path"]),
        facts["chats"],
        f"{facts['tokens']:,}",
        f"{facts['learned']:,} ({share:.0%})",
        f"{facts['median']:g}",
        facts["p95"],
        facts["longest"],
    )


def _print_histogram(facts: dict[str, Any]) -> None:
    click.echo(f"\n{facts['path']}: tokens per chat")
    bins = facts["histogram"]
    most = max(one["chats"] for one in bins)
    wide = len(str(bins[-1]["to"]))
    for one in bins:
        bar = "█" * round(WIDTH * one["chats"] / most) or ("▏" if one["chats"] else "")
        click.echo(f"  {one['from']:>{wide}} to {one['to'] - 1:>{wide}}  {bar} {one['chats']}")


def _print_longer(facts: dict[str, Any], recipe: Recipe) -> None:
    longer = facts["longer_than_max_length"]
    if not longer:
        return
    many, limit = len(longer), recipe.training.max_length
    what = f"{many} {'is' if many == 1 else 'are'} longer than training.max_length {limit}"
    if recipe.training.packing:
        click.echo(f"  {what}; packing goes on with them in the next pack.")
        return
    lines = ", ".join(str(one["line"]) for one in longer[:10]) + (" …" if many > 10 else "")
    click.echo(
        f"  {what} (line {lines}); cutting them off would lose {facts['truncation_would_cut']:,}"
        " tokens, so the job refuses them."
    )
