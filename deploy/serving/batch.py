"""Answers that are written together: one step of the model gives each of them its next token."""

from typing import Any

import torch
from row_cache import RowCache
from rows import Chosen, Row, Seen, write_next


class Batch:
    """Rows in the middle of their answers. After an error it must not be used again."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._cache = RowCache(model.config.get_text_config().num_hidden_layers)
        self._columns = 0
        self._seen = Seen(model)
        self.rows: list[Row] = []

    def step(self) -> Chosen:
        """Put each row's last token through the model and its next one at its end."""
        self._columns += 1
        output = self._model(**self._inputs(), past_key_values=self._cache.for_model)
        return write_next(output.logits[:, -1], self.rows, self._seen)

    def join(self, row: Row, cache: Any, index: int) -> None:
        """Take in a row that was read into another cache, where it stands at `index`."""
        read = row.length - 1
        self._cache.join(cache, index, read)
        self._columns = max(self._columns, read)
        self.rows.append(row)
        self._seen.join(row)

    def leave(self, row: Row) -> None:
        """Let a row go."""
        index = self.rows.index(row)
        self.rows[index] = self.rows[-1]
        self.rows.pop()
        self._cache.leave(index)
        self._seen.leave(index)
        unused = self._columns - max((other.length - 1 for other in self.rows), default=0)
        if unused:
            self._columns -= unused
            self._cache.forget(unused)

    def _inputs(self) -> dict[str, Any]:
        device = self._model.device
        starts = torch.tensor([[self._columns - row.length] for row in self.rows], device=device)
        columns = torch.arange(self._columns, device=device)
        return {
            "input_ids": torch.tensor([row.tokens[-1:] for row in self.rows], device=device),
            "attention_mask": (columns >= starts).long(),
            "position_ids": self._columns - 1 - starts,
            "use_cache": True,
        }
