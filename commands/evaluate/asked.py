"""A side together with how its answers are come by: what `sides.resolve` gives the collectors."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.talking.asking import Line
from evaluation.sides import Side
from training.evaluating import NodeSide


@dataclass(frozen=True)
class Live:
    """Answers of something that is deployed: asked one by one, timed."""

    open: Callable[[], Line]
    """Opens a line of its own for each worker."""
    workers: int = 4
    """How many questions are asked at a time."""


@dataclass(frozen=True)
class OnNode:
    """Answers and losses of weights, made by a job on a node of the cluster."""

    source: NodeSide


@dataclass(frozen=True)
class Saved:
    """Answers that were written down before."""

    path: Path


@dataclass(frozen=True)
class Asked:
    """One side and the way to its answers."""

    side: Side
    way: Live | OnNode | Saved
