"""How long a run takes: operations over what a processor really reaches, as a range.

The shares are assumptions. Tuned training code reaches 43 to 76 % of an A100's peak and 35 to 59 %
of an H100's, recomputation counted (mosaicml/llm-foundry, scripts/train/benchmarking, models of
0.1 to 13 billion parameters); transformers without compiled norms reaches less, how much less
was not measured here. A job of the same kind that has run replaces all of this.
"""

from dataclasses import dataclass

from core.catalog import VmSize
from core.recipe import Recipe
from training.estimate.measured import Measured
from training.estimate.memory import batch_tokens, device_of, keeps_checkpoints
from training.estimate.shapes import Shape
from training.estimate.work import (
    DataSize,
    Range,
    Tokens,
    active_layers,
    flops_forward,
    flops_per_token,
    read_share,
)

TERA = 1e12


@dataclass(frozen=True)
class Processor:
    """Operations a second at the datasheet's peak, and the share that training reaches."""

    peak: float
    reached: Range


GPUS = {
    # Dense bfloat16 peaks of NVIDIA's datasheets. A T4 has none: torch emulates it in float32.
    "A100": Processor(312 * TERA, Range(0.25, 0.60)),
    "H100": Processor(835 * TERA, Range(0.18, 0.50)),
    "T4": Processor(8.1 * TERA, Range(0.20, 0.60)),
    "V100": Processor(15.7 * TERA, Range(0.20, 0.60)),
}
CPU_CORE = Range(8e9, 35e9)
"""Operations a second of a virtual core (half a core) in float32. The high end follows from the 340
tokens a second of SmolLM2 on two cores with AVX-512 (training/job/device.py); that older processors
with AVX2 reach a quarter of it is an assumption."""
IN_FLOAT32 = {"A100": 19.5 / 312, "H100": 60 / 835}
"""What is left of the peak in float32, which training/job/ computes without TF32."""
LAUNCH = Range(0.0006, 0.0025)
"""Seconds a layer and pass take at least on a GPU, however little there is to compute: Python
starts some sixty kernels. An assumption; it rules small models and short batches."""
NODE_START = Range(180, 600)
"""Seconds until a cluster at 0 nodes has one that runs the image, once that is built and pulled;
Azure's documents say minutes. The image's first build takes 10 to 30 minutes more."""
IMPORTS = Range(20, 60)
LOADED = Range(0.1e9, 1.0e9)
"""Bytes a second at which weights come from the hub or a mounted store."""
SAMPLE_TOKENS = {"gpu": Range(15, 45), "cpu": Range(3, 25)}
"""Tokens a second that one batch of answers grows by, assumed for GPUs."""
SAMPLE_BATCH = 20
SPREAD = Range(0.92, 1.15)
"""How far a run strays from a job of the same kind that was measured."""
SHARED_BY_PROCESSES = 0.85
"""Of each further processor's work, what is left after they have told each other."""


def tokens_per_second(
    recipe: Recipe, shape: Shape, size: VmSize, tokens: Tokens, data: DataSize | None
) -> Range:
    """Give how many tokens all processes of one node together train on in a second."""
    checkpoints = keeps_checkpoints(recipe, device_of(size))
    batch = batch_tokens(recipe, data)
    length = batch.high if recipe.training.packing else batch.high / recipe.training.batch_size
    operations = flops_per_token(recipe, shape, length, tokens.learned, checkpoints=checkpoints)
    reached = reached_by(recipe, size)
    usual = batch.low if not recipe.training.packing else batch.high
    passes = (2 if checkpoints else 1) * shape.layers + 2 * active_layers(recipe, shape)
    least = LAUNCH.times(passes) if size.gpus else Range(0, 0)
    read = read_share(recipe)
    fastest = usual * read / max(usual * operations / reached.high, least.low)
    slowest = usual * read / (usual * operations / reached.low + least.high)
    return Range(slowest, fastest).times(_processes(recipe, size))


def reached_by(recipe: Recipe, size: VmSize) -> Range:
    """Give the operations a second that one process reaches."""
    if not size.gpus:
        return CPU_CORE.times(size.vcpus / min(size.vcpus, recipe.training.processes))
    gpu = GPUS.get(size.gpu, GPUS["T4"])
    share = IN_FLOAT32.get(size.gpu, 1.0) if recipe.training.precision == "float32" else 1.0
    return gpu.reached.times(gpu.peak * share)


def _processes(recipe: Recipe, size: VmSize) -> float:
    """Say how many times one process's work gets done in the same time."""
    count = recipe.training.processes * recipe.training.nodes
    return 1 + (count - 1) * SHARED_BY_PROCESSES


def seconds_of(
    recipe: Recipe,
    shape: Shape,
    size: VmSize,
    tokens: Tokens,
    data: DataSize | None,
    measured: Measured | None,
) -> Range:
    """Give the seconds from the submission to the model, without the image's first build."""
    rate = tokens_per_second(recipe, shape, size, tokens, data)
    if measured is not None:
        rate = SPREAD.times(measured.tokens_per_second)
    training = Range(tokens.total.low / rate.high, tokens.total.high / rate.low)
    return training + _evaluations(recipe, shape, size, tokens, rate) + _around(recipe, shape, size)


def _evaluations(recipe: Recipe, shape: Shape, size: VmSize, tokens: Tokens, rate: Range) -> Range:
    """Reckon the evaluations: before the first step, and every epoch or so many steps."""
    every = recipe.training.eval_steps
    count = 1 + (tokens.steps.high / every if every else max(1.0, tokens.epochs))
    checkpoints = keeps_checkpoints(recipe, device_of(size))
    once = flops_per_token(recipe, shape, 1, tokens.learned, checkpoints=checkpoints)
    share = flops_forward(shape, 1, tokens.learned) / once
    least, most = tokens.validation.low / rate.high, tokens.validation.high / rate.low
    return Range(least, most).times(count * share)


def _around(recipe: Recipe, shape: Shape, size: VmSize) -> Range:
    """Reckon node, imports, loading, samples before and after, saving."""
    read = shape.parameters * 2
    moved = Range(2 * read / LOADED.high, 2 * read / LOADED.low)
    rate = SAMPLE_TOKENS["gpu" if size.gpus else "cpu"]
    batches = -(-recipe.samples.count // SAMPLE_BATCH)
    written = 2 * batches * recipe.samples.max_new_tokens
    slower = max(1.0, shape.parameters / 3.8e9) if size.gpus else shape.parameters / 0.135e9
    samples = Range(written / 3 / rate.high, written / rate.low).times(slower)
    return NODE_START + IMPORTS + moved + samples
