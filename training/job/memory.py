"""What to do when a step does not fit into memory: smaller batches of the same effect."""

import copy
import gc
import logging
from pathlib import Path

import torch
from checkpoints import read_json, write_whole
from failure import JobError
from recipe_file import Recipe

log = logging.getLogger("job")

SMALLER = "batch.json"
"""Beside the checkpoints: what fits, so that a restarted job does not find out again."""


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether memory, of the GPU or of the node, is what was missing."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and any(sign in text for sign in SIGNS)


SIGNS = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
)


def smaller_batch(batch_size: int, accumulation: int) -> tuple[int, int] | None:
    """Give the next smaller batch and its accumulation, whose product is the same.

    The batch becomes its largest divisor up to a half; None where it is one already.
    """
    if batch_size == 1:
        return None
    size = max(n for n in range(1, batch_size // 2 + 1) if batch_size % n == 0)
    return size, accumulation * (batch_size // size)


def fitting(recipe: Recipe, checkpoints: Path) -> Recipe:
    """Give the recipe with the batch that an earlier start found to fit, if one did."""
    found = read_json(checkpoints / SMALLER)
    ours = recipe.training
    effect = ours.batch_size * ours.accumulation
    if not found or found["batch_size"] * found["accumulation"] != effect:
        return recipe
    log.info("batches of %d x %d, as found before", found["batch_size"], found["accumulation"])
    return _with_batch(recipe, found["batch_size"], found["accumulation"])


def shrunk(recipe: Recipe, checkpoints: Path, error: BaseException) -> Recipe:
    """Give the recipe with smaller batches of the same effect, and write them down.

    Raises:
        JobError: a batch of one does not fit; or several processes train, where the others wait
            for this one and only a new start frees them.
    """
    ours = recipe.training
    smaller = smaller_batch(ours.batch_size, ours.accumulation)
    reason = " ".join(str(error).split())[:300]
    if smaller is None:
        raise JobError(
            "memory is not enough for a single conversation a step: lower training.max_length,"
            " set training.gradient_checkpointing, take the method lora or qlora, or a larger"
            f" node: {reason}"
        ) from error
    size, accumulation = smaller
    write_whole(checkpoints / SMALLER, {"batch_size": size, "accumulation": accumulation})
    change = (
        f"batches of {size} x {accumulation} instead of {ours.batch_size} x {ours.accumulation}"
    )
    if ours.processes * ours.nodes > 1:
        raise JobError(
            f"memory is not enough; start the job again and it goes on with {change},"
            f" which have the same effect: {reason}"
        ) from error
    log.warning("memory is not enough: going on with %s, which have the same effect", change)
    return _with_batch(recipe, size, accumulation)


def _with_batch(recipe: Recipe, batch_size: int, accumulation: int) -> Recipe:
    changed = copy.deepcopy(recipe)
    changed.training.batch_size, changed.training.accumulation = batch_size, accumulation
    return changed


def free() -> None:
    """Give memory that nothing holds any more back to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
