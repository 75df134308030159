"""How likely a model finds a reference answer: over the tokens that training would learn from.

So the mean over a file is what training's own evaluation calls eval_loss of it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from conversations import Conversation
from failure import JobError
from rendering import tokens_of
from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Reference:
    """A conversation with its reference answer, as tokens."""

    ids: list[int]
    places: list[int]
    """Where in `ids` the answer's tokens are, with the one that ends it."""


@dataclass(frozen=True)
class Likelihood:
    """What a model made of a reference."""

    nll: float
    """Sum of -ln p, in nats."""
    tokens: int
    """How many it is a sum over."""
    correct: int
    """Of how many the model's likeliest token was the reference's."""


def references(
    conversations: list[Conversation], tokenizer: PreTrainedTokenizerBase, template: str
) -> list[Reference]:
    """Tokenise conversations by a marked template; of each its last answer is scored."""
    return [
        Reference(tokens.ids.tolist(), _last_answer(tokens.learned))
        for tokens in tokens_of(conversations, tokenizer, template)
    ]


def _last_answer(learned: "np.ndarray[Any, np.dtype[np.bool_]]") -> list[int]:
    """Find the last run of tokens that are learned; the first token of all is never predicted."""
    (places,) = np.nonzero(learned[1:])
    breaks = np.flatnonzero(np.diff(places) > 1)
    start = breaks[-1] + 1 if len(breaks) else 0
    return (places[start:] + 1).tolist()


@torch.inference_mode()
def likelihoods(model: PreTrainedModel, batch: list[Reference]) -> list[Likelihood]:
    """Score references in one batch; only places that a row is scored at go through the head."""
    longest = max(len(one.ids) for one in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, one in enumerate(batch):  # filled up at the end, where no token sees it
        ids[row, : len(one.ids)] = torch.tensor(one.ids)
        mask[row, : len(one.ids)] = 1
    wanted = sorted({place for one in batch for place in one.places})
    before = torch.tensor(wanted, dtype=torch.long) - 1  # a token is predicted at the one before
    logits = model(
        input_ids=ids.to(model.device),
        attention_mask=mask.to(model.device),
        logits_to_keep=before.to(model.device),
        use_cache=False,
    ).logits
    column = {place: number for number, place in enumerate(wanted)}
    return [
        _likelihood(logits[row, [column[place] for place in one.places]], one)
        for row, one in enumerate(batch)
    ]


def _likelihood(logits: torch.Tensor, one: Reference) -> Likelihood:
    said = torch.tensor([one.ids[place] for place in one.places], device=logits.device)
    nll = torch.nn.functional.cross_entropy(logits.float(), said, reduction="sum")
    if not torch.isfinite(nll):
        raise JobError("the model computes NaN or infinity for a reference")
    correct = (logits.argmax(dim=-1) == said).sum()
    return Likelihood(float(nll), len(one.places), int(correct))
