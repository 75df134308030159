"""Have models and checkpoints answered and scored by a job on a node, with the training's program.

What is asked and what comes back are plain JSON lines: what they mean is evaluation's affair.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class NodeSide:
    """Weights that lie in the workspace."""

    name: str
    """Unique in an order; names the side in what comes back."""
    job: str
    """The training job: its order says recipe, base model and template."""
    kind: Literal["base", "model", "checkpoint"]
    model: str = ""
    """`name:version`, where kind is `model`."""
    step: int = 0
    """Where kind is `checkpoint`."""
