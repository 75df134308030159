"""A training as a managed service orders it here, and what comes of it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True)
class TuningOrder:
    """What to train on and how; sizes and rates are the service's choice, made already."""

    train: Path
    """JSONL without a byte order mark: chats, or pairs as `training/job` reads them."""
    validation: Path | None
    objective: Literal["sft", "dpo"] = "sft"
    epochs: int = 3
    batch_size: int = 4
    learning_rate: float = 2e-3
    seed: int = 0
    beta: float = 0.1
    start: Path | None = None
    """A tuned model's folder to go on from; None: the small model that plays every base."""
    epoch_checkpoints: int = 3
    """Of how many last epochs the model is kept, the end included."""


@dataclass(frozen=True)
class Step:
    """What was measured at an update; None where it was not measured there."""

    step: int
    steps: int
    train_loss: float | None = None
    train_accuracy: float | None = None
    valid_loss: float | None = None
    valid_accuracy: float | None = None


@dataclass(frozen=True)
class Kept:
    """A model of the training as a folder that `local.tuning.serving` can serve."""

    step: int
    folder: Path
    measured: Step | None = None


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    kind: Literal["succeeded", "failed", "stopped"]
    """`stopped`: `running.stop` was called; what it had reached is kept and it can go on."""
    reason: str = ""
    """Why it failed, with the end of its log."""
    model: Path | None = None
    checkpoints: tuple[Kept, ...] = ()
    """Of the last epochs and of every stop, newest first, the model's own state among them."""
    tokens: int = 0
    """Trained on: tokens of the file times epochs."""
    seconds: float = 0.0
    curve: tuple[Step, ...] = field(default=())


class Listener(Protocol):
    """Who is told how a training goes; called from the training's thread, one after another."""

    def began(self) -> None:
        """Hear that the program runs; once more after a pause or a restart of the local Azure."""

    def stepped(self, step: Step) -> None:
        """Hear what was measured."""

    def ended(self, outcome: Outcome) -> None:
        """Hear that it is over, or stopped; nothing is told after that."""
