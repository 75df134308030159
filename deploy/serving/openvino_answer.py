"""A question on its way to the model's process, and its answer as it comes back."""

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from answer_text import AnswerText
from engine import Piece, Question, busy, out_of_time
from openvino_settings import blocks_for


@dataclass(eq=False)
class Asked:
    """A question on its way: waiting for room, or with the model."""

    number: int
    question: Question
    settings: dict[str, Any]
    news: "queue.SimpleQueue[tuple[list[int], str] | Exception]" = field(
        default_factory=queue.SimpleQueue
    )

    @property
    def blocks(self) -> int:
        """Blocks of the cache that question and answer may take, one more for a shared one."""
        length = self.question.sampling.max_new_tokens or 1
        return blocks_for(len(self.question.tokens) + length) + 1


class Answer:
    """The pieces of an answer as they come; an iterator that can be closed."""

    def __init__(
        self,
        asked: Asked,
        text: AnswerText,
        ends: tuple[int, ...],
        give_up: Callable[[Asked], bool],
    ) -> None:
        self.tokens: list[int] = []
        self._asked = asked
        self._text = text
        self._ends = ends
        self._give_up = give_up
        self._has_ended = False

    def __iter__(self) -> "Answer":
        return self

    def __next__(self) -> Piece:
        while not self._has_ended:
            left = self._asked.question.deadline - time.monotonic()
            try:
                news = self._asked.news.get(timeout=left) if left > 0 else None
            except queue.Empty:
                news = None
            piece = self._take(news) if news else self._cut()
            if piece.text or piece.finish:
                return piece
        raise StopIteration

    def close(self) -> bool:
        """Give the answer up: its place is free for others. Say whether it was with the model."""
        self._has_ended = True
        return self._give_up(self._asked)

    def __del__(self) -> None:
        if not self._has_ended:
            self.close()

    def _take(self, news: tuple[list[int], str] | Exception) -> Piece:
        if isinstance(news, Exception):
            self._has_ended = True
            raise news
        tokens, finish = news
        text = ""
        for token in tokens:
            if token in self._ends:
                finish = "stop"
                break
            self.tokens.append(token)
            text += self._text.push(token)
            if self._text.is_stopped:
                self.close()
                return Piece(text, len(self.tokens), "stop")
        if finish:
            self._has_ended = True
            text += self._text.rest()
        return Piece(text, len(self.tokens), cast(Literal["", "stop", "length"], finish))

    def _cut(self) -> Piece:
        """End it because its time is over."""
        was_with_the_model = self.close()
        if self.tokens:
            return Piece(self._text.rest(), len(self.tokens), "length")
        if not was_with_the_model:
            raise busy()
        raise out_of_time()
