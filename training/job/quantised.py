"""QLoRA's base model: held in four bits while adapters learn, whole again when they are merged."""

import logging
import tempfile
from collections.abc import Callable
from typing import Any

import torch
from device import Device
from peft import (
    PeftModel,
    get_peft_model,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

log = logging.getLogger("job")


def four_bits(device: Device) -> dict[str, Any]:
    """Say how `from_pretrained` loads weights in four bits, on the processor that trains.

    nf4 with quantised scales, as in the QLoRA paper: about 0.52 bytes a weight. Products are
    computed in the job's number format.
    """
    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=device.dtype,
        ),
        "device_map": {"": torch.cuda.current_device() if device.is_gpu else "cpu"},
    }


def keep_differentiable(model: PreTrainedModel) -> PreTrainedModel:
    """Keep bitsandbytes from packing weights for answering when a model is only being measured.

    On CPUs with AVX512-BF16 it packs them in the first forward of an evaluation and never back,
    for a product that has no gradient: adapters of earlier layers would learn nothing from then
    on, without an error (seen with bitsandbytes 0.50).
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model


def is_quantised(model: PreTrainedModel | PeftModel) -> bool:
    """Tell whether a model's weights are held in four bits."""
    return bool(getattr(model, "is_loaded_in_4bit", False))


def quantise(model: PreTrainedModel, device: Device, attention: str) -> PreTrainedModel:
    """Hold a model that is in memory in four bits; its weights go through a folder on the disk."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return AutoModelForCausalLM.from_pretrained(
            folder, dtype=device.dtype, attn_implementation=attention, **four_bits(device)
        )


def unquantised(
    model: PreTrainedModel | PeftModel, load_base: Callable[[], PreTrainedModel]
) -> PreTrainedModel | PeftModel:
    """Put adapters that learned on four bits onto the base as it was before; others pass through.

    Merged into the four-bit weights they would be rounded to four bits themselves. The price:
    the base is loaded a second time, two bytes a weight in bfloat16 (7.6 GB for Phi-3.5-mini)
    beside the quantised one; and the adapters, which made up for the rounding of the base, now
    meet it unrounded, so that the saved model's loss differs a little from the last measured.
    """
    if not is_quantised(model):
        return model
    log.info("loading the base model again, unquantised, for the adapters to be merged into")
    whole = get_peft_model(load_base(), model.peft_config["default"])
    set_peft_model_state_dict(whole, get_peft_model_state_dict(model))
    return whole
