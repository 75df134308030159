"""What a forward pass keeps for the backward pass, in bytes: layer by layer, as torch keeps it.

Counted from what transformers' Llama and Phi-3 layers do with scaled dot-product attention, PEFT's
adapters beside them; tests/training/job/test_estimate_against_torch.py holds it to what autograd
saves. GPU kernels may keep a little more or less: nothing here was measured on one.
"""

from core.recipe import Lora
from training.estimate.shapes import FUSED, Shape

FULL_PRECISION = 4
"""Bytes of float32, in which norms are computed whatever the model's format is."""


def layer_bytes(shape: Shape, width: int, *, is_masked: bool, lora: Lora | None) -> int:
    """Give the bytes that one layer keeps for one token; `width` is the bytes of a number.

    `is_masked`: keys and values are spread to all heads, as batches with padding need it.
    """
    norms = 2 * shape.hidden * FULL_PRECISION
    gates = 3 * shape.intermediate * width  # gate, its activation, up
    kept = norms + gates + _attention(shape, width, is_masked=is_masked)
    if lora is None:
        normed = 2 * shape.hidden * width  # before the norm's own weights
        inputs = 2 * shape.hidden + shape.intermediate  # of both halves, and of down_proj
        return kept + normed + inputs * width
    return kept + _adapter_inputs(shape, width, lora)


def _attention(shape: Shape, width: int, *, is_masked: bool) -> int:
    """Count queries, keys, values, output, and the logarithm of each row's sum."""
    queries = shape.heads * shape.head_dim
    keys = shape.kv_heads * shape.head_dim
    rows = shape.heads * FULL_PRECISION
    if is_masked and keys < queries:
        return 4 * queries * width + rows
    # Values are a view into the fused matrix's output, which stays whole because of them.
    values = queries + 2 * keys if shape.family in FUSED else keys
    return (2 * queries + keys + values) * width + rows


def _adapter_inputs(shape: Shape, width: int, lora: Lora) -> int:
    """Count the adapters' inputs: copies where they are cast; in float32 those beside share one."""
    adapted = shape.adapted(lora)
    small = len(adapted) * lora.rank * width
    if width < FULL_PRECISION:
        return sum(inputs for inputs, _ in adapted.values()) * width + small
    halves = {_half(name): inputs for name, (inputs, _) in adapted.items()}
    halves.pop("attention's output", None)  # kept by attention itself
    return sum(halves.values()) * width + small


def _half(name: str) -> str:
    if name == "o_proj":
        return "attention's output"
    if name == "down_proj":
        return "the gate's output"
    return "the norm before the gate" if name in ("gate_proj", "up_proj", "gate_up_proj") else "q"
