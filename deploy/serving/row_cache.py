"""Keys and values of several answers in one block that answers join and leave at any step.

Rows end at the same column and begin where they must; what stands before is masked. Room is taken
ahead, since transformers' own cache copies all of itself for each new token.
"""

from typing import Any

from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

AHEAD = 128
"""Columns that are taken at once."""

Pair = tuple[Tensor, Tensor]
"""Keys and values."""


def rows_taken(rows: int) -> int:
    """Give for how many rows room is taken where so many are needed."""
    return 1 << (rows - 1).bit_length() if rows < 8 else -(-rows // 8) * 8


class RowCache:
    """The cache of all layers."""

    def __init__(self, layers: int) -> None:
        self._layers = [RowLayer() for _ in range(layers)]
        self.for_model = Cache(layers=self._layers)
        """What the model's `past_key_values` is."""

    def join(self, other: Cache, row: int, length: int) -> None:
        """Take in the first `length` columns of another cache's row; it becomes the last row."""
        for layer, source in zip(self._layers, other.layers, strict=True):
            layer.join((source.keys[row, :, :length], source.values[row, :, :length]))

    def leave(self, row: int) -> None:
        """Let a row go; the last one takes its place."""
        for layer in self._layers:
            layer.leave(row)

    def forget(self, columns: int) -> None:
        """Forget the first columns: no row reaches back so far any more."""
        for layer in self._layers:
            layer.forget(columns)


class RowLayer(DynamicLayer):  # type: ignore[misc]
    """One layer; `keys` and `values` are the part in use, [rows, heads, columns, size]."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: list[Tensor] = []
        self._rows = self._first = self._last = 0

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> Pair:
        """Append a step's keys and values; transformers calls this."""
        new = (key_states, value_states)
        end = self._last + key_states.shape[-2]
        self._reach(self._rows, self._first, end, new)
        columns = slice(self._last, self._last + key_states.shape[-2])
        for block, states in zip(self._blocks, new, strict=True):
            block[: self._rows, :, columns] = states
        self._show(last=columns.stop)
        return self.keys, self.values

    def join(self, new: Pair) -> None:
        """Take in one more row, [heads, columns, size]."""
        length = new[0].shape[-2]
        more = max(0, length - (self._last - self._first))
        self._reach(self._rows + 1, self._first - more, self._last, new)
        for block, states in zip(self._blocks, new, strict=True):
            block[self._rows, :, self._last - length : self._last] = states
        self._rows += 1
        self._show()

    def leave(self, row: int) -> None:
        """Let a row go; the last one takes its place."""
        self._rows -= 1
        columns = slice(self._first, self._last)
        for block in self._blocks:
            block[row, :, columns] = block[self._rows, :, columns]
        self._show()

    def forget(self, columns: int) -> None:
        """Forget the first columns."""
        self._first += columns
        self._show()

    def _show(self, last: int | None = None) -> None:
        self._last = self._last if last is None else last
        used = slice(self._first, self._last)
        self.keys, self.values = (block[: self._rows, :, used] for block in self._blocks)
        self.is_initialized = True

    def _reach(self, rows: int, first: int, last: int, like: Pair) -> None:
        """Make room for so many rows, and columns from `first` (which may be < 0) to `last`."""
        held = self._blocks[0].shape if self._blocks else (0, 0, 0, 0)
        if rows <= held[0] and first >= 0 and last <= held[2]:
            self._first = first
            return
        most = max(held[0], rows_taken(rows))
        used = slice(self._first, self._last)
        start = self._first - first
        blocks = []
        for index, states in enumerate(like):
            heads, _, size = states.shape[-3:]
            # Zeros, not whatever lay there: what is masked still must be a number.
            block = states.new_zeros(most, heads, last - first + AHEAD, size)
            if self._blocks:
                old = self._blocks[index][: self._rows, :, used]
                block[: self._rows, :, start : start + old.shape[-2]] = old
            blocks.append(block)
        self._blocks = blocks
        self._first, self._last = 0, start + used.stop - used.start
