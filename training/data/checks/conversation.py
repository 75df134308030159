"""A good record as the checks of its content see it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from training.data.findings import Kind
from training.data.records import PAIR


@dataclass
class Conversation:
    """A record without a fault: its line, its messages, their texts."""

    line: int
    record: dict[str, Any]
    kind: Kind = "chat"
    is_copy: bool = False
    """True where the file holds the same record already."""

    @cached_property
    def messages(self) -> list[dict[str, str]]:
        """All messages; of a preference those of its three parts, one after the other."""
        if self.kind == "chat":
            return self.record["messages"]  # type: ignore[no-any-return]
        return [message for part in PAIR for message in self.record[part]]

    @cached_property
    def text(self) -> str:
        """What all messages say."""
        return "\n".join([message["content"] for message in self.messages])

    @cached_property
    def spoken(self) -> str:
        """What user and assistant say; the system message is often the same in every chat."""
        return "\n".join([m["content"] for m in self.messages if m["role"] != "system"])

    def places(self) -> Iterator[tuple[str, str, str]]:
        """Give each message's name for a person, its role and its text."""
        if self.kind == "chat":
            for number, message in enumerate(self.messages, 1):
                yield f"message {number}", message["role"], message["content"]
            return
        for part in PAIR:
            for number, message in enumerate(self.record[part], 1):
                yield f"{part} message {number}", message["role"], message["content"]
