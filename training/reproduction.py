"""The same model once more: what must be the same for it, the order, and how the two compare.

What is promised: on a CPU, in one process, with the same code and libraries, the same bytes. On
GPUs and in several processes sums come in another order, and the last digits may differ.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from core.cloud import Cloud
from core.errors import PrerequisiteError, SettingsError, UserError
from core.refs import StackOutputs
from training.assets import (
    base_model_name,
    base_model_version,
    file_sha256,
    packaged_weights,
    require_data,
)
from training.environment import JOB_FOLDER, build_environment
from training.kept_orders import KeptOrder, Place, code_sha256
from training.lineage import (
    Change,
    Lineage,
    input_changes,
    library_changes,
    machine_changes,
)
from training.models import FROM_CHECKPOINT
from training.resubmission import device_for
from training.submission import RECIPE_FILE, Order, stage_code

LOSS = 1e-6
"""Two losses that are no further apart count as equal."""

State = Literal["same", "differs", "unsure"]
Verdict = Literal["byte-identical", "equal losses, other bytes", "differs", "not known"]


@dataclass(frozen=True)
class Check:
    """One thing that must be as it was."""

    what: str
    state: State
    """`differs` stands in the way; `unsure` may change the last digits."""
    told: str
    hint: str = ""


@dataclass(frozen=True)
class Outcome:
    """How a model and the one that was made again compare."""

    verdict: Verdict
    loss_difference: float | None
    """The largest along both curves; None where they have no point in common."""
    files: list[Change]
    """Files whose hashes are not the same."""
    known: dict[str, list[Change]] = field(default_factory=dict)
    """What is known to have differed: inputs, machine, libraries."""

    @property
    def is_reproduced(self) -> bool:
        """True where at least the losses are equal."""
        return self.verdict in ("byte-identical", "equal losses, other bytes")


def order_of(
    made: Lineage, outputs: StackOutputs, cluster: str = "", code: Path = JOB_FOLDER
) -> Order:
    """Make the order of a model's job once more: a run of its own, from the beginning.

    Raises:
        UserError: nothing was kept of its job.
        SettingsError: the stack has no such cluster any more, or the model is a checkpoint that
            was registered afterwards.
    """
    kept = made.order
    if kept is None:
        raise UserError(
            f"{made.name} cannot be made again: of its job {made.job} no order was kept.",
            hint="An earlier version submitted it; tunestack models show tells what is known.",
        )
    if checkpoint := made.model["tags"].get(FROM_CHECKPOINT):
        raise SettingsError(
            f"{made.name} is the checkpoint {checkpoint}, not what its job left: made again, the"
            " training would leave other weights.",
            hint="Reproduce the job's own model: tunestack models list has it.",
        )
    cluster = cluster or kept.cluster
    return Order(
        kept.recipe, kept.train, kept.validation, device_for(kept, outputs, cluster),
        kept.timeout_hours, code=code,
        cluster="" if cluster == outputs.cluster else cluster,
        place=Place(like=kept.job, losses_allowed=kept.place.losses_allowed),
    )  # fmt: skip


def checks(cloud: Cloud, outputs: StackOutputs, made: Lineage, order: Order) -> list[Check]:
    """Hold what is here against what made the model; everything, also after a difference."""
    kept = made.order
    assert kept is not None, "order_of refuses a model without an order"
    return [
        _code(kept, order),
        _environment(kept, order),
        _base(made, kept),
        *_data(cloud, outputs, kept),
        *_place(made, kept, order, outputs),
    ]


def staged_code_sha256(order: Order) -> str:
    """Hash the program's folder as it would go to the node now, without the recipe."""
    with tempfile.TemporaryDirectory() as work:
        return code_sha256(stage_code(order, Path(work)), without=(RECIPE_FILE,))


def judge(first: Lineage, second: Lineage) -> Outcome:
    """Compare a model with the one that was made again."""
    files = [
        Change(name, first.weights.get(name), second.weights.get(name))
        for name in sorted(first.weights.keys() | second.weights.keys())
        if first.weights.get(name) != second.weights.get(name)
    ]
    difference = loss_difference(first, second)
    known = {
        "inputs": input_changes(first, second),
        "machine": machine_changes(first, second),
        "libraries": library_changes(first, second),
    }
    is_identical = bool(first.weights) and not files
    return Outcome(_verdict(is_identical, difference), difference, files, known)


def _verdict(is_identical: bool, difference: float | None) -> Verdict:
    if is_identical:
        return "byte-identical"
    if difference is None:
        return "not known"
    return "equal losses, other bytes" if difference <= LOSS else "differs"


def loss_difference(first: Lineage, second: Lineage) -> float | None:
    """Give the largest difference of a loss at the same step; None where no step is common.

    Infinite where one curve has steps that the other has not.
    """
    mine, other = _losses(first), _losses(second)
    if not mine or not other:
        return None
    if mine.keys() != other.keys():
        return float("inf")
    return max(abs(mine[point] - other[point]) for point in mine)


def _code(kept: KeptOrder, order: Order) -> Check:
    now = staged_code_sha256(order)
    if now == kept.code_sha256:
        return Check("code of the job", "same", now[:12])
    was, here = kept.versions.get("tunestack", "an unknown version"), version("tunestack")
    return Check(
        "code of the job", "differs",
        f"{kept.code_sha256[:12]} of tunestack {was} made it, here is {now[:12]} of {here}",
        f"Take the tunestack that made it ({was}), or train with what is here: --with-this-code.",
    )  # fmt: skip


def _environment(kept: KeptOrder, order: Order) -> Check:
    built = build_environment(order.device, order.code)
    now = f"azureml:{built.name}:{built.version}"
    if now == kept.environment:
        return Check("environment", "same", now.removeprefix("azureml:"))
    return Check(
        "environment", "differs",
        f"{kept.environment.removeprefix('azureml:')} then, {built.name}:{built.version} now:"
        " image or pinned packages are others",
        "The pins are part of the job's code: take the tunestack that made it, or"
        " --with-this-code.",
    )  # fmt: skip


def _base(made: Lineage, kept: KeptOrder) -> Check:
    base = kept.recipe.base
    if base.source == "random":
        return Check("base model", "same", f"{base.id}, made by the job from its seed")
    if base.source == "hub":
        return Check("base model", "same", f"{base.id} at {base.revision[:12]}")
    try:
        weights = packaged_weights(kept.recipe)
    except PrerequisiteError as error:
        return Check("base model", "differs", str(error), error.hint)
    assert weights is not None, "a packaged base has weights"
    now = file_sha256(weights)
    # A mounted model may lie one folder down, by whoever mounts it.
    known = (made.manifest.get("base_sha256") or {}).items()
    was = next((str(sha256) for path, sha256 in known if Path(path).name == base.file), "")
    asset = f"azureml:{base_model_name(base)}:{base_model_version(now)}"
    if asset == kept.base_model and was in ("", now):
        return Check("base model", "same", f"{base.id} ({now[:12]})")
    return Check(
        "base model", "differs",
        f"{base.id}: the weights of the package {base.package} are {now[:12]}, it was made from"
        f" {was[:12] or kept.base_model}",
        f"Install the version of {base.package.replace('_', '-')} that it was made from.",
    )  # fmt: skip


def _data(cloud: Cloud, outputs: StackOutputs, kept: KeptOrder) -> Iterator[Check]:
    for what, data in (("training data", kept.train), ("validation data", kept.validation)):
        try:
            require_data(cloud, outputs, data.asset)
        except UserError as error:
            hint = "With the file at hand: tunestack train --like JOB --data FOLDER"
            yield Check(what, "differs", str(error), hint.replace("JOB", kept.job))
        else:
            told = f"{data.asset.removeprefix('azureml:')}, {data.rows} rows"
            yield Check(what, "same", told)


def _place(made: Lineage, kept: KeptOrder, order: Order, outputs: StackOutputs) -> Iterator[Check]:
    cluster = order.cluster or outputs.cluster
    known = outputs.clusters.get(cluster)
    size = known.vm_size if known else kept.vm_size
    if size != kept.vm_size:
        yield Check("node", "unsure", f"{kept.vm_size} then, {size} now")
    elif order.device == "gpu":
        yield Check("node", "unsure", f"{size}: on GPUs the last digits may differ")
    else:
        yield Check("node", "same", size)
    training = kept.recipe.training
    processes = training.processes * training.nodes
    if processes > 1:
        told = f"{processes}: they add up in an order that may change"
        yield Check("processes", "unsure", told)
    measured = made.manifest.get("metrics") or {}
    batch = measured.get("batch_size")
    if batch is not None and batch != training.batch_size:
        told = f"{training.batch_size} ordered, {batch} used: memory did not suffice"
        yield Check("batch size", "unsure", told)


def _losses(made: Lineage) -> dict[tuple[int, str], float]:
    return {
        (int(point["step"]), name): float(point[name])
        for point in made.curve
        for name in ("loss", "eval_loss")
        if name in point
    }
