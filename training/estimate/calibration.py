"""Jobs of the same kind that have run, read from the workspace: nothing is kept elsewhere."""

from collections.abc import Iterator
from typing import Any

from core.cloud import Cloud
from core.recipe import Recipe
from core.refs import StackOutputs
from training.estimate.measured import Measured
from training.jobs import list_jobs
from training.kept_orders import KeptOrder, find_order
from training.metrics import job_metrics

SPEED = "system/tokens_per_second"
MEMORY = ("system/gpu_memory_usage_megabytes", "system/system_memory_usage_megabytes")
"""As training/job/measuring.py names them; a GPU's where there is one."""
LOOKED_AT = 10
"""Jobs whose orders are read: the newest of the same base model and method."""
WANTED = 3


def kind_of(recipe: Recipe) -> dict[str, Any]:
    """Give what of a recipe decides on speed and memory: equal kinds may be compared."""
    ours = recipe.training
    names = ("batch_size", "max_length", "packing", "gradient_checkpointing", "precision")
    fields = {name: getattr(ours, name) for name in (*names, "processes", "nodes")}
    adapters = recipe.lora.model_dump(include={"rank", "target_modules", "layers"})
    return {
        "base": recipe.base.model_dump(),
        "objective": recipe.objective,
        "method": recipe.method,
        "lora": adapters if recipe.method != "full" else None,
        **fields,
    }


def measured_jobs(cloud: Cloud, outputs: StackOutputs, recipe: Recipe) -> tuple[Measured, ...]:
    """Give the newest completed jobs of a recipe's kind, at most one a VM size, newest first."""
    found: dict[str, Measured] = {}
    for job in _alike(cloud, outputs, recipe):
        order = find_order(cloud, outputs, job)
        if order is None or kind_of(order.recipe) != kind_of(recipe):
            continue
        one = measured_job(cloud, outputs, order)
        if one is not None:
            found.setdefault(order.vm_size.lower(), one)
        if len(found) == WANTED:
            break
    return tuple(found.values())


def measured_job(cloud: Cloud, outputs: StackOutputs, order: KeptOrder) -> Measured | None:
    """Read what a job measured; None where it tracked no speed."""
    metrics = job_metrics(cloud, outputs, order.job)
    speed = metrics.get(SPEED, 0.0)
    if speed <= 0:
        return None
    memory = next((metrics[name] for name in MEMORY if name in metrics), None)
    return Measured(
        job=order.job,
        vm_size=order.vm_size,
        tokens_per_second=speed,
        peak_memory=None if memory is None else int(memory * 2**20),
    )


def _alike(cloud: Cloud, outputs: StackOutputs, recipe: Recipe) -> Iterator[str]:
    wanted = {"base": recipe.base.id, "method": recipe.method}
    jobs = [
        job["name"]
        for job in list_jobs(cloud, outputs)
        if job["status"] == "Completed"
        and all(job["tags"].get(key) == value for key, value in wanted.items())
    ]
    yield from jobs[:LOOKED_AT]
