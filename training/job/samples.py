"""Answers to held-out questions, from the base before and from the tuned model after training."""

import json
from pathlib import Path

from answering import Decoding, rendered, write
from dataset import Conversation
from recipe_file import Recipe
from transformers import PreTrainedModel, PreTrainedTokenizerBase

BATCH = 20


def answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    conversations: list[Conversation],
    settings: Recipe,
) -> list[str]:
    """Answer the last question of each conversation, always taking the likeliest token."""
    decoding = Decoding(
        max_tokens=settings.max_new_tokens, repetition_penalty=settings.repetition_penalty
    )
    prompts = [rendered(tokenizer, turns[:-1]) for turns in conversations]
    was_training = model.training
    model.eval()
    # Questions of a like length share a batch: less padding, the same answers.
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    found: dict[int, str] = {}
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        written = write(model, tokenizer, [prompts[i] for i in chosen], decoding)
        found.update(zip(chosen, (answer.text for answer in written), strict=True))
    model.train(was_training)
    return [found[index] for index in range(len(prompts))]


def write_samples(
    path: Path, conversations: list[Conversation], base: list[str], tuned: list[str]
) -> None:
    """Write one line per question: the messages, the reference and both answers."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for turns, before, after in zip(conversations, base, tuned, strict=True):
            line = {
                "messages": turns[:-1],
                "reference": turns[-1]["content"],
                "base": before,
                "tuned": after,
            }
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
