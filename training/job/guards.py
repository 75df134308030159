"""When a trainer measures, saves and stops, so that a restarted job has the same curve."""

from pathlib import Path
from typing import Any

from checkpoints import best_evaluation
from notice import Stopped, notice
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class Guard(TrainerCallback):
    """Measure before saving, save what measured best, and stop when the node says so."""

    def __init__(self, trainer: Any, checkpoint: Path | None) -> None:
        self._trainer = trainer
        self._checkpoint = checkpoint
        self._measured = -1

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Take up the measuring of the checkpoint that the training goes on from."""
        if self._checkpoint is not None:
            self._trainer.restore_meter(self._checkpoint)
            self._measured = max(
                (p["step"] for p in state.log_history if "eval_loss" in p), default=-1
            )

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Stop before the first step already, if the notice came while the base was measured."""
        if state.global_step == 0:
            self._stop()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Have an epoch's last step measured at once.

        transformers measures after it has saved that step, and a job that went on from there
        would miss the evaluation in its curve.
        """
        is_last = state.epoch == int(state.epoch) or state.global_step >= state.max_steps
        if args.eval_strategy == "epoch" and is_last:
            control.should_evaluate = True
        if self._trainer.agreed(notice.has_come):
            control.should_save = True

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Measure no step twice."""
        if self._measured == state.global_step:
            control.should_evaluate = False

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Have the lowest loss so far saved."""
        self._measured = state.global_step
        if state.global_step == 0:
            return
        every = {point["step"] for point in state.log_history}
        best = best_evaluation(state.log_history, every)
        if best is not None and best["step"] == state.global_step:
            control.should_save = True

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Stop if the node said so: this step is kept."""
        self._stop()

    def _stop(self) -> None:
        if self._trainer.agreed(notice.has_come):
            raise Stopped
