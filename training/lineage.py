"""Where a model comes from: what went in, what came out, what it cost; and how two models differ.

Read from three places: the registry's tags, the manifest beside the weights, and the order that
was kept of the job.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from core.cloud import Cloud
from core.errors import UserError
from core.refs import ModelRef, StackOutputs
from training.artifacts import output_folder
from training.jobs import find_job
from training.kept_orders import KeptOrder, find_order
from training.model_files import model_folder, model_manifest
from training.models import find_model

METRICS = ("train_loss", "eval_loss_before", "eval_loss", "best_eval_loss", "steps", "kept_step",
           "tokens", "tokens_per_second", "seconds", "peak_memory_mb", "parameters")  # fmt: skip


@dataclass(frozen=True)
class Change:
    """Something that is not the same of two models."""

    what: str
    first: Any
    second: Any


@dataclass(frozen=True)
class Lineage:
    """A registered model and all that is known of its making."""

    model: dict[str, Any]
    manifest: dict[str, Any]
    order: KeptOrder | None = None
    curve: list[dict[str, Any]] = field(default_factory=list)
    """What the trainer logged: training losses and evaluations, step by step."""

    @property
    def name(self) -> str:
        """The model as `name:version`."""
        return f"{self.model['name']}:{self.model['version']}"

    @property
    def job(self) -> str:
        """The job that made it."""
        return str(self.model["tags"].get("job", ""))

    @property
    def metrics(self) -> dict[str, Any]:
        """What was measured, the losses of the kept weights among it."""
        known = self.manifest | (self.manifest.get("metrics") or {})
        return {name: known[name] for name in METRICS if known.get(name) is not None}

    @property
    def inputs(self) -> dict[str, str]:
        """What names by its content what went in; empty for what is not known."""
        data, tags = self.manifest.get("data_sha256") or {}, self.model["tags"]
        base = self.manifest.get("base_sha256") or {}
        return {
            "base": str(self.manifest.get("base") or tags.get("base", "")),
            "base revision": str(
                self.manifest.get("base_revision") or tags.get("base_revision", "")
            ),
            "base weights": ", ".join(sorted(base.values())),
            "training data": str(data.get("train") or tags.get("data_sha256", "")),
            "validation data": str(data.get("eval") or tags.get("validation_sha256", "")),
            "code of the job": str(self.manifest.get("code_sha256", "")),
            "environment": self.order.environment if self.order else "",
            "chat template": str(self.manifest.get("fingerprint", "")),
        }

    @property
    def weights(self) -> dict[str, str]:
        """The hashes of the model's files."""
        return dict(self.manifest.get("files_sha256") or {})

    def document(self) -> dict[str, Any]:
        """Give it JSON-ready, the manifest whole."""
        order = self.order.model_dump(mode="json") if self.order else None
        return {**self.model, "manifest": self.manifest, "order": order}


def read_lineage(cloud: Cloud, outputs: StackOutputs, wanted: ModelRef) -> Lineage:
    """Gather what is known of a model; the newest, where no version is named.

    Raises:
        UserError: there is no such model.
    """
    model = find_model(cloud, outputs, wanted)
    job = str(model["tags"].get("job", ""))
    return Lineage(
        model,
        model_manifest(model_folder(cloud, outputs, model)),
        find_order(cloud, outputs, job) if job else None,
        _curve(cloud, outputs, job) if job else [],
    )


def recipe_changes(first: Lineage, second: Lineage) -> list[Change]:
    """List the fields of the recipe that are not the same, by their path."""
    recipes = (dict(flat(one.manifest.get("settings") or {})) for one in (first, second))
    return list(_changes(*recipes))


def library_changes(first: Lineage, second: Lineage) -> list[Change]:
    """List the installed distributions whose versions are not the same."""
    return list(_changes(*(one.manifest.get("packages") or {} for one in (first, second))))


def machine_changes(first: Lineage, second: Lineage) -> list[Change]:
    """List in what the nodes were not the same: processors, drivers, builds, threads."""
    mine, other = (dict(one.manifest.get("machine") or {}) for one in (first, second))
    for one, machine in ((first, mine), (second, other)):
        machine["world_size"] = one.manifest.get("world_size")
        if one.order:
            machine["vm_size"] = one.order.vm_size
    return list(_changes(mine, other))


def input_changes(first: Lineage, second: Lineage) -> list[Change]:
    """List which inputs are not the same, or not known of one."""
    return list(_changes(first.inputs, second.inputs))


def flat(fields: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield nested fields by their dotted path."""
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _changes(first: dict[str, Any], second: dict[str, Any]) -> Iterator[Change]:
    for name in sorted(first.keys() | second.keys()):
        if first.get(name) != second.get(name):
            yield Change(name, first.get(name), second.get(name))


def _curve(cloud: Cloud, outputs: StackOutputs, job: str) -> list[dict[str, Any]]:
    try:
        folder = output_folder(cloud, outputs, find_job(cloud, outputs, job), "report")
        found = json.loads(folder.read("metrics.json") or b"{}")
    except (UserError, ValueError):  # its job is deleted, or never wrote it whole
        return []
    return [*(found.get("curve") or []), *(found.get("evaluations") or [])]
