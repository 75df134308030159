"""A loss that is no number ends the training before it reaches the weights, and names its rows."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from datasets import Dataset
from failure import JobError
from torch import nn

FEW = 20
"""Lines that a message names."""


class WatchedLoss:
    """The watch over each step's loss; comes before the trainer among the bases."""

    rows: Dataset | None = None
    """The training rows as they were before packing."""
    lines: Callable[[], Iterable[int]] | None = None
    """Gives, row by row, its line in the training file; asked when a loss broke."""

    def training_step(self, model: nn.Module, inputs: dict[str, Any], *rest: Any) -> torch.Tensor:
        """Train on a batch.

        Raises:
            JobError: the loss is no number; no weight has changed by it.
        """
        given = dict(inputs)
        loss = super().training_step(model, inputs, *rest)
        if not torch.isfinite(loss).all():
            step = self.state.global_step + 1
            raise JobError(f"the loss is {loss.item()} at step {step}; {self._cause(given)}")
        return loss

    def _cause(self, inputs: dict[str, Any]) -> str:
        documents = list(_documents(inputs))
        bad = [one for one in documents if self._is_bad_alone(*one)]
        if self.args.world_size == 1 and documents and not bad:
            bad = documents
        suspects = bad or documents
        named = self._named([ids for ids, _ in suspects])
        if bad and len(bad) < len(documents):
            return f"it comes from {named}: look at what is odd there"
        return (
            f"{named or 'the batch'} had it, and as likely any other would have: lower"
            " training.learning_rate or training.max_grad_norm"
        )

    def _is_bad_alone(self, ids: torch.Tensor, labels: torch.Tensor) -> bool:
        """Tell whether a row has this loss by itself; one process alone cannot ask several."""
        if self.args.world_size > 1:
            return False
        with torch.no_grad():
            alone = {"input_ids": ids[None], "labels": labels[None]}
            loss = self.accelerator.unwrap_model(self.model)(**alone).loss
        return not bool(torch.isfinite(loss))

    def _named(self, found: list[torch.Tensor]) -> str:
        if self.rows is None or self.lines is None:
            return ""
        wanted = {tuple(ids.tolist()) for ids in found}
        lines = [
            str(line)
            for line, ids in zip(self.lines(), self.rows["input_ids"], strict=False)
            if tuple(ids) in wanted
        ]
        if not lines:
            return ""
        more = f" and {len(lines) - FEW} more" if len(lines) > FEW else ""
        return f"training line{'s' if len(lines) > 1 else ''} {', '.join(lines[:FEW])}{more}"


def _documents(inputs: dict[str, Any]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Take a batch apart into its rows, without padding; a pack into what was packed."""
    if "input_ids" not in inputs or "labels" not in inputs:
        return
    for row, (ids, labels) in enumerate(zip(inputs["input_ids"], inputs["labels"], strict=True)):
        if "attention_mask" in inputs:
            used = inputs["attention_mask"][row].bool()
            yield ids[used], labels[used]
        elif "position_ids" in inputs:
            begins = (inputs["position_ids"][row] == 0).nonzero().flatten().tolist()
            for begin, end in zip(begins, [*begins[1:], len(ids)], strict=True):
                yield ids[begin:end], labels[begin:end]
        else:
            yield ids, labels
