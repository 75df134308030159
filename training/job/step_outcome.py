"""What a training came to at one of its steps: losses, over-fit, and which step was best."""

import logging
from dataclasses import dataclass
from typing import Any

from checkpoints import best_evaluation
from overfit import Verdict, judge
from recipe_file import Recipe
from run_metrics import REWARD_ACCURACY, perplexity

log = logging.getLogger("job")

MEASURED = (
    "train_loss",
    "eval_loss_after",
    "perplexity_after",
    "reward_accuracy_after",
    "token_accuracy_after",
)
"""What is true of one step alone."""


@dataclass(frozen=True)
class Outcome:
    """A run's history, and the step whose weights are the model."""

    history: list[dict[str, Any]]
    """What the trainer has logged, a resumed one since the first start."""
    recipe: Recipe
    """As it was trained: with smaller batches where memory asked for them."""
    kept_step: int
    steps: int
    """All that the run has made; the last line of the log may be older."""

    def verdict(self) -> Verdict:
        """Judge the kept weights by their losses."""
        curve = [point for point in self.history if "loss" in point]
        evaluations = [point for point in self.history if "eval_loss" in point]
        objective = str(getattr(self.recipe, "objective", "sft"))
        return judge(curve, evaluations, self.kept_step, objective)

    def as_dict(self) -> dict[str, Any]:
        """Give what metrics.json and the manifest say of the step that became the model."""
        best = best_evaluation(self.history, {point["step"] for point in self.history}) or {}
        return self._measured() | {
            "steps": self.steps,
            "kept_step": self.kept_step,
            "best_step": best.get("step"),
            "best_eval_loss": best.get("eval_loss"),
            "overfit": self.verdict().as_dict(),
            "batch_size": self.recipe.training.batch_size,
            "accumulation": self.recipe.training.accumulation,
        }

    def _measured(self) -> dict[str, Any]:
        """Give what the kept step measured; the run's last lines may be another's."""
        trained = [p["loss"] for p in self.history if "loss" in p and p["step"] <= self.kept_step]
        points = [p for p in self.history if "eval_loss" in p and p["step"] == self.kept_step]
        found = {"train_loss": trained[-1]} if trained else {}
        if not points:
            return found
        return found | {
            "eval_loss_after": points[-1]["eval_loss"],
            "perplexity_after": perplexity(points[-1]),
            "reward_accuracy_after": points[-1].get(REWARD_ACCURACY),
            "token_accuracy_after": points[-1].get("eval_mean_token_accuracy"),
        }

    def tell(self) -> None:
        """Say in the log which step became the model, which was best, and how far it over-fits."""
        found = self.as_dict()
        log.info("the model has the weights of step %d", self.kept_step)
        if found["best_step"] is not None:
            log.info("best: step %d, eval_loss %.4f", found["best_step"], found["best_eval_loss"])
        log.info("%s", self.verdict())
