"""The model to start from: a GGUF file, a folder, a revision on the hub, or a random one."""

import contextlib
import functools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from device import Device
from failure import JobError
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


def load_base(recipe: Recipe, folder: Path | None, texts: list[str], device: Device) -> Base:
    """Load the base model and its tokenizer.

    `folder` is the job's input, where it has one; `texts` are what a random model's tokenizer is
    made from.
    """
    if recipe.base.source == "random":
        tokenizer = random_tokenizer(texts)
        model = random_model(recipe.base.architecture.as_dict(), tokenizer, recipe.training.seed)
    elif folder is None:
        model, tokenizer = _from_hub(recipe.base, device)
    else:
        model, tokenizer = _from_folder(recipe.base, folder, device)
    _settle_padding(model, tokenizer)
    log.info("base model: %s, %.1f M parameters", recipe.base.id, model.num_parameters() / 1e6)
    return model.to(device.kind), tokenizer


def _settings(device: Device) -> dict[str, Any]:
    return {
        "dtype": device.dtype,
        "attn_implementation": "sdpa",
        "trust_remote_code": False,
        "use_safetensors": True,
    }


def _from_hub(base: Recipe, device: Device) -> Base:
    if base.source != "hub":
        raise JobError(f"the base model {base.id} did not reach the job: --base-model is missing")
    try:
        model = AutoModelForCausalLM.from_pretrained(
            base.id, revision=base.revision, **_settings(device)
        )
        tokenizer = AutoTokenizer.from_pretrained(
            base.id, revision=base.revision, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:400]
        raise JobError(f"{base.id} at {base.revision} cannot be loaded: {reason}") from error
    return model, tokenizer


def _from_folder(base: Recipe, folder: Path, device: Device) -> Base:
    if base.file:
        return _from_gguf(_find(folder, base.file), device)
    found = _find(folder, "config.json").parent
    tokenizer = AutoTokenizer.from_pretrained(found, trust_remote_code=False)
    return AutoModelForCausalLM.from_pretrained(found, **_settings(device)), tokenizer


def _find(folder: Path, name: str) -> Path:
    """Find a file in a mounted model, whose files lie at the top or one folder down."""
    for pattern in (name, f"*/{name}", f"**/{name}"):
        if found := sorted(folder.glob(pattern)):
            return found[0]
    raise JobError(f"the base model is not there: no {name} in {folder}")


def _from_gguf(file: Path, device: Device) -> Base:
    """Load a GGUF file as an ordinary model: its weights are multiplied out, in float32."""
    with _read_gguf_once():
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        model = AutoModelForCausalLM.from_pretrained(
            file.parent, gguf_file=file.name, **_settings(device) | {"dtype": torch.float32}
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
