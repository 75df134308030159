"""What the job was given: two files of conversations, and where their tokens are kept."""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conversations import Conversation, read_conversations


@dataclass(frozen=True)
class Material:
    """Both files, checked; what they say is read again whenever it is needed."""

    files: dict[str, Path]
    """By part: `train` and `eval`."""
    talks: dict[str, Any]
    """By part: the file's conversations (or preferences)."""
    tokens: Path
    """Folder of the tokens: beside the checkpoints, so that a job that starts again finds them."""

    @property
    def hashes(self) -> dict[str, str]:
        """Give each file's SHA-256."""
        return {part: talks.sha256 for part, talks in self.talks.items()}

    @property
    def texts(self) -> Iterator[str]:
        """Everything that is said in the training file."""
        texts: Iterator[str] = self.talks["train"].texts
        return texts

    @property
    def system_message(self) -> str:
        """The system message that all training conversations share; empty where they differ."""
        message: str = self.talks["train"].system_message
        return message

    def asked(self, count: int) -> list[Conversation]:
        """Take the held-out conversations whose last question base and tuned model answer."""
        asked: list[Conversation] = self.talks["eval"].first(count)
        return asked


def read_material(
    order: argparse.Namespace, read: Callable[[Path], Any] = read_conversations
) -> Material:
    """Read both files, of conversations or of preferences.

    Raises:
        JobError: a file cannot be read or has bad lines; all of that file's are named.
    """
    files = {"train": order.train_file, "eval": order.eval_file}
    talks = {part: read(path) for part, path in files.items()}
    return Material(files, talks, order.checkpoints / "tokens")
