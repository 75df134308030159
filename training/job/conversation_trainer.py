"""Supervised training with TRL, on conversations that are tokenised already."""

from typing import Any

import torch
from batches import updates_of
from broken_loss import WatchedLoss
from datasets import Dataset
from saving import WholeCheckpoints
from torch import nn
from torch.utils.data import Sampler
from transformers.trainer_utils import EvalLoopOutput
from trl import SFTTrainer


class ConversationTrainer(WatchedLoss, WholeCheckpoints, SFTTrainer):
    """TRL's trainer, whose updates and measures do not depend on how batches are split."""

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int] | None:
        rows = train_dataset or self.train_dataset
        return updates_of([len(row) for row in rows["input_ids"]], self.args)

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[torch.Tensor, None, None]:
        """Add a batch's sums to those of the evaluation; its own mean is for transformers."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            found = model(**inputs, use_cache=False, fused_lm_head=True)
        by_row = (-found.log_probs, found.label_mask, found.is_top1, found.entropy)
        sums = torch.stack([values.float().sum(dim=-1) for values in by_row], dim=-1)
        self._sums += self.accelerator.gather_for_metrics(sums).sum(dim=0).double().cpu()
        return sums[:, 0].sum() / sums[:, 1].sum().clamp(min=1), None, None

    def evaluation_loop(self, *arguments: Any, **options: Any) -> EvalLoopOutput:
        """Measure per token: transformers' mean over batches depends on how large they are."""
        self._sums = torch.zeros(4, dtype=torch.double)
        output = super().evaluation_loop(*arguments, **options)
        loss, tokens, correct, entropy = self._sums.tolist()
        prefix = options.get("metric_key_prefix", "eval")
        output.metrics[f"{prefix}_loss"] = loss / max(tokens, 1)
        self._metrics["eval"].update(
            mean_token_accuracy=[correct / max(tokens, 1)],
            entropy=[entropy / max(tokens, 1)],
            num_tokens=[self._total_train_tokens],
        )
        return output
