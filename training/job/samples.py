"""Answers to held-out questions, from the base before and from the tuned model after training."""

import json
from pathlib import Path

import torch
from dataset import Conversation
from recipe_file import Recipe
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

BATCH = 20


@torch.inference_mode()
def answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    conversations: list[Conversation],
    settings: Recipe,
) -> list[str]:
    """Answer the last question of each conversation, always taking the likeliest token.

    The prompts are rendered by the model's own template, as an endpoint does it.
    """
    prompts = [
        tokenizer.apply_chat_template(turns[:-1], tokenize=False, add_generation_prompt=True)
        for turns in conversations
    ]
    was_training = model.training
    model.eval()
    # Questions of a like length share a batch: less padding, the same answers.
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    found: dict[int, str] = {}
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        texts = _generate(model, tokenizer, [prompts[i] for i in chosen], settings)
        found.update(zip(chosen, texts, strict=True))
    model.train(was_training)
    return [found[index] for index in range(len(prompts))]


def _generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[str],
    ours: Recipe,
) -> list[str]:
    batch = tokenizer(
        prompts,
        return_tensors="pt",
        padding=True,
        padding_side="left",
        add_special_tokens=False,
        return_token_type_ids=False,
    ).to(model.device)
    settings = GenerationConfig(
        max_new_tokens=ours.max_new_tokens,
        repetition_penalty=ours.repetition_penalty,
        do_sample=False,
        eos_token_id=model.generation_config.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    output = model.generate(**batch, generation_config=settings)
    new = output[:, batch["input_ids"].shape[1] :]
    return [text.strip() for text in tokenizer.batch_decode(new, skip_special_tokens=True)]


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
