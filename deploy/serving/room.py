"""How many tokens of question and answer the machine can hold beside the weights."""

from typing import Any

import torch
from free_memory import free_memory

SHARE = 0.6
"""Of what is free after loading; the rest is for a step's own numbers."""
LEAST_TOKENS = 256


def tokens_that_fit(model: Any) -> int:
    """Count the tokens whose keys and values fit into the free memory of the model's device."""
    free = torch.cuda.mem_get_info()[0] if model.device.type == "cuda" else free_memory()
    return max(LEAST_TOKENS, int(free * SHARE / bytes_per_token(model.config, model.dtype)))


def bytes_per_token(config: Any, dtype: torch.dtype) -> int:
    """Give the bytes of one token's keys and values in all layers."""
    config = config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * size * dtype.itemsize)
