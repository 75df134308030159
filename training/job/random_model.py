"""A small untrained Phi-3 with Phi-3.5's template and special tokens, for tests and rehearsals.

It goes the whole way that Phi-3.5-mini goes and learns a few dozen sentences by heart in seconds;
it is no use for anything else.
"""

import torch
from random_tokenizer import END_OF_TURN, random_tokenizer
from transformers import Phi3Config, Phi3ForCausalLM, PreTrainedTokenizerFast

__all__ = ["random_model", "random_tokenizer"]


def random_model(
    sizes: dict[str, int], tokenizer: PreTrainedTokenizerFast, seed: int
) -> Phi3ForCausalLM:
    """Make a Phi-3 of the given sizes with random weights, the same for the same seed."""
    config = Phi3Config(
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **sizes,
    )
    torch.manual_seed(seed)
    model = Phi3ForCausalLM(config)
    model.generation_config.eos_token_id = [
        tokenizer.eos_token_id,
        tokenizer.convert_tokens_to_ids(END_OF_TURN),
    ]
    return model
