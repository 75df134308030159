"""Direct preference optimisation with TRL, on pairs that are tokenised already."""

from typing import Any

import torch
from batches import updates_of
from broken_loss import WatchedLoss
from datasets import Dataset
from saving import WholeCheckpoints
from torch import nn
from torch.utils.data import DataLoader, Sampler
from transformers.trainer_utils import EvalLoopOutput
from trl import DPOTrainer


class PreferenceTrainer(WatchedLoss, WholeCheckpoints, DPOTrainer):
    """TRL's trainer, whose updates and measures do not depend on how batches are split.

    What the tuned model is held against: with adapters, the base with the adapters switched off,
    in the very batch that is learned from, so that rounding cancels out; without them, the
    log-probabilities that the base gave every pair before the first step. Both spare the memory
    of a second model.
    """

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        """Take the tokens as they are; TRL would render and tokenise once more."""
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        """Note what the base gives both answers of each pair.

        TRL hands it from process to process in a file of the data set's cache; a data set in
        memory has another such folder in each, and all but the first would not find it.
        """
        loader = DataLoader(dataset, batch_size=batch_size, collate_fn=self.data_collator)
        found = []
        for batch in self.accelerator.prepare(loader):
            both = torch.stack(self.compute_ref_log_probs(self.model, batch), dim=1)
            found.append(self.accelerator.gather_for_metrics(both).float().cpu())
        chosen, rejected = torch.cat(found).unbind(dim=1)
        with_chosen = dataset.add_column("ref_chosen_logps", chosen.tolist())
        return with_chosen.add_column("ref_rejected_logps", rejected.tolist())

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int] | None:
        rows = train_dataset or self.train_dataset
        columns = (rows["prompt_ids"], rows["chosen_ids"], rows["rejected_ids"])
        lengths = [len(p) + max(len(c), len(r)) for p, c, r in zip(*columns, strict=True)]
        return updates_of(lengths, self.args)

    def prediction_step(
        self, model: nn.Module, inputs: dict[str, Any], *arguments: Any, **options: Any
    ) -> Any:
        """Measure a batch, and note how many pairs it holds."""
        self._sizes.append(len(inputs["input_ids"]) // 2)
        return super().prediction_step(model, inputs, *arguments, **options)

    def evaluation_loop(self, *arguments: Any, **options: Any) -> EvalLoopOutput:
        """Average what is measured over pairs; TRL averages over batches, the last one smaller."""
        self._sizes: list[int] = []
        output = super().evaluation_loop(*arguments, **options)
        measured = self._metrics["eval"]
        for name, values in measured.items():
            if len(values) == len(self._sizes):
                weighed = sum(v * n for v, n in zip(values, self._sizes, strict=True))
                measured[name] = [weighed / sum(self._sizes)]
        return output
