"""The weights of a side: the base, a registered model, or a checkpoint of the training.

All in the recipe's number format and none in four bits: a checkpoint as the model that training
would have made of it.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import memory
from base_model import Base, load_base, loading_settings
from base_tokenizer import find
from checkpoints import is_whole, read_json
from device import Device
from failure import JobError
from peft import PeftModel
from recipe_file import Recipe
from saved_model import MANIFEST, merged
from template_fingerprint import SPECIAL_TOKENS, template_fingerprint
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)


def load_side(
    side: Recipe, recipe: Recipe, order: argparse.Namespace, texts: Iterable[str], device: Device
) -> Base:
    """Load the model and the tokenizer of a side.

    Raises:
        JobError: it is not there, not whole, or its template is not that of its manifest.
    """
    if side.kind == "model":
        model, tokenizer = _registered(order.model[side.model], recipe, device)
    elif side.kind == "checkpoint":
        place = checkpoint(order.checkpoints, side.step)
        model, tokenizer = load_checkpoint(place, recipe, order.base_model, texts, device)
        model = merged(model)
    else:
        model, tokenizer = load_base(recipe, order.base_model, texts, device, in_full=True)
    return model.to(device.kind).eval(), tokenizer


def _registered(root: Path, recipe: Recipe, device: Device) -> Base:
    folder = find(root, MANIFEST).parent
    manifest = read_json(folder / MANIFEST)
    if (runtime := manifest.get("runtime", "transformers")) != "transformers":
        raise JobError(f"the model is made for {runtime}; here only plain weights can be scored")
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    found, expected = fingerprint(tokenizer), manifest.get("fingerprint")
    if found != expected:
        raise JobError(
            "the chat template or its special tokens differ from those in training:"
            f" {MANIFEST} says {expected}, the model's files give {found}"
        )
    settings = loading_settings(recipe, device)
    return AutoModelForCausalLM.from_pretrained(folder, **settings), tokenizer


def checkpoint(folder: Path | None, step: int) -> Path:
    """Give the folder of a whole checkpoint.

    Raises:
        JobError: there is none.
    """
    place = (folder or Path()) / f"checkpoint-{step}"
    if folder is None or not is_whole(place):
        raise JobError(f"there is no whole checkpoint of step {step}")
    return place


def load_checkpoint(
    place: Path, recipe: Recipe, base_model: Path | None, texts: Iterable[str], device: Device
) -> tuple[PreTrainedModel | PeftModel, PreTrainedTokenizerBase]:
    """Load the weights of a checkpoint, adapters on their unquantised base, and the tokenizer."""
    model, tokenizer = load_base(recipe, base_model, texts, device, in_full=True)
    if (place / "adapter_config.json").is_file():
        return PeftModel.from_pretrained(model, place), tokenizer
    del model  # two of them may be more than the memory holds
    memory.free()
    settings = loading_settings(recipe, device)
    return AutoModelForCausalLM.from_pretrained(place, **settings).to(device.kind), tokenizer


def fingerprint(tokenizer: PreTrainedTokenizerBase) -> str:
    """Give the fingerprint of a tokenizer's template, which decides what prompts look like."""
    if not isinstance(tokenizer.chat_template, str):
        raise JobError("the model's tokenizer has no chat template")
    tokens = {name: getattr(tokenizer, name, None) for name in SPECIAL_TOKENS}
    return template_fingerprint(tokenizer.chat_template, tokens)
