"""A small untrained Phi-3 with Phi-3.5's template and special tokens, for tests and rehearsals.

It goes the whole way that Phi-3.5-mini goes and learns a few dozen sentences by heart in seconds;
it is no use for anything else.
"""

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import Phi3Config, Phi3ForCausalLM, PreTrainedTokenizerFast
from trl.chat_template_utils import phi3_5_chat_template

END_OF_TEXT = "<|endoftext|>"
END_OF_TURN = "<|end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>", END_OF_TURN)


def random_tokenizer(texts: list[str], size: int = 4096) -> PreTrainedTokenizerFast:
    """Make a byte-level BPE tokenizer from the training texts."""
    # As in Phi-3.5, white space after a role's token belongs to that token.
    special = [AddedToken(token, special=True) for token in (END_OF_TEXT, "<unk>", "<s>")]
    special += [AddedToken(token, special=True, rstrip=True) for token in ROLES]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        unk_token="<unk>",
        chat_template=phi3_5_chat_template,
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )


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
