"""A tokenizer made from the training texts, with Phi-3.5's template and special tokens.

That of the untrained Phi-3 in random_model.py; without torch, as a preview needs it, too.
"""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

END_OF_TEXT = "<|endoftext|>"
END_OF_TURN = "<|end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>", END_OF_TURN)
TEMPLATE = Path(__file__).with_name("phi3_5.jinja")


def random_tokenizer(texts: Iterable[str], size: int = 4096) -> PreTrainedTokenizerFast:
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
        chat_template=TEMPLATE.read_text(encoding="utf-8"),
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )
