"""The result: plain weights, tokenizer and the model's own template, with a manifest of both."""

import json
import logging
from pathlib import Path
from typing import Any

from device import Device
from hashes import file_sha256
from peft import PeftModel
from provenance import libraries
from recipe_file import Recipe
from template_fingerprint import SPECIAL_TOKENS, template_fingerprint
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

log = logging.getLogger("job")

MANIFEST = "tunestack.json"
ADAPTER = "adapter"
"""The folder of a LoRA adapter, in PEFT's form, below the model's."""

OUTCOME = ("kept_step", "best_step", "best_eval_loss", "overfit")
"""What the manifest says beside the losses: which step this is, and how far it over-fits."""


def merged(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """Work the adapters into the weights, so that whoever serves the model needs no PEFT."""
    return model.merge_and_unload() if isinstance(model, PeftModel) else model


def save_tuned(
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    recipe: Recipe,
) -> PreTrainedModel:
    """Write what a training made: the adapter, where it is one, and the merged model; give that."""
    keep_adapter(model, folder, recipe)
    tuned = merged(model)
    save_model(tuned, tokenizer, folder, recipe)
    return tuned


def keep_adapter(model: PreTrainedModel | PeftModel, folder: Path, recipe: Recipe) -> None:
    """Write the adapter beside the merged weights, for servers that hold the base themselves.

    Of a model without adapters, nothing is written.
    """
    if not isinstance(model, PeftModel):
        return
    place = folder / ADAPTER
    model.save_pretrained(place)
    (place / "README.md").unlink(missing_ok=True)  # a card with blanks to fill in
    file = place / "adapter_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    # PEFT writes the node's own path, and sets of names in any order.
    config |= {"base_model_name_or_path": recipe.base.id, "revision": recipe.base.revision or None}
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def save_model(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, recipe: Recipe
) -> None:
    """Write the model as safetensors, with its tokenizer and its own chat template."""
    folder.mkdir(parents=True, exist_ok=True)
    model.config.use_cache = True
    if recipe.samples.repetition_penalty != 1:
        model.generation_config.repetition_penalty = recipe.samples.repetition_penalty
    model.save_pretrained(folder)
    tokenizer.padding_side = "left"  # for answering; training pads by itself
    tokenizer.save_pretrained(folder)


def write_manifest(
    folder: Path,
    recipe: Recipe,
    device: Device,
    data: dict[str, Any],
    figures: dict[str, Any],
) -> dict[str, Any]:
    """Write down what the saved model is and came from; serving compares the fingerprint.

    `data` may name the packages that it was trained with, where they are not those of this process.
    """
    manifest = {
        "fingerprint": saved_fingerprint(folder),
        "recipe": recipe.name,
        "base": recipe.base.id,
        "base_revision": recipe.base.revision,
        "method": recipe.method,
        **data,
        "dtype": device.dtype_name,
        "steps": figures["steps"],
        "train_loss": figures["train_loss"],
        "eval_loss": figures["eval_loss_after"],
        **{name: figures.get(name) for name in OUTCOME},
        "settings": recipe.as_dict(),
        "packages": data.get("packages") or libraries(),
        "files_sha256": {
            path.relative_to(folder).as_posix(): file_sha256(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != MANIFEST
        },
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    return manifest


def saved_fingerprint(folder: Path) -> str:
    """Compute the fingerprint from the files, as the endpoint will see them."""
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    tokens = {name: getattr(tokenizer, name) for name in SPECIAL_TOKENS}
    return template_fingerprint(tokenizer.chat_template, tokens)
