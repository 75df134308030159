"""The contract between the scoring of requests and what runs the model.

A runtime is one module that holds an engine: `batching.py` (transformers, any hardware) or
`openvino_engine.py` (int4 on processors). Both take prompts as tokens and give text as it is
written; how they batch is their own affair.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from sampling import Refused, Sampling


@dataclass(frozen=True)
class Question:
    """One conversation as the model sees it, and how it shall be answered."""

    tokens: tuple[int, ...]
    """The rendered prompt's token ids, special tokens in place."""
    sampling: Sampling
    """Its `max_new_tokens` is set and fits the context."""
    deadline: float
    """Monotonic seconds after which writing stops, with `length` if something was written."""


@dataclass(frozen=True)
class Piece:
    """A part of an answer; the last one, and no other, says how it ended."""

    text: str
    """Whole characters, without special tokens; may be empty. Never holds (part of) a stop text."""
    tokens: int
    """How many the model has written so far in this answer, an end token not counted."""
    finish: Literal["", "stop", "length"] = ""


def busy() -> Refused:
    """Make the refusal of a question that got no place before its time was over."""
    return Refused("busy", "Other requests are being answered.", status=429, retry_after=5)


def out_of_time() -> Refused:
    """Make the refusal of a question whose time was over with nothing written."""
    return Refused("out_of_time", "No time is left for this answer; ask for less.", status=503)


class Engine(Protocol):
    """A loaded model that answers many questions at once, whichever threads they come from."""

    def write(self, question: Question) -> Iterator[Piece]:
        """Answer a question piece by piece; closing the iterator early gives its place up.

        The question is in line when this returns, so that several can be asked and then waited for.

        Raises (at the first piece):
            Refused: `busy` (429) where no place comes free before the deadline, `out_of_time` (503)
                where the deadline passes with nothing written.
        """
        ...

    def check(self) -> None:
        """Make the model answer once.

        Raises:
            UnusableModel: it computes something that is no number, or writes nothing.
        """
        ...
