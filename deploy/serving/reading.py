"""Questions on their way into the model, a few of them side by side and a chunk at a time.

In chunks, because the answers being written wait meanwhile. Shorter questions are filled up at
their end, where nothing of them looks, so that no mask is needed.
"""

from typing import Any

import torch
from rows import Chosen, Row, Seen, write_next
from torch import Tensor
from transformers.cache_utils import DynamicCache


class Reading:
    """Some rows' questions; once read, each row holds the first token of its answer."""

    def __init__(self, model: Any, rows: list[Row], switch: int | None = None) -> None:
        """Begin to read.

        `switch` is where the model's rotary embedding changes for the whole of a longer text; the
        rows are longer than that.
        """
        self._model = model
        self.rows = rows
        self.cache = DynamicCache()
        self.switch = switch
        self._at = 0
        self._end = max(row.length for row in rows)
        self._scores: dict[int, Tensor] = {}

    @property
    def is_done(self) -> bool:
        """Whether all of it is read."""
        return self._at == self._end

    def read(self, tokens: int) -> None:
        """Read a chunk of about that many tokens, of all rows together."""
        stop = min(self._end, self._at + max(1, tokens // len(self.rows)))
        ends = sorted({row.length - 1 - self._at for row in self.rows if self._ends_in(row, stop)})
        kept = ends or [stop - self._at - 1]
        output = self._model(
            **self._inputs(stop),
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=torch.tensor(kept, device=self._model.device),
        )
        for index, row in enumerate(self.rows):
            if self._ends_in(row, stop):
                self._scores[index] = output.logits[index, kept.index(row.length - 1 - self._at)]
        self._at = stop
        for layer in self.cache.layers:
            layer.crop(stop - layer.get_seq_length())

    def begin_answers(self) -> Chosen:
        """Put the first token of each answer at its row's end."""
        seen = Seen(self._model)
        for row in self.rows:
            seen.join(row)
        logits = torch.stack([self._scores[index] for index in range(len(self.rows))])
        return write_next(logits, self.rows, seen)

    def _ends_in(self, row: Row, stop: int) -> bool:
        return self._at < row.length <= stop

    def _inputs(self, stop: int) -> dict[str, Any]:
        device = self._model.device
        parts = [row.tokens[self._at : stop] for row in self.rows]
        ids = torch.tensor(
            [part + [0] * (stop - self._at - len(part)) for part in parts], device=device
        )
        places = torch.arange(self._at, stop, device=device)
        if self.switch is not None and stop <= self.switch:
            # The model looks at the highest place to tell how long the text is: show it one.
            ids = torch.nn.functional.pad(ids, (0, 1))
            places = torch.nn.functional.pad(places, (0, 1), value=self.switch)
        return {"input_ids": ids, "position_ids": places.expand(len(self.rows), -1)}
