"""Small tokenizers with the families' own chat templates."""

from typing import TYPE_CHECKING

from job_runs import ROOT

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

STOCK = ROOT / "tests" / "training" / "job" / "stock_templates"
CHATML = ("<|im_start|>", "<|im_end|>")
FAMILIES = tuple(sorted(path.stem for path in STOCK.glob("*.jinja")))

TURNS = [
    {"role": "system", "content": "Be kind; {% braces %}."},
    {"role": "user", "content": "  Where to?\n"},
    {"role": "assistant", "content": "To the sea.\n\n- soon "},
    {"role": "user", "content": "And then"},
    {"role": "assistant", "content": " Home? 🌊"},
]


def end_of_turn(family: str) -> str:
    """Name the token that ends a turn."""
    return "<|im_end|>" if family == "smollm2" else "<|end|>"


def tokenizer_of(family: str, *, eats_space: bool = False) -> "PreTrainedTokenizerFast":
    """Make a tokenizer with a family's own template and special tokens.

    In Phi-3 and Phi-3.5 a role's token takes the white space after it along: `eats_space`.
    """
    from random_tokenizer import random_tokenizer
    from transformers import AddedToken

    made = random_tokenizer(["Where to? To the sea, soon. And then Home."], size=400)
    if not eats_space:
        special = CHATML if family == "smollm2" else ("<|system|>", "<|user|>", "<|assistant|>")
        added = [AddedToken(token) for token in (*special, end_of_turn(family))]
        made.add_special_tokens({"additional_special_tokens": added})
    made.eos_token = "<|im_end|>" if family == "smollm2" else "<|endoftext|>"
    made.chat_template = (STOCK / f"{family}.jinja").read_text(encoding="utf-8")
    return made
