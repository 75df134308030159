"""What the job leaves behind: the model with its manifest, the samples and the metrics."""

import argparse
import logging
from functools import partial
from typing import Any

from base_model import load_base
from checkpoints import Before
from device import Device
from learning import Learned
from material import Material
from provenance import figures, provenance
from quantised import unquantised
from recipe_file import Recipe
from run_metrics import Clock, summary, write_metrics
from samples import answers, write_samples
from saved_model import save_tuned, write_manifest
from transformers import PreTrainedTokenizerBase

log = logging.getLogger("job")


def leave_result(
    order: argparse.Namespace,
    recipe: Recipe,
    device: Device,
    material: Material,
    before: Before,
    learned: Learned,
    tokenizer: PreTrainedTokenizerBase,
    clock: Clock,
) -> dict[str, Any]:
    """Save the model and everything that is told of it; give what metrics.json holds."""
    asked = material.asked(recipe.samples.count)
    with clock.phase("merging and saving"):
        base = partial(load_base, recipe, order.base_model, material.texts, device, in_full=True)
        whole = unquantised(learned.model, lambda: base()[0])
        tuned = save_tuned(whole, tokenizer, order.output, recipe)
    with clock.phase("answers of the tuned model"):
        after = answers(tuned, tokenizer, asked, recipe.samples)
        write_samples(order.report / "samples.jsonl", asked, before["answers"], after)

    history = learned.trainer.state.log_history
    metrics = summary(history, clock, is_resumed=learned.is_resumed)
    metrics |= learned.outcome.as_dict()
    with clock.phase("manifest"):
        known = {"data_sha256": material.hashes, "system_message": material.system_message}
        known |= provenance(recipe, order.base_model)
        known |= {"parameters": tuned.num_parameters(), "metrics": figures(metrics)}
        write_manifest(order.output, recipe, device, known, metrics)
    write_metrics(order.report / "metrics.json", metrics)
    learned.outcome.tell()
    return metrics
