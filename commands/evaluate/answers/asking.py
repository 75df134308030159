"""One question to something that is deployed: how it is put, what comes back, how long it took."""

import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, get_args

from core.errors import UserError
from deploy.talking.answers import FILTERED, BrokenOff, Part
from deploy.talking.asking import Line
from deploy.talking.refusals import Filtered
from evaluation.cases import Case, Decoding
from evaluation.replies import Finish, Reply
from evaluation.sides import Side

TRIES = 3
"""Of a question whose answer broke off: an instance went away under it."""
WARM_UP: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}
WARM_UP_TOKENS = 16
"""Enough for a model that thinks before it says something, too."""
NEWER_LENGTH = "max_completion_tokens"
LEFT_OUT = ("temperature", "top_p", "seed")
"""What some models refuse, and answer without; reasoning models among them."""


@dataclass
class Manner:
    """How a side is told to decode: in the suite's words, less what it has refused.

    Greedy decoding is told by the temperature alone. A seed goes with chance.
    """

    decoding: Decoding
    length: str = "max_tokens"
    refused: list[str] = field(default_factory=list)
    """What the side is not told, since it takes none: there its own choice counts."""

    def fields(self) -> dict[str, Any]:
        """Give the decoding under the names of a chat-completions body."""
        chosen: dict[str, Any] = {"temperature": self.decoding.temperature}
        if self.decoding.temperature:
            chosen |= {"top_p": self.decoding.top_p, "seed": self.decoding.seed}
        kept = {name: value for name, value in chosen.items() if name not in self.refused}
        return {**kept, self.length: self.decoding.max_tokens}

    def learn(self, refusal: UserError) -> bool:
        """Leave out what a refusal names; False where it names nothing that may be left out."""
        said = str(refusal)
        if NEWER_LENGTH in said and self.length != NEWER_LENGTH:
            self.length = NEWER_LENGTH
            return True
        named = [name for name in LEFT_OUT if re.search(rf"\b{name}\b", said)]
        new = [name for name in named if name in self.fields()]
        self.refused += new
        return bool(new)


def warm_up(line: Line, manner: Manner) -> None:
    """Put a question that counts nowhere: it opens the connection, and shows what is refused.

    Raises:
        UserError: the side takes no question of this kind.
        CloudError: it does not answer.
    """
    while True:
        fields = manner.fields() | {manner.length: WARM_UP_TOKENS}
        try:
            for _ in line.stream({**WARM_UP, **fields}):
                pass
            return
        except Filtered:
            return
        except UserError as refusal:
            if not manner.learn(refusal):
                raise


def ask(line: Line, side: Side, case: Case, manner: Manner) -> Reply:
    """Put a case and give the reply; what the content filter takes is one, too, and empty.

    The times begin when the question goes out that is answered: a busy endpoint's waits count
    nowhere. Where the answer comes in one piece, nobody knows when its first word was there.

    Raises:
        UserError: the side refuses this question.
        CloudError: it does not answer, or its answers break off again and again.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    known = {"case": case.id, "side": side.key, "decoding": manner.decoding.id, "asked": now}
    for left in reversed(range(TRIES)):
        try:
            return Reply(**known, **_heard(line, {"messages": case.asked(), **manner.fields()}))
        except Filtered:
            return Reply(**known, text="", finish="filtered")
        except BrokenOff:
            if not left:
                raise
    raise AssertionError


def _heard(line: Line, body: dict[str, Any]) -> dict[str, Any]:
    parts, first, seconds = list[Part](), None, 0.0
    for part in line.stream(body):
        seconds = time.monotonic() - line.sent
        if part.text and first is None:
            first = seconds
        parts.append(part)
    usage = next((part.usage for part in reversed(parts) if part.usage), None) or {}
    finish = next((part.finish for part in reversed(parts) if part.finish), "")
    heard = {
        "text": "".join(part.text for part in parts),
        "finish": finish if finish in get_args(Finish) else "",
        "tokens": usage.get("completion_tokens"),
        "prompt_tokens": usage.get("prompt_tokens"),
    }
    if finish == FILTERED:  # what was cut off says nothing of how long an answer takes
        return {**heard, "finish": "filtered"}
    return {
        **heard,
        "seconds": seconds,
        "first_token_seconds": first if line.is_streamed else None,
    }
