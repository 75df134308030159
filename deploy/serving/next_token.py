"""From a step's scores to each answer's next token: its own temperature, top_p and seed.

What an answer draws depends on nothing but its own scores and its own seed: one number between 0
and 1 for each token, looked up in the distribution. So it is the same alone and in any company.
"""

from dataclasses import dataclass, field

import torch
from sampling import Sampling
from torch import Tensor

NUCLEUS = 1024
"""Tokens among which a `top_p` is looked for first; sorting a whole vocabulary is slow."""


@dataclass
class Draw:
    """How one answer chooses its tokens."""

    sampling: Sampling
    _numbers: torch.Generator = field(default_factory=torch.Generator)

    def __post_init__(self) -> None:
        if self.sampling.seed is None:
            self._numbers.seed()
        else:
            self._numbers.manual_seed(self.sampling.seed)

    def next(self) -> float:
        """Draw the next number, from 0 up to 1."""
        return float(torch.rand((), generator=self._numbers, dtype=torch.float64))


def choose(scores: Tensor, draws: list[Draw]) -> Tensor:
    """Choose a token for each row of `scores` [rows, vocabulary]; greedy at temperature 0."""
    tokens = scores.argmax(dim=-1)
    for wants_nucleus in (False, True):
        rows = [
            index
            for index, draw in enumerate(draws)
            if draw.sampling.temperature > 0 and (draw.sampling.top_p < 1) == wants_nucleus
        ]
        if rows:
            sample = _sample_nucleus if wants_nucleus else _sample_all
            tokens[rows] = sample(scores[rows], [draws[row] for row in rows])
    return tokens


def _probabilities(scores: Tensor, draws: list[Draw]) -> Tensor:
    heat = _column([draw.sampling.temperature for draw in draws], scores)
    # The highest is put at 0 first: divided by a tiny temperature it would be infinite.
    return torch.softmax((scores.double() - scores.amax(dim=-1, keepdim=True)) / heat, dim=-1)


def _sample_all(scores: Tensor, draws: list[Draw]) -> Tensor:
    return _look_up(_probabilities(scores, draws).cumsum(dim=-1), draws)


def _sample_nucleus(scores: Tensor, draws: list[Draw]) -> Tensor:
    probabilities = _probabilities(scores, draws)
    top_p = _column([draw.sampling.top_p for draw in draws], scores)
    likely, tokens = probabilities.topk(min(NUCLEUS, probabilities.shape[-1]), dim=-1)
    if bool((likely.sum(dim=-1, keepdim=True) < top_p).any()):
        likely, tokens = probabilities.sort(dim=-1, descending=True)
    # A token belongs to the nucleus as long as those before it do not yet make it up.
    likely = likely.where(likely.cumsum(dim=-1) - likely < top_p, 0.0)
    return tokens.gather(-1, _look_up(likely.cumsum(dim=-1), draws)[:, None])[:, 0]


def _look_up(cumulated: Tensor, draws: list[Draw]) -> Tensor:
    numbers = _column([draw.next() for draw in draws], cumulated) * cumulated[:, -1:]
    found = torch.searchsorted(cumulated, numbers, right=True)[:, 0]
    return found.clamp(max=cumulated.shape[-1] - 1)


def _column(values: list[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, device=like.device)[:, None]
