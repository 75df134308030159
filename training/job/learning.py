"""The training itself: from the last whole checkpoint, or from the base model."""

import itertools
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import memory
from checkpoints import (
    UNFINISHED,
    best_evaluation,
    discard,
    kept_steps,
    last_whole_checkpoint,
    step_of,
    whole_checkpoints,
)
from datasets import Dataset
from device import Device
from failure import JobError
from guards import Guard
from notice import notice
from recipe_file import Recipe, is_first_process
from step_outcome import Outcome
from trainers import build_trainer
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainerCallback

log = logging.getLogger("job")

Base = tuple[PreTrainedModel, PreTrainedTokenizerBase]


@dataclass(frozen=True)
class Learned:
    """A trainer that has come to its end."""

    trainer: Trainer
    recipe: Recipe
    """As it was trained: with smaller batches where memory asked for them."""
    is_resumed: bool
    kept_step: int
    """The step whose weights the model has."""

    @property
    def model(self) -> PreTrainedModel:
        """The model as it was trained, without what several processes wrap it in."""
        return self.trainer.accelerator.unwrap_model(self.trainer.model)

    @property
    def outcome(self) -> Outcome:
        """What the training came to at the step that became the model."""
        state = self.trainer.state
        return Outcome(state.log_history, self.recipe, self.kept_step, state.global_step)


@dataclass
class Task:
    """What is to be learned, and with what."""

    device: Device
    data: tuple[Dataset, Dataset]
    """Training rows and those that measure it."""
    checkpoints: Path
    callbacks: list[TrainerCallback]
    load_again: Callable[[], Base]
    """Loads the base model afresh, for another try with smaller batches."""
    lines: Callable[[], Iterable[int]]
    """Gives, row by row, its line in the training file."""
    save_total_limit: int
    """Newest checkpoints that stay."""


def learn(recipe: Recipe, base: Base, task: Task) -> Learned:
    """Train `base`; where memory is not enough, again with smaller batches of the same effect.

    Raises:
        JobError: the loss is no number any more, or memory does not suffice for one conversation.
        Stopped: the node takes itself away; the step is saved.
    """
    recipe = memory.fitting(recipe, task.checkpoints)
    while True:
        outcome = _try(recipe, base, task)
        if isinstance(outcome, Learned):
            return outcome
        _let_go(base[0])
        memory.free()
        recipe = memory.shrunk(recipe, task.checkpoints, outcome)
        base = task.load_again()


def _try(recipe: Recipe, base: Base, task: Task) -> Learned | MemoryError:
    try:
        return _train(recipe, base, task)
    except JobError as error:
        raise JobError(f"{error}; {_what_is_kept(task.checkpoints)}") from error
    except Exception as error:
        if not memory.is_out_of_memory(error):
            raise
        # A new error: the old one's traceback holds the trainer and all its tensors.
        return MemoryError(str(error))


def _train(recipe: Recipe, base: Base, task: Task) -> Learned:
    if is_first_process():
        discard(task.checkpoints / UNFINISHED)
    checkpoint = last_whole_checkpoint(task.checkpoints)
    trainer = build_trainer(
        recipe,
        task.device,
        base,
        task.data,
        task.checkpoints,
        first_evaluation=checkpoint is None,
        callbacks=task.callbacks,
    )
    trainer.rows, trainer.lines = task.data[0], task.lines
    trainer.save_total_limit = task.save_total_limit
    trainer.add_callback(Guard(trainer, checkpoint))
    with notice.at_a_step():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return Learned(trainer, recipe, checkpoint is not None, _keep(trainer, recipe, task))


def _keep(trainer: Trainer, recipe: Recipe, task: Task) -> int:
    """Give the model the weights that the recipe wants kept; give their step."""
    last = trainer.state.global_step
    if recipe.training.keep == "last":
        return last
    steps = {step_of(checkpoint) for checkpoint in whole_checkpoints(task.checkpoints)}
    best = best_evaluation(trainer.state.log_history, steps | {last})
    if best is None or best["step"] == last:
        return last
    log.info("the weights of step %d become the model: %.4f", best["step"], best["eval_loss"])
    trainer._load_from_checkpoint(str(task.checkpoints / f"checkpoint-{best['step']}"))
    return int(best["step"])


def _what_is_kept(checkpoints: Path) -> str:
    steps = kept_steps(checkpoints)
    return f"checkpoint-{steps} is kept" if steps else "no checkpoint had been written"


def _let_go(model: PreTrainedModel) -> None:
    """Free a model's memory, whoever still holds the model."""
    for part in itertools.chain(model.parameters(), model.buffers()):
        part.data = part.data.new_empty(0)
