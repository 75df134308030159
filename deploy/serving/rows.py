"""Answers under way, and the step from the model's scores to the next token of each."""

from dataclasses import dataclass
from typing import Any

import torch
from next_token import Draw, choose
from torch import Tensor


@dataclass(eq=False)
class Row:
    """An answer under way, as the model sees it."""

    tokens: list[int]
    """Question and answer so far; the last one has not been through the model yet."""
    draw: Draw

    @property
    def length(self) -> int:
        """Tokens of question and answer so far."""
        return len(self.tokens)


Chosen = list[tuple[Row, int | None]]
"""Each row with the token that was put at its end; None where the model computed no number."""


class Seen:
    """Which tokens each row holds; kept only where the model was saved with a penalty for them."""

    def __init__(self, model: Any) -> None:
        self._penalty = model.generation_config.repetition_penalty or 1.0
        self._width = model.config.get_text_config().vocab_size
        self._mask = torch.zeros(0, self._width, dtype=torch.bool, device=model.device)

    def join(self, row: Row) -> None:
        """Take in a row as the last."""
        if self._penalty != 1.0:
            new = self._mask.new_zeros(1, self._width)
            new[0, row.tokens] = True
            self._mask = torch.cat([self._mask, new])

    def leave(self, index: int) -> None:
        """Let a row go; the last one takes its place."""
        if self._penalty != 1.0:
            self._mask[index] = self._mask[-1]
            self._mask = self._mask[:-1]

    def mark(self, rows: list[Row]) -> None:
        """Remember what stands at the rows' ends now."""
        if self._penalty != 1.0:
            ends = torch.tensor([row.tokens[-1:] for row in rows], device=self._mask.device)
            self._mask.scatter_(1, ends, True)

    def penalised(self, scores: Tensor) -> Tensor:
        """Make tokens that question or answer hold already less likely."""
        if self._penalty == 1.0:
            return scores
        lower = torch.where(scores < 0, scores * self._penalty, scores / self._penalty)
        return torch.where(self._mask, lower, scores)


def write_next(logits: Tensor, rows: list[Row], seen: Seen) -> Chosen:
    """Put each row's next token at its end; a row without numbers stays as it is."""
    is_finite = torch.isfinite(logits).all(dim=-1).tolist()
    tokens = choose(seen.penalised(logits.float()), [row.draw for row in rows]).tolist()
    chosen: Chosen = []
    for row, token, is_number in zip(rows, tokens, is_finite, strict=True):
        if is_number:
            row.tokens.append(token)
        chosen.append((row, token if is_number else None))
    seen.mark(rows)
    return chosen
