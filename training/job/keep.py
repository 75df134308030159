"""Make of a checkpoint the model that training would have left, had it kept that step.

    python keep.py --recipe recipe.json --run run.json --step N --checkpoints DIR
        --train-file F.jsonl --eval-file F.jsonl [--base-model DIR] --output DIR

run.json is what is known of the run: `job`, `code_sha256`, and the `manifest` and `metrics` that
the job left, where it left any. Ends as node_program.py says.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkpoints import read_json, whole_checkpoints
from hashes import folder_sha256
from node_program import run, settle
from recipe_file import Recipe, read_recipe
from run_metrics import Clock, summary

if TYPE_CHECKING:
    from device import Device
    from material import Material
    from step_outcome import Outcome

TRAINED = ("code_sha256", "base_sha256", "seed", "world_size", "machine", "packages")
"""What the manifest says of the training, and what this program's own process must not."""
OF_THE_JOB = ("seconds", "peak_memory_mb", "is_resumed")
"""Figures that a job writes down at its end; nobody knows them of one that had none."""


def main(arguments: list[str]) -> int:
    """Run the program and give its exit code."""
    order = parse(arguments)
    return run(lambda: keep(order), stopped="nothing is kept, start the job again")


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="keep.py", description="Make a model of a checkpoint.")
    parser.add_argument("--step", type=int, required=True)
    for name in ("recipe", "run", "checkpoints", "train-file", "eval-file", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--base-model", type=Path)
    return parser.parse_args(arguments)


def keep(order: argparse.Namespace) -> None:
    """Merge and save the weights, and describe them."""
    recipe, known = read_recipe(order.recipe), read_json(order.run)
    clock = Clock()
    with clock.phase("imports"):
        from conversations import read_conversations
        from evaluated_weights import checkpoint, load_checkpoint
        from material import read_material
        from preferences import read_pairs
        from saved_model import save_tuned, write_manifest

    place = checkpoint(order.checkpoints, order.step)
    device = trained_on(recipe, known)
    with clock.phase("reading the data"):
        is_dpo = recipe.objective == "dpo"
        material = read_material(order, read_pairs if is_dpo else read_conversations)
    with clock.phase("loading the checkpoint"):
        model, tokenizer = load_checkpoint(place, recipe, order.base_model, material.texts, device)
    with clock.phase("merging and saving"):
        tuned = save_tuned(model, tokenizer, order.output, recipe)
    with clock.phase("manifest"):
        outcome = outcome_at(order.step, recipe, known, order.checkpoints)
        metrics = measured(outcome, known)
        told = lineage(recipe, known, order.base_model, material)
        told |= {"parameters": tuned.num_parameters(), "metrics": figures_of(metrics, known)}
        told |= {"checkpoint": {"job": known["job"], "step": order.step}}
        write_manifest(order.output, recipe, device, told, metrics)
    outcome.tell()


def trained_on(recipe: Recipe, known: dict[str, Any]) -> "Device":
    """Choose the processor of this node, and the number format of the training's."""
    import torch
    from device import Device, choose_device

    device = choose_device(recipe.training.precision)
    dtype = (known.get("manifest") or {}).get("dtype")
    return Device(device.kind, getattr(torch, dtype)) if dtype else device


def outcome_at(step: int, recipe: Recipe, known: dict[str, Any], checkpoints: Path) -> "Outcome":
    """Give what the run came to at a step, as far as anybody wrote down."""
    import memory
    from step_outcome import Outcome

    metrics = known.get("metrics") or {}
    history = [*(metrics.get("curve") or []), *(metrics.get("evaluations") or [])]
    steps = metrics.get("steps")
    if not history or steps is None:  # the job did not come to its end: the newest one knows most
        newest = whole_checkpoints(checkpoints)[0]
        state = read_json(newest / "trainer_state.json")
        history, steps = state.get("log_history") or [], state.get("global_step", step)
    return Outcome(history, memory.fitting(recipe, checkpoints), step, steps)


def measured(outcome: "Outcome", known: dict[str, Any]) -> dict[str, Any]:
    """Give the run's figures, with the losses of the step in the place of the last one's."""
    from step_outcome import MEASURED

    metrics = known.get("metrics") or summary(outcome.history, Clock(), is_resumed=False)
    return metrics | dict.fromkeys(MEASURED) | outcome.as_dict()


def lineage(
    recipe: Recipe, known: dict[str, Any], base_model: Path | None, material: "Material"
) -> dict[str, Any]:
    """Give what went into the training: from its manifest, else what can be told without one."""
    data = {"data_sha256": material.hashes, "system_message": material.system_message}
    if manifest := known.get("manifest"):
        return data | {name: manifest[name] for name in TRAINED if name in manifest}
    return data | {
        "code_sha256": known["code_sha256"],
        "base_sha256": folder_sha256(base_model) if base_model else {},
        "seed": recipe.training.seed,
        "world_size": recipe.training.processes * recipe.training.nodes,
    }


def figures_of(metrics: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Give the run's figures as its own manifest has them, else without those of this process."""
    from provenance import figures

    if of_the_run := (known.get("manifest") or {}).get("metrics"):
        return dict(of_the_run)
    unknown = () if known.get("metrics") else OF_THE_JOB
    return {name: value for name, value in figures(metrics).items() if name not in unknown}


if __name__ == "__main__":
    settle()
    sys.exit(main(sys.argv[1:]))
