"""What the chat templates of the known families of base models do with system turns and text.

Read in the models' templates as published (training/job/*.jinja, TRL's chat_templates), 2026-11.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """A family of base models that share a template."""

    name: str
    pattern: str
    """What the ids of its models look like."""
    tokens: tuple[str, ...]
    """Texts that its tokenizer reads as one control token each."""
    default_system: str = ""
    """The system message that the template puts in where a chat has none."""
    empty_system: str = "is rendered as an empty turn"
    """What becomes of a system message without text."""


_PHI3 = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|endoftext|>", "<s>", "</s>")
_CHATML = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
_SMOLLM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
_QWEN = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."

FAMILIES = (
    Family("Phi-3.5", r"phi-?3[._-]5|tiny-phi3", _PHI3, empty_system="is left out by the template"),
    Family("Phi-3", r"phi-?3", _PHI3),
    Family("Phi-4-mini", r"phi-?4-mini",
           (*_PHI3[:5], "<|tool|>", "<|/tool|>", "<|tool_call|>", "<|/tool_call|>")),
    Family("SmolLM2", r"smollm2", _CHATML, default_system=_SMOLLM),
    Family("Qwen2.5", r"qwen-?2\.5", _CHATML, default_system=_QWEN),
    Family("Qwen3", r"qwen-?3", (*_CHATML, "<think>", "</think>")),
    Family("Llama 3", r"llama-?3",
           ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
            "<|eot_id|>", "<|eom_id|>", "<|python_tag|>")),
    Family("Mistral", r"mistral|ministral|llama-?2",
           ("[INST]", "[/INST]", "[SYSTEM_PROMPT]", "<<SYS>>", "<</SYS>>", "<s>", "</s>")),
    Family("Gemma", r"gemma", ("<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>")),
    Family("gpt-oss", r"gpt-oss",
           ("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|return|>", "<|call|>")),
)  # fmt: skip

MARKUP = ("<s>", "</s>", "<think>", "</think>", "<bos>", "<eos>")
"""Tokens that are text of their own right elsewhere (`<s>` is struck-out HTML)."""


def family_of(base: str) -> Family | None:
    """Find the family of a base model by its id; None where it is not known."""
    name = base.lower()
    return next((family for family in FAMILIES if re.search(family.pattern, name)), None)
