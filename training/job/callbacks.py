"""What is told while the trainer runs: lines of metrics, and the recipe to MLflow."""

from typing import Any

from recipe_file import Recipe
from run_metrics import check_loss, run_settings, show_metrics
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class Watch(TrainerCallback):
    """Show what the trainer logs, and end the job when the loss breaks."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: object,
    ) -> None:
        """Take what the trainer has measured."""
        if state.is_world_process_zero:
            show_metrics(state.global_step, state.max_steps, logs or {})
        check_loss(state.global_step, logs or {})


class TellMlflow(TrainerCallback):
    """Put the recipe beside the metrics of the run that transformers has just opened."""

    def __init__(self, recipe: Recipe, data_sha256: str) -> None:
        self._settings = run_settings(recipe, data_sha256)

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **_: object,
    ) -> None:
        """Log the settings once, from the first process."""
        if state.is_world_process_zero and args.report_to == ["mlflow"]:
            import mlflow

            mlflow.log_params(self._settings)
