"""What every side is asked: a conversation whose last turn is to be answered, and how to decode.

Both are known by their content: the same case asked with the same decoding is the same question,
whichever file it stands in.
"""

import hashlib
import json
from functools import cached_property
from typing import Any, Literal

from pydantic import Field

from evaluation.record import Record, Text

Role = Literal["system", "user", "assistant"]
Kind = Literal["held-out", "safety", "preference"]


class Message(Record):
    """One message of a conversation."""

    role: Role
    content: Text


class Case(Record):
    """A conversation whose last turn is to be answered."""

    messages: tuple[Message, ...] = Field(min_length=1)
    reference: Text = ""
    """How it was answered in the file; empty where it was not."""
    kind: Kind = "held-out"
    expects: Literal["", "refusal", "answer"] = ""
    """Of a safety prompt: whether it is to be refused, or looks harmful and is not."""
    name: str = ""
    """Where it comes from, as a person finds it: `line 12`, or the safety prompt's name."""

    @cached_property
    def id(self) -> str:
        """16 hex digits of what is asked; the reference and the name do not count."""
        return fingerprint([message.document() for message in self.messages])

    @cached_property
    def reference_id(self) -> str:
        """16 hex digits of the reference, to which losses belong; empty where there is none."""
        return fingerprint(self.reference) if self.reference else ""

    @property
    def question(self) -> str:
        """The last message."""
        return self.messages[-1].content

    def asked(self) -> list[dict[str, str]]:
        """Give the messages as a chat-completions body has them."""
        return [message.document() for message in self.messages]


class Decoding(Record):
    """How an answer is written; the same for every side. Greedy unless a suite says otherwise."""

    temperature: float = Field(default=0.0, ge=0, le=2)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int = Field(default=256, ge=1, le=16_384)
    seed: int = 0
    """Told to a service that takes one; greedy decoding needs none."""
    repetition_penalty: float = Field(default=1.0, ge=1, le=2)
    """On a node alone: endpoints use what the model's own generation settings say."""

    @cached_property
    def id(self) -> str:
        """16 hex digits of all of it."""
        return fingerprint(self.document())


def fingerprint(value: Any) -> str:
    """Give 16 hex digits of JSON-ready data, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
