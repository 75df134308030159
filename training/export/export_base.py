"""The model that a tuned one started from, as a folder that is served like the tuned one.

    python export_base.py --exported-from NAME:VERSION --tuned FILE --recipe FILE
        [--base-model DIR] [--train-file FILE] --output DIR

Loaded and saved by the training program's own modules, which lie beside this one: same tokenizer,
same template, same padding, same number format. Nothing was trained. It runs on the processor.
"""

import argparse
import logging
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

log = logging.getLogger("export")


def export(order: argparse.Namespace, began: float) -> None:
    """Save the base and describe it."""
    from tuned_model import write_manifest

    tuned, facts = save_base(order)
    write_manifest(order.output, tuned, "base", began, facts)


def save_base(order: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """Load, save and check the base; give the tuned model and what the manifest says otherwise."""
    import torch
    from base_model import load_base
    from device import Device
    from failure import JobError
    from recipe_file import read_recipe
    from saved_model import save_model
    from tuned_model import ExportError, check_template

    logging.getLogger("job").setLevel(logging.INFO)
    tuned = tuned_model(order)
    dtype = str(tuned.manifest.get("dtype") or "float32")
    try:
        recipe = read_recipe(order.recipe)
        device = Device("cpu", getattr(torch, dtype))
        said = texts(recipe, order.train_file)
        model, tokenizer = load_base(recipe, order.base_model, said, device, in_full=True)
    except JobError as error:
        raise ExportError(str(error)) from error
    save_model(model.to(device.dtype), tokenizer, order.output, recipe)
    check_template(order.output, tuned.manifest)
    check_finite(model, tokenizer)
    facts = {"is_base": True, "dtype": dtype, "parameters": model.num_parameters()}
    return tuned, facts | dict.fromkeys(OF_TUNING)


OF_TUNING = ("method", "data_sha256", "seed")
"""What the manifest says of a training, and of which its base knows nothing."""


def tuned_model(order: argparse.Namespace) -> Any:
    """Take the tuned model's manifest, which comes with the program; its weights are not needed."""
    from tuned_model import TunedModel, file_sha256, read_manifest

    manifest = read_manifest(order.tuned)
    return TunedModel(order.exported_from, order.tuned.parent, manifest, file_sha256(order.tuned))


def texts(recipe: Any, train_file: Path | None) -> Iterable[str]:
    """Give what a random model's tokenizer was made from; other models bring their own."""
    if recipe.base.source != "random" or train_file is None:
        return ()
    if recipe.objective == "dpo":
        from preferences import read_pairs

        return read_pairs(train_file).texts
    from conversations import read_conversations

    return read_conversations(train_file).texts


def check_finite(model: Any, tokenizer: Any) -> None:
    """Make the model compute once.

    Raises:
        ExportError: what it computes is no number.
    """
    import torch
    from tuned_model import ExportError

    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello"}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    with torch.inference_mode():
        if not torch.isfinite(model(**asked).logits).all():
            raise ExportError("the base model computes NaN or infinity for a short question")


if __name__ == "__main__":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    from export_program import run

    sys.exit(run(export, sys.argv[1:], ("tuned", "recipe", "base-model", "train-file")))
