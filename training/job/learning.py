"""The training itself: from the last whole checkpoint, or from the base model."""

from dataclasses import dataclass
from pathlib import Path

from checkpoints import last_whole_checkpoint
from datasets import Dataset
from device import Device
from recipe_file import Recipe
from trainers import build_trainer
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback
from trl import SFTTrainer


@dataclass(frozen=True)
class Learned:
    """A trainer that has come to its end."""

    trainer: SFTTrainer
    is_resumed: bool

    @property
    def model(self) -> PreTrainedModel:
        """The model as it was trained, without what several processes wrap it in."""
        return self.trainer.accelerator.unwrap_model(self.trainer.model)


def learn(
    recipe: Recipe,
    device: Device,
    base: tuple[PreTrainedModel, PreTrainedTokenizerBase],
    data: tuple[Dataset, Dataset],
    checkpoints: Path,
    callbacks: list[TrainerCallback],
) -> Learned:
    """Train `base` on the first data set; the second one measures it.

    Raises:
        JobError: the loss is no number any more.
    """
    checkpoint = last_whole_checkpoint(checkpoints)
    trainer = build_trainer(
        recipe,
        device,
        base,
        data,
        checkpoints,
        first_evaluation=checkpoint is None,
        callbacks=callbacks,
    )
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return Learned(trainer, checkpoint is not None)
