"""The memory of one process that trains: what is held all the time, and the peak beside it.

Several processes (PyTorch's data parallelism) each hold all of it: more GPUs do not make a model
fit. bfloat16 models are trained in bfloat16 altogether, gradients and AdamW's two averages
included, as training/job/ does it; adapters beside a bfloat16 base are held in float32 by PEFT.
DPO needs no second model: the base is asked beforehand, or is what adapters are switched off from.
"""

from dataclasses import dataclass
from typing import Any

from core.catalog import VmSize
from core.environments import Device
from core.recipe import Recipe
from training.estimate.activations import FULL_PRECISION, layer_bytes
from training.estimate.shapes import Shape
from training.estimate.work import DataSize, Range, active_layers

GIB = 1 << 30
HEAD_TOKENS, HEAD_WORDS = 4096, 32768
"""The tile of TRL's fused output layer (trl 1.16, kernels/chunked_logprob.py)."""
FOUR_BITS = 0.516
"""Bytes of a weight in nf4 with its twice quantised scales: 4.127 bits (QLoRA paper, section 3)."""
CONTEXT = {"gpu": Range(0.5 * GIB, 1.5 * GIB), "cpu": Range(0.9 * GIB, 1.8 * GIB)}
"""CUDA's context, kernels and workspaces, assumed; on a CPU, what torch, transformers and MLflow
take once imported, held by tests/training/job/test_estimate_against_a_run.py."""
FRAGMENTED = 1.12
"""What the allocator holds and nobody uses, at most; an assumption."""
ROW_GUESS = 128
"""Tokens of a short record, where no data is known: for the least that a run may need."""
DDP_COPIES = 1
"""Gradients that PyTorch keeps a second time in its buckets, where there are several processes."""


@dataclass(frozen=True)
class Memory:
    """Bytes of one process, by part. `low` and `high` are the peak."""

    weights: int
    gradients: int
    optimiser: int
    activations: int
    """At the longest batch."""
    head: int
    """Work space of the output layer and the loss."""
    buckets: int
    """Gradients on their way to other processes."""
    context: Range
    least_activations: int
    """At a batch of ordinary records."""

    @property
    def low(self) -> float:
        """The least that it may take: short records, no waste."""
        held = self.weights + self.optimiser + self.buckets
        beside = max(self.head, self.gradients)
        return held + self.least_activations + beside + self.context.low

    @property
    def high(self) -> float:
        """The most: the longest batch, all parts at once, with the allocator's waste."""
        held = self.weights + self.optimiser + self.buckets + self.gradients
        return (held + self.activations + self.head) * FRAGMENTED + self.context.high

    def document(self) -> dict[str, Any]:
        """Give it JSON-ready, in bytes."""
        names = ("weights", "gradients", "optimiser", "activations", "head", "buckets")
        parts = {name: int(getattr(self, name)) for name in names}
        return {**parts, "low": int(self.low), "high": int(self.high)}


def memory_of(recipe: Recipe, shape: Shape, device: Device, data: DataSize | None = None) -> Memory:
    """Reckon what one process needs for a recipe on a kind of processor."""
    width = width_of(recipe, device)
    learning, learning_width = _learning(recipe, shape, width)
    tokens = batch_tokens(recipe, data)
    weights = _weights(recipe, shape, width) + (
        learning * learning_width if _is_lora(recipe) else 0
    )
    several = recipe.training.processes * recipe.training.nodes > 1
    return Memory(
        weights=weights,
        gradients=learning * learning_width,
        optimiser=2 * learning * learning_width,
        activations=_activations(recipe, shape, device, width, tokens.high),
        head=_head(recipe, shape, width, tokens.high),
        buckets=DDP_COPIES * learning * learning_width if several else 0,
        context=CONTEXT[device],
        least_activations=_activations(recipe, shape, device, width, tokens.low),
    )


def device_of(size: VmSize) -> Device:
    """Say what a VM size trains on."""
    return "gpu" if size.gpus else "cpu"


def width_of(recipe: Recipe, device: Device) -> int:
    """Give the bytes of a number: the CPU sizes of the catalog do not compute in bfloat16."""
    precision = recipe.training.precision
    if precision == "auto":
        return 2 if device == "gpu" else FULL_PRECISION
    return 2 if precision == "bfloat16" else FULL_PRECISION


def keeps_checkpoints(recipe: Recipe, device: Device) -> bool:
    """Say whether layers are computed again in the backward pass."""
    asked = recipe.training.gradient_checkpointing
    return device == "gpu" if asked == "auto" else asked


def batch_tokens(recipe: Recipe, data: DataSize | None = None) -> Range:
    """Give the tokens that a processor holds at once: of ordinary records, and at most."""
    ours = recipe.training
    rows = ours.batch_size * (2 if recipe.objective == "dpo" else 1)
    longest = ours.max_length
    if ours.packing:
        return Range(rows * longest, rows * longest)
    if data and data.longest:
        longest = min(longest, data.longest)
    usual = data.bytes / max(1, data.rows) / 5 if data else ROW_GUESS
    return Range(rows * min(usual, longest), rows * longest)


def _is_lora(recipe: Recipe) -> bool:
    return recipe.method != "full"


def _learning(recipe: Recipe, shape: Shape, width: int) -> tuple[int, int]:
    """Count the weights that learn, and the bytes of each."""
    if not _is_lora(recipe):
        return shape.parameters, width
    count = shape.adapters(recipe.lora) * active_layers(recipe, shape)
    # TRL puts the adapters of a four-bit base into bfloat16; PEFT keeps others in float32.
    return count, 2 if recipe.method == "qlora" else FULL_PRECISION


def _weights(recipe: Recipe, shape: Shape, width: int) -> int:
    """Give the base model's bytes: in four bits, but for embedding, output layer and norms."""
    if recipe.method != "qlora":
        return shape.parameters * width
    matrices = shape.layers * shape.layer_matrices
    return int(matrices * FOUR_BITS) + (shape.parameters - matrices) * width


def _activations(recipe: Recipe, shape: Shape, device: Device, width: int, tokens: float) -> int:
    lora = recipe.lora if _is_lora(recipe) else None
    is_masked = recipe.training.packing or recipe.training.batch_size > 1
    layer = layer_bytes(shape, width, is_masked=is_masked, lora=lora)
    ends = shape.hidden * (2 * width + FULL_PRECISION)  # embedding, last norm
    if not keeps_checkpoints(recipe, device):
        kept = active_layers(recipe, shape) * layer + ends
        return int(tokens * kept + _mask(recipe, width, tokens))
    # Every layer's input, and what the layer that is computed again keeps and gives on.
    again = layer + 2 * shape.intermediate * width
    kept = shape.layers * shape.hidden * width + again + ends
    return int(tokens * kept + _mask(recipe, width, tokens) + _unpacked(recipe, shape, width))


def _mask(recipe: Recipe, width: int, tokens: float) -> float:
    """Give the attention mask: packs of a batch lie in one row, of whose square it is."""
    if recipe.training.packing:
        return tokens * tokens * width
    return tokens * tokens * width / max(1, recipe.training.batch_size)


def _unpacked(recipe: Recipe, shape: Shape, width: int) -> int:
    """Give a four-bit matrix that is multiplied out: the largest at a time."""
    if recipe.method != "qlora":
        return 0
    return max(inputs * outputs for inputs, outputs in shape.modules.values()) * width


def _head(recipe: Recipe, shape: Shape, width: int, tokens: float) -> int:
    """Give the tile of logits, the hidden states' gradient and, where it learns, the weights'."""
    tile = min(tokens, HEAD_TOKENS) * min(shape.vocab, HEAD_WORDS) * width
    hidden = tokens * shape.hidden * (FULL_PRECISION + width)
    table = shape.embedding * (FULL_PRECISION + width) if not _is_lora(recipe) else 0
    return int(tile + hidden + table)
