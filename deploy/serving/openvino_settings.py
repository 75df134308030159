"""How OpenVINO runs a model here: its properties, room for keys and values, a request's settings.

Pure: nothing of OpenVINO is imported. docs/adr/0016 says what the choices rest on.
"""

import secrets
from typing import Any

from sampling import Sampling

PROPERTIES = {
    # Left alone, a processor that multiplies in bfloat16 does so, and answers as no other does.
    "INFERENCE_PRECISION_HINT": "f32",
    # Numbers that share a scale where eight-bit sums are formed. More is faster, up to the groups
    # of the weights (64 or 128); beyond them a question is read at a third of the speed.
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": 64,
}
BLOCK = 32
"""Tokens that OpenVINO's cache on processors gives out at once."""
MAX_ANSWERS = 64
"""Answers written in one batch at most."""
MAX_WAITING = 256
"""Questions that wait for a place at most."""
SHARE = 0.5
"""Of the memory that is free beside the weights; the rest is for a step's own numbers."""


def bytes_per_token(config: dict[str, Any]) -> int:
    """Give the bytes of one token's keys and values in all layers of a model's config.json.

    OpenVINO keeps them as a byte each, with scales and zero points in float32: one for each
    value vector of a head, and one for each number of a key vector in a block.
    """
    heads = config["num_attention_heads"]
    size = config.get("head_dim") or config["hidden_size"] // heads
    kept = config.get("num_key_value_heads") or heads
    return int(config["num_hidden_layers"] * kept * (size + 8 + size * (BLOCK + 8) // BLOCK))


def tokens_that_fit(config: dict[str, Any], free: int, context: int) -> int:
    """Count the tokens for which there is room in `free` bytes, in whole blocks.

    Never more than all the answers of a batch could use.
    """
    blocks = int(free * SHARE) // (bytes_per_token(config) * BLOCK)
    return max(0, min(blocks, MAX_ANSWERS * blocks_for(context))) * BLOCK


def blocks_for(tokens: int) -> int:
    """Count the blocks that so many tokens take."""
    return -(-tokens // BLOCK)


def generation(sampling: Sampling, end_tokens: tuple[int, ...], penalty: float) -> dict[str, Any]:
    """Give what OpenVINO's GenerationConfig shall say for a request.

    Without a seed one is drawn: OpenVINO's own is always 0, so that asking twice would give
    the same answer twice.
    """
    settings: dict[str, Any] = {
        "max_new_tokens": sampling.max_new_tokens,
        "stop_token_ids": set(end_tokens),
        "repetition_penalty": penalty,
        "do_sample": sampling.temperature > 0,
    }
    if sampling.temperature > 0:
        settings |= {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "rng_seed": secrets.randbits(63) if sampling.seed is None else sampling.seed,
        }
    return settings
