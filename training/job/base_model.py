"""The model to start from: a GGUF file, a folder, a revision on the hub, or a random one."""

import contextlib
import functools
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from attention import choose_attention
from base_tokenizer import find, gguf_tokenizer
from device import Device
from failure import JobError
from quantised import four_bits, is_quantised, keep_differentiable, quantise
from random_model import random_model, random_tokenizer
from recipe_file import Recipe
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

log = logging.getLogger("job")

Base = tuple[PreTrainedModel, PreTrainedTokenizerBase]


def load_base(
    recipe: Recipe,
    folder: Path | None,
    texts: Iterable[str],
    device: Device,
    *,
    in_full: bool = False,
) -> Base:
    """Load the base model and its tokenizer; for QLoRA in four bits, unless `in_full`.

    `folder` is the job's input, where it has one; `texts` are what a random model's tokenizer is
    made from.
    """
    in_four_bits = recipe.method == "qlora" and not in_full
    settings = loading_settings(recipe, device)
    if recipe.base.source == "random":
        tokenizer = random_tokenizer(texts)
        model = random_model(recipe.base.architecture.as_dict(), tokenizer, recipe.training.seed)
    elif recipe.base.file and folder is not None:
        model, tokenizer = _from_gguf(find(folder, recipe.base.file), device, settings)
    else:
        smaller = four_bits(device) if in_four_bits else {}
        model, tokenizer = _from_weights(recipe.base, folder, settings | smaller)
    _settle_padding(model, tokenizer)
    log.info("base model: %s, %.1f M parameters", recipe.base.id, model.num_parameters() / 1e6)
    if in_four_bits and not is_quantised(model):
        model = quantise(model, device, settings["attn_implementation"])
    return keep_differentiable(model) if in_four_bits else model.to(device.kind), tokenizer


def loading_settings(recipe: Recipe, device: Device) -> dict[str, Any]:
    """Give what weights are loaded with, from wherever they come."""
    return {
        "dtype": device.dtype,
        "attn_implementation": choose_attention(device, packing=recipe.training.packing),
        "trust_remote_code": False,
        "use_safetensors": True,
    }


def _from_weights(base: Recipe, folder: Path | None, settings: dict[str, Any]) -> Base:
    if folder is None:
        return _from_hub(base, settings)
    found = find(folder, "config.json").parent
    tokenizer = AutoTokenizer.from_pretrained(found, trust_remote_code=False)
    return AutoModelForCausalLM.from_pretrained(found, **settings), tokenizer


def _from_hub(base: Recipe, settings: dict[str, Any]) -> Base:
    if base.source != "hub":
        raise JobError(f"the base model {base.id} did not reach the job: --base-model is missing")
    try:
        model = AutoModelForCausalLM.from_pretrained(base.id, revision=base.revision, **settings)
        tokenizer = AutoTokenizer.from_pretrained(
            base.id, revision=base.revision, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:400]
        raise JobError(f"{base.id} at {base.revision} cannot be loaded: {reason}") from error
    return model, tokenizer


def _from_gguf(file: Path, device: Device, settings: dict[str, Any]) -> Base:
    """Load a GGUF file as an ordinary model: its weights are multiplied out, in float32."""
    with _read_gguf_once():
        tokenizer = gguf_tokenizer(file)
        model = AutoModelForCausalLM.from_pretrained(
            file.parent, gguf_file=file.name, **settings | {"dtype": torch.float32}
        )
    # Nothing is quantised any more, but transformers keeps the marks and Trainer refuses them.
    del model.config.quantization_config
    model.is_quantized = False
    model.hf_quantizer = None
    return model.to(device.dtype), tokenizer


@contextlib.contextmanager
def _read_gguf_once() -> Iterator[None]:
    """Make transformers read a GGUF file's header once instead of three times.

    It asks for the header for the tokenizer, the configuration and the weights, and for the
    table of tensor names once per module; each header costs seconds through a memory map's
    slices. Measured on two cores, SmolLM2-135M: 16 s without this, 4 s with it.
    """
    import gguf

    def read(path: str, dtype: type = np.uint8, mode: str = "r") -> np.ndarray[Any, Any]:
        return np.fromfile(path, dtype=dtype)

    with (
        mock.patch.object(gguf, "GGUFReader", functools.lru_cache(1)(gguf.GGUFReader)),
        mock.patch.object(gguf, "get_tensor_name_map", functools.cache(gguf.get_tensor_name_map)),
        mock.patch.object(np, "memmap", read),
    ):
        yield


def _settle_padding(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Give model and tokenizer the same padding token, before anything is hashed or saved."""
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
