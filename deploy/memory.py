"""What a model needs of a VM size: memory by part, and the time of an answer on processors.

Figures are for the shapes that models of a size have; a model with fewer key-value heads needs
less for its cache. Speeds were measured, never guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from core.catalog import VmSize, vm_size

PARAMETERS = 3_821_079_552
"""Phi-3.5-mini's, of which a model is taken to have as many where its tags do not tell."""
INT4_BYTES = 0.6
"""A weight in four bits with its scales; embeddings stay at eight."""
OVERHEAD_GB = 1.5
"""Python and its libraries, on a GPU the CUDA context."""
USABLE = 0.9
"""Of the memory of a machine: the rest is the system's, and on a GPU what fragments."""
ALONE_TOKENS = 4096
"""The cache of one conversation that a deployment has to have room for."""
EACH_TOKENS = 1024
"""The cache of each of many conversations at once: a question and an answer of usual length."""
GIB = 1.073741824

SPEEDS = {"float32": (37.0, 1.9), "bfloat16": (22.0, 3.4), "int4": (78.0, 10.0)}
"""Tokens a second that were read and written: Phi-3.5-mini's size on two virtual cores with
AVX-512, one request at a time, 2026-11-21."""
ANSWER_TOKENS = 256
REQUEST_SECONDS = 180
SLOW_SECONDS = 30


@dataclass(frozen=True)
class Need:
    """Memory in GB, by part."""

    weights: float
    overhead: float
    token: float
    """The cache of one token."""

    @property
    def alone(self) -> float:
        """For one long conversation: less does not serve at all."""
        return self.weights + self.overhead + self.token * ALONE_TOKENS

    def together(self, conversations: int) -> float:
        """For so many conversations at once."""
        return self.weights + self.overhead + self.token * EACH_TOKENS * conversations

    def fitting(self, room: float) -> int:
        """Say how many conversations at once have room."""
        return max(0, int((room - self.weights - self.overhead) / (self.token * EACH_TOKENS)))


def number(runtime: str, name: str) -> str:
    """Name the numbers that a runtime computes a model in on a VM size.

    The scoring program takes bfloat16 only where a processor is fast in it; none of the catalog's
    sizes without a GPU is (AVX512-BF16 and AMX came with the sixth series).
    """
    if runtime == "openvino":
        return "int4"
    size = vm_size(name)
    has_gpu = bool(size.gpus) if size else name.lower().startswith("standard_n")
    return "bfloat16" if has_gpu or size is None else "float32"


def need(parameters: int, runtime: str, name: str) -> Need:
    """Estimate the memory that a model of so many parameters takes."""
    kind = number(runtime, name)
    each = {"float32": 4.0, "bfloat16": 2.0, "int4": INT4_BYTES}[kind]
    # A transformer of L layers, h wide, has about 12 L h² parameters, and is about 96 times as
    # wide as deep; each token keeps 2 L h numbers. Phi-3.5-mini by this: 406 kB, really 393 kB.
    width = (8 * parameters) ** (1 / 3)
    numbers = 2 * (width / 96) * width
    token = numbers * (4 if kind == "float32" else 2)
    return Need(parameters * each / 1e9, OVERHEAD_GB, token / 1e9)


def room(size: VmSize) -> float:
    """Give the memory in GB that a model may take on a size: of one GPU where there is one."""
    return USABLE * GIB * (size.gpu_memory_gib if size.gpus else size.memory_gib)


def parameters_of(tags: Mapping[str, str]) -> int | None:
    """Read a model's size from its tags; None where they do not tell."""
    told = tags.get("parameters", "")
    return int(told) if told.isdigit() else None


def weights_gb(parameters: int | None, runtime: str, name: str) -> float | None:
    """Say how large the weights are in memory; None where the model's size is not known."""
    return None if parameters is None else need(parameters, runtime, name).weights


def answer_seconds(parameters: int, kind: str) -> float:
    """Say how long an answer of usual length takes on two virtual cores."""
    return ANSWER_TOKENS / written_per_second(parameters, kind)


def written_per_second(parameters: int, kind: str) -> float:
    """Say how many tokens a second two virtual cores write: reading weights is most of the work."""
    return SPEEDS[kind][1] * PARAMETERS / parameters


def billions(parameters: int) -> str:
    """Write a number of parameters for a sentence."""
    return f"{parameters / 1e9:.1f} billion"
