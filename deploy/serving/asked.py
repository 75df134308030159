"""One asked question: what its asker waits on, and what the writing thread keeps of it."""

import queue
import time
from dataclasses import dataclass, field

from answer_text import AnswerText
from engine import Piece, Question, out_of_time
from rows import Row
from sampling import Refused

GRACE = 30
"""Seconds after its deadline in which a question must be over: a step may be slow."""


@dataclass(eq=False)
class Asked(Row):
    """A question with its answer so far; the writing thread alone changes it."""

    question: Question
    text: AnswerText
    end_tokens: tuple[int, ...]
    pieces: "queue.SimpleQueue[Piece | Refused]" = field(default_factory=queue.SimpleQueue)
    is_over: bool = False
    """Nothing more will be written: it has ended, failed, or nobody waits for it."""

    @property
    def needs(self) -> int:
        """Tokens of question and answer together at the most."""
        return len(self.question.tokens) + (self.question.sampling.max_new_tokens or 1)

    @property
    def is_late(self) -> bool:
        """Whether its time is over."""
        return time.monotonic() > self.question.deadline

    @property
    def written(self) -> int:
        """Tokens of the answer so far."""
        return self.length - len(self.question.tokens)

    def took(self, token: int) -> None:
        """Hand on what the token that now stands at the end means to the asker."""
        if token in self.end_tokens:
            self._end("stop", self.text.rest(), self.written - 1)
            return
        text = self.text.push(token)
        if self.text.is_stopped:
            self._end("stop", text, self.written)
        elif self.length >= self.needs:
            self._end("length", text + self.text.rest(), self.written)
        elif text:
            self.pieces.put(Piece(text, self.written))

    def cut(self) -> None:
        """End it because its time is over."""
        if self.written:
            self._end("length", self.text.rest(), self.written)
        else:
            self.refuse(out_of_time())

    def refuse(self, refused: Refused) -> None:
        """End it with a reason; without effect where it is over."""
        if not self.is_over:
            self.is_over = True
            self.pieces.put(refused)

    def _end(self, finish: str, text: str, tokens: int) -> None:
        self.is_over = True
        self.pieces.put(Piece(text, tokens, "stop" if finish == "stop" else "length"))


class Answer:
    """The pieces of an answer as they come; an iterator that can be closed."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._has_ended = False

    def __iter__(self) -> "Answer":
        return self

    def __next__(self) -> Piece:
        if self._has_ended:
            raise StopIteration
        left = self._asked.question.deadline - time.monotonic()
        try:
            piece = self._asked.pieces.get(timeout=max(0.0, left) + GRACE)
        except queue.Empty:
            self.close()
            raise Refused("out_of_time", "The model did not answer in time.", status=503) from None
        if isinstance(piece, Refused):
            self._has_ended = True
            raise piece
        self._has_ended = bool(piece.finish)
        return piece

    def close(self) -> None:
        """Give the answer up: its place is free for others."""
        if not self._has_ended:
            self._has_ended = True
            self._asked.is_over = True

    def __del__(self) -> None:
        self.close()
