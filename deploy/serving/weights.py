"""A model's weights, loaded where they compute fastest on this machine."""

import logging
from pathlib import Path
from typing import Any

import torch
from model_folder import MANIFEST, UnusableModel
from transformers import AutoModelForCausalLM

log = logging.getLogger("azmlinfsrv.tunestack")


def load_weights(folder: Path, manifest: dict[str, Any]) -> Any:
    """Load the model in `folder`, ready to answer.

    Raises:
        UnusableModel: its files cannot be read, lack weights, or no device can hold them.
    """
    device, dtype = _placement(manifest)
    log.info("loading %s as %s on %s", folder, dtype, device)
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            attn_implementation="sdpa",
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
        model = model.to(device).eval()
    except Exception as error:  # safetensors and torch raise kinds of their own
        raise UnusableModel(
            f"The weights in {folder} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    missing = sorted(report["missing_keys"])
    if missing:
        # transformers fills them with random numbers and goes on.
        raise UnusableModel(f"The weights in {folder} lack {', '.join(missing[:4])}.")
    return model


def _placement(manifest: dict[str, Any]) -> tuple[str, Any]:
    if torch.cuda.is_available():
        return "cuda", torch.bfloat16
    if Path("/dev/nvidiactl").exists():
        raise UnusableModel(
            f"There is a GPU, but torch {torch.__version__} (CUDA {torch.version.cuda}) cannot"
            " use it: its driver is probably too old."
        )
    dtype = getattr(torch, str(manifest.get("dtype", "float32")).removeprefix("torch."), None)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise UnusableModel(f"{MANIFEST} names no dtype: {manifest.get('dtype')!r}.")
    return "cpu", dtype if _computes_in(dtype) else torch.float32


def _computes_in(dtype: torch.dtype) -> bool:
    """Say whether this processor is fast in `dtype`; float32 holds what a shorter one held."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    fast = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return dtype is torch.float32 or (dtype is torch.bfloat16 and fast)
