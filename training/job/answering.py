"""Answers of a model in batches: each row as it would be alone, in any company.

Prompts are rendered by the model's own template, as an endpoint does it. What a row draws, and
what it is penalised for, depends on nothing but itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from conversations import Conversation
from torch import Tensor
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    RepetitionPenaltyLogitsProcessor,
)


@dataclass(frozen=True)
class Decoding:
    """How an answer is written; at temperature 0 always the likeliest token."""

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    repetition_penalty: float = 1.0


@dataclass(frozen=True)
class Answer:
    """What a model wrote."""

    text: str
    finish: str
    """`stop` where the model ended it, `length` where it was cut off."""
    tokens: int
    """Written ones, with the one that ended it."""


def rendered(tokenizer: PreTrainedTokenizerBase, conversation: Conversation) -> str:
    """Render a conversation that is open for its answer."""
    text: str = tokenizer.apply_chat_template(
        conversation, tokenize=False, add_generation_prompt=True
    )
    return text


@torch.inference_mode()
def write(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[str],
    decoding: Decoding,
    heard: Callable[[int], None] = lambda tokens: None,
) -> list[Answer]:
    """Answer rendered prompts in one batch; `heard` is told how many tokens each row has."""
    batch = tokenizer(
        prompts,
        return_tensors="pt",
        padding=True,
        padding_side="left",
        add_special_tokens=False,
        return_token_type_ids=False,
    ).to(model.device)
    ends = end_tokens(model, tokenizer)
    settings = GenerationConfig(
        max_new_tokens=decoding.max_tokens,
        repetition_penalty=1.0,  # else the model's own: ours is among the processors
        do_sample=False,
        eos_token_id=ends,
        pad_token_id=tokenizer.pad_token_id,
    )
    choosing = _choosing(decoding, batch["attention_mask"])
    choosing.append(_Heard(batch["input_ids"].shape[1], heard))
    output = model.generate(**batch, generation_config=settings, logits_processor=choosing)
    rows = output[:, batch["input_ids"].shape[1] :].tolist()
    return [_answer(tokenizer, row, set(ends)) for row in rows]


def _answer(tokenizer: PreTrainedTokenizerBase, row: list[int], ends: set[int]) -> Answer:
    """Take a row up to its end; after that it was filled up for the others' sake."""
    end = next((place for place, token in enumerate(row) if token in ends), None)
    said = row if end is None else row[:end]
    text = tokenizer.decode(said, skip_special_tokens=True).strip()
    return Answer(text, "length" if end is None else "stop", len(said) + (end is not None))


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """List what ends an answer: the model's, the tokenizer's and the template's tokens."""
    own = model.generation_config.eos_token_id
    found = own if isinstance(own, list) else [own]
    found = [*found, tokenizer.eos_token_id, _turn_end(tokenizer)]
    return sorted({int(token) for token in found if token is not None})


def _turn_end(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Find the special token that the template puts right after an answer, if it does."""
    mark = "tunestackmark"
    turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": mark}]
    text = tokenizer.apply_chat_template(turns, tokenize=False)
    after = tokenizer(text.partition(mark)[2], add_special_tokens=False)["input_ids"]
    return after[0] if after and after[0] in tokenizer.added_tokens_decoder else None


def _choosing(decoding: Decoding, read: Tensor) -> LogitsProcessorList:
    processors: list[Any] = []
    if decoding.repetition_penalty != 1:
        processors.append(_Penalty(decoding.repetition_penalty, read))
    if decoding.temperature > 0:
        processors.append(_Chance(decoding, len(read)))
    return LogitsProcessorList(processors)


class _Heard(LogitsProcessor):
    """Tells how far a batch is; changes nothing."""

    def __init__(self, prompt: int, heard: Callable[[int], None]) -> None:
        self._prompt, self._heard = prompt, heard

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self._heard(input_ids.shape[1] - self._prompt)
        return scores


class _Penalty(RepetitionPenaltyLogitsProcessor):
    """Makes what a row has read or written less likely, but not what fills the row up.

    transformers' own counts the padding: where that is the token which ends an answer, the
    shorter prompts of a batch would end later than alone.
    """

    def __init__(self, penalty: float, read: Tensor) -> None:
        super().__init__(penalty)
        self._starts = read.argmax(dim=-1, keepdim=True)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        own = input_ids.gather(1, places.maximum(self._starts))
        penalised: Tensor = super().__call__(own, scores)
        return penalised


class _Chance(LogitsProcessor):
    """Draws each row's token by its own numbers, as deploy/serving/next_token.py does."""

    def __init__(self, decoding: Decoding, rows: int) -> None:
        self._decoding = decoding
        self._numbers = [torch.Generator().manual_seed(decoding.seed) for _ in range(rows)]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        highest = scores.amax(dim=-1, keepdim=True)  # at 0: else tiny temperatures overflow
        likely = torch.softmax((scores.double() - highest) / self._decoding.temperature, dim=-1)
        tokens = torch.arange(scores.shape[-1], device=scores.device).expand_as(scores)
        if self._decoding.top_p < 1:
            likely, tokens = likely.sort(dim=-1, descending=True)
            likely = likely.where(likely.cumsum(dim=-1) - likely < self._decoding.top_p, 0.0)
        cumulated = likely.cumsum(dim=-1)
        drawn = [torch.rand(1, generator=own, dtype=torch.float64) for own in self._numbers]
        wanted = torch.stack(drawn).to(scores.device) * cumulated[:, -1:]
        places = torch.searchsorted(cumulated, wanted, right=True)
        chosen = tokens.gather(-1, places.clamp(max=scores.shape[-1] - 1))
        return torch.full_like(scores, -torch.inf).scatter(-1, chosen, 0.0)
