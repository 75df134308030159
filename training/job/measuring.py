"""Speed, memory and time left, beside the loss in each line, in the history and in MLflow."""

import resource
from typing import Any

import torch
from pace import Pace
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

TO_MLFLOW = {
    "tokens_per_second": "system/tokens_per_second",
    "gpu_memory_mb": "system/gpu_memory_usage_megabytes",
    "memory_mb": "system/system_memory_usage_megabytes",
}
"""The names under which MLflow's own pages show what a machine does."""


class Measure(TrainerCallback):
    """Add to what the trainer logs; it must come before whoever shows the logs."""

    def __init__(self) -> None:
        self._pace = Pace()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Start the clock."""
        self._pace.begin(state.global_step)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Note the time."""
        self._pace.step_ended()

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Count what the evaluation took as a pause."""
        self._pace.pause_ended("evaluation")

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Count what the checkpoint took as a pause."""
        self._pace.pause_ended("save")

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: object,
    ) -> None:
        """Measure where the training loss is logged; every process takes part in the sums."""
        if logs is None or "loss" not in logs:
            return
        tokens = float(logs.get("num_tokens", 0))
        every = intervals(args, state)
        found = self._pace.measure(state.global_step, state.max_steps, tokens, every) | memory()
        logs.update(found)
        if state.log_history:
            state.log_history[-1].update(found)
        if state.is_world_process_zero and "mlflow" in args.report_to:
            _tell_mlflow(found, state.global_step)


def intervals(args: TrainingArguments, state: TrainerState) -> dict[str, float]:
    """Say after how many steps an evaluation and a checkpoint come; 0 for never."""
    return {
        "evaluation": _every(args.eval_strategy, args.eval_steps, state),
        "save": _every(args.save_strategy, args.save_steps, state),
    }


def _every(strategy: str, count: float | None, state: TrainerState) -> float:
    if strategy == "epoch":
        return state.global_step / state.epoch if state.epoch else state.max_steps
    if strategy != "steps" or not count:
        return 0.0
    return count * state.max_steps if count < 1 else count


def memory() -> dict[str, float]:
    """Give the peak memory in megabytes: of the fullest GPU, else of all processes together.

    A GPU runs out alone, whatever the others have left; processes share a node's memory.
    """
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        peak = torch.cuda.max_memory_reserved() / 2**20
        return {"gpu_memory_mb": _over_processes(peak, "MAX")}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"memory_mb": _over_processes(peak, "SUM")}


def _over_processes(value: float, how: str) -> float:
    group = torch.distributed
    if not (group.is_available() and group.is_initialized()):
        return value
    on = torch.cuda.current_device() if group.get_backend() == "nccl" else "cpu"
    together = torch.tensor(value, device=on)
    group.all_reduce(together, op=getattr(group.ReduceOp, how))
    return float(together.item())


def _tell_mlflow(found: dict[str, float], step: int) -> None:
    import mlflow

    named = {TO_MLFLOW[name]: value for name, value in found.items() if name in TO_MLFLOW}
    mlflow.log_metrics(named, step=step)
