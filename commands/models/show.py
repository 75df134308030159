"""`tunestack models show`: what went in, what came out, what it cost, how to repeat it."""

import shlex
from typing import Any

import click
from rich.markup import escape

from commands.evaluate.keeping import checkpoint_in
from commands.jobs.view import naming_stack
from commands.models.handler import model_handler
from commands.models.last_evaluation import evaluation_line, last_evaluation
from commands.options import json_option, stack_option
from commands.output import say, show, table
from commands.pricing import dollars
from commands.session import Session
from core.refs import ModelRef
from training.lineage import Lineage, read_lineage
from training.models import FROM_CHECKPOINT

Row = tuple[str, Any]


@click.command(name="show")
@click.argument("model", metavar="[NAME[:VERSION]]", default="")
@stack_option
@json_option
def show_command(model: str, stack: str, as_json: bool) -> None:
    """Show where a model comes from: what went in and out, its price, how to repeat it.

    Without NAME the newest. --json has the manifest and the order of its job whole.
    """
    with naming_stack(stack):
        model_handler(Session(stack), ModelRef.parse(model)).show(as_json=as_json)


def show_lineage(session: Session, wanted: ModelRef, *, as_json: bool) -> None:
    """Show where a model of the workspace's registry comes from."""
    found = read_lineage(session.cloud, session.outputs, wanted)
    names = (found.name, checkpoint_in(found.model["tags"]))
    evaluated = last_evaluation(session, *filter(None, names))
    document = {**found.document(), "evaluation": evaluated}
    show(document, as_json, lambda: _print(session, found, evaluated))


def _print(session: Session, found: Lineage, evaluated: dict[str, Any] | None) -> None:
    parts = (
        ("What went in", went_in(found)),
        ("Where it was trained", _place(found)),
        ("What came out", [*_came_out(found), ("evaluated", evaluation_line(evaluated))]),
        ("What it cost", _cost(found)),
        ("How to repeat it", _repeat(session, found)),
    )
    rows = [("created", found.model["created"]), ("job", found.job)]
    if origin := found.model["tags"].get("exported_from"):
        rows.append(("export of", f"{origin} ({found.model['tags'].get('export')})"))
    if checkpoint := found.model["tags"].get(FROM_CHECKPOINT):
        rows.append(("of the checkpoint", checkpoint))
    table("", ["model", found.name], rows)
    for title, rows in parts:
        known = [(name, escape(str(value))) for name, value in rows if value not in (None, "", [])]
        if known:
            table("", [title, ""], known)
    if not found.manifest:
        say("Its manifest (tunestack.json) is not there: this is what the registry knows.")


def went_in(found: Lineage) -> list[Row]:
    """Give what went into a model: content by hash, and what the recipe sets."""
    order, tags = found.order, found.model["tags"]
    rows = dict(found.inputs)
    for what, data in (
        ("training data", order.train if order else None),
        ("validation data", order.validation if order else None),
    ):
        if data and data.rows:
            rows[what] = f"{rows[what]} ({data.rows} rows)"
    training = (found.manifest.get("settings") or {}).get("training") or {}
    chosen = ("epochs", "learning_rate", "batch_size", "accumulation", "max_length", "seed")
    recipe = [f"{name} {training[name]}" for name in chosen if name in training]
    return [
        ("recipe", tags.get("recipe")),
        ("method", tags.get("method")),
        *rows.items(),
        ("set", ", ".join(recipe)),
        ("system message", found.manifest.get("system_message")),
    ]


def _place(found: Lineage) -> list[Row]:
    order, machine = found.order, found.manifest.get("machine") or {}
    node = f"{order.vm_size} {order.priority}, {order.cluster}" if order else ""
    processes = found.manifest.get("world_size")
    packages = found.manifest.get("packages") or {}
    main = ("torch", "transformers", "trl", "peft", "datasets", "accelerate")
    named = [f"{name} {packages[name]}" for name in main if name in packages]
    more = len(packages) - len(named)
    libraries = ", ".join(named) + (f" and {more} more: --json" if more else "")
    return [
        ("node", node),
        ("processes", processes if processes != 1 else ""),
        *((name, _text(value)) for name, value in machine.items()),
        ("libraries", libraries),
    ]


def _came_out(found: Lineage) -> list[Row]:
    rows = [(name.replace("_", " "), _figure(value)) for name, value in found.metrics.items()]
    verdict = (found.manifest.get("overfit") or {}).get("band", "")
    weights = {name: sha for name, sha in found.weights.items() if name.endswith(".safetensors")}
    return [*rows, ("over-fit", verdict), *weights.items()]


def _cost(found: Lineage) -> list[Row]:
    tags = found.model["tags"]
    price = dollars(float(tags["price_usd"])) if "price_usd" in tags else ""
    expected = found.order.estimate_usd if found.order else None
    return [
        ("price", price),
        ("of", tags.get("price_source")),
        ("expected on Azure", dollars(expected) if expected is not None else ""),
    ]


def _repeat(session: Session, found: Lineage) -> list[Row]:
    on = "" if session.is_rehearsal else f" --stack {shlex.quote(session.stack)}"
    if found.order is None:
        return []
    return [
        ("the same", f"tunestack reproduce {found.name}{on}"),
        ("with changes", f"tunestack train --like {found.job} --set PATH=VALUE{on}"),
        ("only look", f"tunestack reproduce {found.name} --check-only{on}"),
    ]


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _figure(value: Any) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"
