"""How a trainer saves: beside its final name first, sealed, and never what a broken loss left.

With several processes each writes its own part; the first one seals when all have written, and
what fails in one fails in all.
"""

import logging
import math
import shutil
from pathlib import Path
from typing import Any

import checkpoints as kept
import torch
from failure import JobError, is_disk_full
from torch import nn

log = logging.getLogger("job")

METER = "meter-{}.json"
"""What a process has measured since the last line of its log."""


class WholeCheckpoints:
    """Saving for a trainer of transformers; comes before the trainer among the bases."""

    _is_saving = False
    save_total_limit = kept.KEPT
    """Newest checkpoints that stay; transformers' own setting would delete the best one, too."""

    def _run_epoch(self, *, epoch: int, train_dataloader: Any, **named: Any) -> None:
        """Train an epoch, unless all steps are done: transformers would train one more.

        So it does (5.23) when a job is started again after its last checkpoint was saved.
        """
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
            return
        _tell_epoch(train_dataloader, epoch)
        super()._run_epoch(epoch=epoch, train_dataloader=train_dataloader, **named)

    def _get_output_dir(self, trial: Any) -> str:
        folder = super()._get_output_dir(trial)
        return str(Path(folder) / kept.UNFINISHED) if self._is_saving else folder

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Save this step, or go on without where an older checkpoint is whole.

        Raises:
            JobError: the weights are no numbers, or the disk holds not one checkpoint.
        """
        self._refuse_broken_weights()
        folder = Path(self.args.output_dir)
        final = folder / f"checkpoint-{self.state.global_step}"
        if self.agreed(self.args.should_save and kept.is_whole(final)):
            return
        is_full = self._write(model, trial, final)
        if is_full and self.agreed(self.args.should_save and self._makes_room()):
            is_full = self._write(model, trial, final)
        if is_full:
            self._go_on_without(final.name)
        elif self.args.should_save:
            kept.tidy(folder, self.state.log_history, self.save_total_limit)
        self.accelerator.wait_for_everyone()

    def _write(self, model: nn.Module, trial: Any, final: Path) -> bool:
        """Write and publish the checkpoint; tell whether the disk was too full for it."""
        unfinished = final.parent / kept.UNFINISHED
        if self.args.should_save:
            shutil.rmtree(unfinished, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        is_full = self._tried(lambda: self._fill(model, trial, unfinished / final.name))
        if not is_full:
            is_full = self._tried(lambda: self._publish(unfinished / final.name, final))
        if self.args.should_save:
            shutil.rmtree(unfinished, ignore_errors=True)
        return is_full

    def _fill(self, model: nn.Module, trial: Any, folder: Path) -> None:
        self._is_saving = True
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self._is_saving = False
        kept.write_whole(folder / METER.format(self.args.process_index), self._meter())

    def _publish(self, unfinished: Path, final: Path) -> None:
        if self.args.should_save:
            kept.publish(unfinished, final)

    def _tried(self, work: Any) -> bool:
        """Do it in all processes; tell whether any found the disk full."""
        try:
            work()
            is_full = False
        except Exception as error:
            if not is_disk_full(error):
                raise
            log.warning("a checkpoint was not saved: %s", " ".join(str(error).split())[:200])
            is_full = True
        return self.agreed(is_full)

    def _makes_room(self) -> bool:
        folder, state = Path(self.args.output_dir), self.state
        return kept.make_room(folder, state.log_history, state.global_step)

    def _go_on_without(self, name: str) -> None:
        steps = kept.kept_steps(Path(self.args.output_dir))
        if not steps:
            raise JobError(
                f"no space is left for {name}, the first checkpoint: a stopped job would begin"
                " again; give the job more room or raise training.save_steps"
            )
        log.warning("the disk is full: training goes on without %s, %d steps are kept", name, steps)

    def _refuse_broken_weights(self) -> None:
        parts = (p for p in self.model.parameters() if p.requires_grad and p.is_floating_point())
        if self.agreed(not all(bool(torch.isfinite(part).all()) for part in parts)):
            raise JobError(
                f"the weights are no numbers any more at step {self.state.global_step}: lower"
                " training.learning_rate or training.max_grad_norm"
            )

    def agreed(self, here: bool) -> bool:
        """Tell whether it is so in any of the processes."""
        if self.args.world_size == 1:
            return here
        flag = torch.tensor([float(here)], device=self.args.device)
        return bool(self.accelerator.reduce(flag, "sum").item())

    def _meter(self) -> dict[str, Any]:
        return {
            "loss": self._tr_loss.item(),
            "last_logged": self._globalstep_last_logged,
            "metrics": {name: list(values) for name, values in self._metrics["train"].items()},
            "tokens": self._total_train_tokens,
        }

    def restore_meter(self, checkpoint: Path) -> None:
        """Go on measuring where the stopped job was, between two lines of its log."""
        meter = kept.read_json(checkpoint / METER.format(self.args.process_index))
        if not meter or not math.isfinite(meter["loss"]):
            return
        self._tr_loss += meter["loss"]
        self._globalstep_last_logged = meter["last_logged"]
        self._metrics["train"].update(meter["metrics"])
        self._total_train_tokens = meter["tokens"]


def _tell_epoch(loader: Any, epoch: int) -> None:
    """Tell the sampler which epoch it is, however deep it lies.

    In several processes that resume within an epoch it lies too deep for accelerate (1.15): they
    would go on with the first epoch's batches.
    """
    batches = loader.batch_sampler
    while hasattr(batches, "batch_sampler"):
        batches = batches.batch_sampler
    if hasattr(batches.sampler, "set_epoch"):
        batches.sampler.set_epoch(epoch)
