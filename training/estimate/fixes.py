"""Which changes to a recipe would make it fit a VM size: the mildest that are enough."""

from collections.abc import Iterator

from core.catalog import VmSize
from core.recipe import Recipe
from training.estimate.memory import device_of, memory_of
from training.estimate.shapes import Shape
from training.estimate.work import DataSize

MOST = 3
"""Ways that are shown."""
Way = tuple[str, ...]


def fixes(recipe: Recipe, shape: Shape, size: VmSize, data: DataSize | None) -> tuple[str, ...]:
    """List ways to make a run fit, each as the `--set`s that it takes."""
    if size.gpus and recipe.training.processes > size.gpus:
        return (f"training.processes={size.gpus}",)
    found: list[Way] = []
    for way in _ways(recipe, size):
        is_more = any(set(less) <= set(way) for less in found)
        if not is_more and _fits(recipe, way, shape, size, data):
            found.append(way)
    return tuple(" ".join(way) for way in found[:MOST])


def changed(recipe: Recipe, way: Way) -> Recipe:
    """Apply `--set`s that this module made."""
    document = recipe.model_dump()
    for text in way:
        path, _, value = text.partition("=")
        *outer, last = path.split(".")
        place = document
        for key in outer:
            place = place[key]
        kind = type(place[last])
        place[last] = True if value == "true" else (int(value) if kind is int else value)
    return Recipe.model_validate(document)


def _ways(recipe: Recipe, size: VmSize) -> Iterator[Way]:
    """Give changes from the mildest on: the same updates, then shorter chats, then adapters."""
    ours = recipe.training
    small: Way = ()
    if ours.batch_size > 1:
        small = (
            "training.batch_size=1",
            f"training.accumulation={ours.accumulation * ours.batch_size}",
        )
        yield small
    again: Way = ()
    checkpoints = (
        size.gpus > 0 if ours.gradient_checkpointing == "auto" else (ours.gradient_checkpointing)
    )
    if not checkpoints:
        again = ("training.gradient_checkpointing=true",)
        yield again
        yield (*small, *again)
    adapters: list[Way] = []
    if recipe.method == "full":
        adapters.append(("method=lora",))
    if recipe.method in ("full", "lora") and size.gpus:
        adapters.append(("method=qlora",))
    for way in adapters:
        yield way
        yield (*way, *small, *again)
    for length in (ours.max_length // 2, ours.max_length // 4):
        short = (f"training.max_length={length}",)
        yield from ((*way, *small, *again, *short) for way in [(), *adapters])


def _fits(recipe: Recipe, way: Way, shape: Shape, size: VmSize, data: DataSize | None) -> bool:
    from training.estimate.offers import capacity_of

    memory = memory_of(changed(recipe, way), shape, device_of(size), data)
    return memory.high <= capacity_of(size, recipe.training.processes)
