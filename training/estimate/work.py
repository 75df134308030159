"""How much there is to compute: tokens, steps and floating-point operations of a run."""

import math
from dataclasses import dataclass

from core.recipe import Recipe
from training.estimate.shapes import Shape

BYTES_PER_TOKEN = (3.2, 5.5)
"""Of a chat record's JSON line per token of the rendered chat, for English with vocabularies from
32,000 to 200,000: the record's own syntax is read by nobody, the template adds a few tokens a
turn. Measured with this repository's sample data and SmolLM2: 5.0."""
LEARNED = 0.5
"""Share of tokens that carry loss where nobody has counted: only those reach the output layer."""
PACKED = 0.95
"""How full packs are: best-fit decreasing leaves little (trl, `bfd_split`)."""
UNPADDED = 0.97
"""Share of a batch that is no padding: batches are made of chats of a like length."""


@dataclass(frozen=True)
class Range:
    """The least and the most that a figure may be."""

    low: float
    high: float

    def __add__(self, other: "Range | float") -> "Range":
        more = other if isinstance(other, Range) else Range(other, other)
        return Range(self.low + more.low, self.high + more.high)

    def times(self, factor: float) -> "Range":
        """Scale both ends."""
        return Range(self.low * factor, self.high * factor)


@dataclass(frozen=True)
class DataSize:
    """How large a data file is; `tokens` where they have been counted."""

    rows: int
    bytes: int
    tokens: int | None = None
    learned_tokens: int | None = None
    """Of them, those that carry loss."""
    longest: int | None = None
    """Tokens of the longest record."""


@dataclass(frozen=True)
class Tokens:
    """What a run reads."""

    epoch: Range
    """Tokens of the training file."""
    epochs: float
    total: Range
    """Tokens that the training reads, all epochs."""
    validation: Range
    """Tokens of one evaluation."""
    steps: Range
    """Optimiser steps."""
    learned: float
    """Share of the tokens that carry loss."""
    is_counted: bool
    """False: reckoned from the file's bytes."""


def tokens_of(recipe: Recipe, train: DataSize, validation: DataSize | None) -> Tokens:
    """Reckon what a run of a recipe reads of its data."""
    ours = recipe.training
    sides = 2 if recipe.objective == "dpo" else 1
    epoch = _tokens(train, sides)
    update = ours.batch_size * ours.accumulation * ours.processes * ours.nodes
    per_epoch = _steps(recipe, train, epoch, update)
    steps, epochs = per_epoch.times(ours.epochs), float(ours.epochs)
    if ours.max_steps > 0:
        # An epoch's share is the same whatever its tokens are: by the middle of both ends.
        share = ours.max_steps / ((per_epoch.low + per_epoch.high) / 2)
        steps, epochs = Range(ours.max_steps, ours.max_steps), share
    return Tokens(
        epoch=epoch,
        epochs=epochs,
        total=epoch.times(epochs),
        validation=_tokens(validation, sides) if validation else Range(0, 0),
        steps=Range(math.ceil(steps.low), math.ceil(steps.high)),
        learned=_learned(train),
        is_counted=train.tokens is not None,
    )


def _steps(recipe: Recipe, train: DataSize, epoch: Range, update: int) -> Range:
    """Count the optimiser steps of an epoch: by packs, or by records."""
    if not recipe.training.packing:
        steps = max(1.0, train.rows / update)
        return Range(steps, steps)
    pack = recipe.training.max_length * PACKED * update
    return Range(max(1.0, epoch.low / pack), max(1.0, epoch.high / pack))


def _tokens(size: DataSize, sides: int) -> Range:
    """Give the tokens of a file: counted, or by its bytes; a pair's question is read twice."""
    if size.tokens is not None:
        return Range(size.tokens, size.tokens)
    least, most = BYTES_PER_TOKEN
    asked_twice = 1.5 if sides == 2 else 1.0
    return Range(size.bytes / most, size.bytes / least * asked_twice)


def _learned(train: DataSize) -> float:
    if train.tokens and train.learned_tokens is not None:
        return train.learned_tokens / train.tokens
    return LEARNED


def read_share(recipe: Recipe) -> float:
    """Give the share of what the processor reads that is text and no padding."""
    return PACKED if recipe.training.packing else UNPADDED


def flops_per_token(
    recipe: Recipe, shape: Shape, length: float, learned: float, *, checkpoints: bool
) -> float:
    """Count the floating-point operations of training on one token, all passes.

    Two for each weight of a matrix a pass: forward; backward to the inputs; backward to the
    weights, which frozen ones are spared; forward again where checkpoints are kept. The output
    layer reads learned tokens only. `length` is how many tokens attention looks at.
    """
    is_full = recipe.method == "full"
    layer = 2.0 * shape.layer_matrices + 4.0 * shape.heads * shape.head_dim * length
    weights = 2.0 * (shape.layer_matrices if is_full else shape.adapters(recipe.lora))
    learning = shape.layers if is_full or checkpoints else active_layers(recipe, shape)
    adapted = shape.layers if is_full else active_layers(recipe, shape)
    attention_again = 4.0 * shape.heads * shape.head_dim * length
    forward = shape.layers * layer
    backward = learning * (layer + attention_again) + adapted * weights
    again = shape.layers * layer if checkpoints else 0.0
    head = 2.0 * shape.vocab * shape.hidden * learned * (4 if is_full else 3)
    once = forward + backward + again + head
    if recipe.objective == "dpo":  # the base reads the same, forward only
        once += forward + 2.0 * shape.vocab * shape.hidden * learned
    return once


def flops_forward(shape: Shape, length: float, learned: float) -> float:
    """Count the operations of reading one token, as an evaluation does."""
    layer = 2.0 * shape.layer_matrices + 4.0 * shape.heads * shape.head_dim * length
    return shape.layers * layer + 2.0 * shape.vocab * shape.hidden * learned


def active_layers(recipe: Recipe, shape: Shape) -> int:
    """Count the layers that learn."""
    wanted = recipe.lora.layers if recipe.method != "full" else 0
    return min(wanted, shape.layers) if wanted else shape.layers
