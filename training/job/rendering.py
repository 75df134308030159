"""From conversations to token ids, and which of them the model has to say.

The one place where this is decided: the job learns from what `tokens_of` gives, and the command
line's preview (preview.py) shows it. Needs transformers and numpy, never torch.
"""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from conversations import Conversation
from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import render_jinja_template

BATCH = 1000
"""Conversations that are tokenised in one call of the tokenizer, on all cores."""


@dataclass(frozen=True)
class Tokens:
    """A conversation as the model sees it."""

    ids: "np.ndarray[Any, np.dtype[np.int32]]"
    learned: "np.ndarray[Any, np.dtype[np.bool_]]"
    """For each token, whether the model has to say it: its loss counts."""
    text: str
    """What the template made of the conversation."""
    encoding: Any
    """The tokenizer's own answer, which knows the place of each token in `text`."""

    @property
    def places(self) -> list[tuple[int, int]]:
        """Give where each token begins and ends in `text`."""
        places: list[tuple[int, int]] = self.encoding.offsets
        return places


def tokens_of(
    conversations: Iterable[Conversation], tokenizer: PreTrainedTokenizerBase, template: str
) -> Iterator[Tokens]:
    """Render conversations by a marked template and tokenise them, a batch at a time.

    A token is to be learned if it begins in an answer: one that began before it, such as a role's
    token that takes the white space after it along, is given to the model, not said by it. While
    a batch is tokenised, outside Python, the next one is rendered.
    """
    every = iter(conversations)
    with ThreadPoolExecutor(max_workers=1) as beside:
        before: _Batch | None = None
        while talks := list(itertools.islice(every, BATCH)):
            texts, spans = render_jinja_template(
                conversations=talks,
                chat_template=template,
                return_assistant_tokens_mask=True,
                **tokenizer.special_tokens_map,
            )
            batch = _Batch(texts, spans, beside.submit(_encode, tokenizer, texts))
            if before:
                yield from before.tokens()
            before = batch
        if before:
            yield from before.tokens()


def tokens_by_line(
    conversations: Iterable[tuple[int, Conversation]],
    tokenizer: PreTrainedTokenizerBase,
    template: str,
) -> Iterator[tuple[int, Tokens]]:
    """Do as `tokens_of` does, for conversations with their line numbers."""
    read: deque[int] = deque()  # two batches at most: as far as tokens_of reads ahead

    def talks() -> Iterator[Conversation]:
        for number, talk in conversations:
            read.append(number)
            yield talk

    for tokens in tokens_of(talks(), tokenizer, template):
        yield read.popleft(), tokens


@dataclass(frozen=True)
class _Batch:
    texts: list[str]
    spans: list[list[tuple[int, int]]]
    """For each text, where its answers begin and end."""
    encodings: "Future[list[Any]]"

    def tokens(self) -> Iterator[Tokens]:
        for text, answers, encoding in zip(
            self.texts, self.spans, self.encodings.result(), strict=True
        ):
            ids = np.array(encoding.ids, dtype=np.int32)
            learned = np.zeros(len(ids), dtype=np.bool_)
            for start, end in answers:
                learned[_token_from(encoding, start, text) : _token_from(encoding, end, text)] = 1
            yield Tokens(ids, learned, text, encoding)


def _encode(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[Any]:
    """Tokenise without the lists of Python numbers that transformers would make of it.

    They are two thirds of the time: bench/tokenise.py.
    """
    backend = tokenizer.backend_tokenizer
    backend.no_padding()  # transformers leaves there what the last call asked for
    backend.no_truncation()
    found: list[Any] = backend.encode_batch(texts, add_special_tokens=False)
    return found


def _token_from(encoding: Any, place: int, text: str) -> int:
    """Find the first token that begins at a place of the text or after it."""
    for at in range(place, len(text)):
        token: int | None = encoding.char_to_token(at)
        if token is not None:  # else the tokenizer left this character out
            while token < len(encoding) and encoding.token_to_chars(token)[0] < place:
                token += 1
            return token
    return len(encoding)
