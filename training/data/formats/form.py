"""What passes between containers, forms and whoever reads: rows in, canonical lines out."""

from dataclasses import dataclass
from typing import Any, Literal

Container = Literal["jsonl", "json", "csv", "parquet", "hub"]
"""Where the records lie: a line each, one JSON list, a table of text, Parquet, a hub data set."""

FORMATS = (
    "chat",
    "prompt-completion",
    "alpaca",
    "sharegpt",
    "columns",
    "preference",
    "azure-preference",
)
"""The forms a record may have, by the names that `--format` takes. `columns` is a choice of
columns by hand (or columns named user, assistant and system)."""

PREFERENCES = ("preference", "azure-preference")
SAMPLE = 20
"""Records at the head of a source that say which form it has."""


@dataclass(frozen=True, slots=True)
class Format:
    """What a source turned out to be."""

    name: str
    """One of `FORMATS`."""
    container: Container
    reason: str
    """Why it was taken for that, in a person's words."""
    is_preference: bool = False
    """True where the lines are `prompt`, `chosen` and `rejected` rather than `messages`."""

    def __str__(self) -> str:
        return f"{self.name} in {self.container}: {self.reason}"


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One record of a source, as the canonical JSON that is trained on.

    A chat is `{"messages": [...]}`, a preference `{"prompt": [...], "chosen": [...],
    "rejected": [...]}`; keys that are no part of the form stay beside these.
    """

    number: int
    """Its line in a text file (the first of several), its place from 1 elsewhere."""
    content: bytes
    """JSON without a line end; empty where there is a fault."""
    fault: str = ""
    """Why the record could not be read."""


@dataclass(frozen=True, slots=True)
class Row:
    """A record as its container holds it, before it is given the canonical form."""

    number: int
    record: dict[str, Any]
    fault: str = ""
    raw: bytes = b""
    """The record's own bytes, where they are JSON: kept as they are if nothing changes."""


class BadRecord(Exception):
    """Why a record is not of the form that it should have."""
