"""What the job was given: conversations by their lines, and the hashes of the two files."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from dataset import Conversation, read_conversations, shared_system_message
from saved_model import file_sha256

PARTS = ("train", "eval")


@dataclass(frozen=True)
class Material:
    """Both files, read."""

    files: dict[str, Path]
    """By part: `train` and `eval`."""
    talks: dict[str, dict[int, Conversation]]
    """By part and line number."""
    hashes: dict[str, str]
    """SHA-256 by part."""

    @property
    def texts(self) -> list[str]:
        """Everything that is said in the training file."""
        return [turn["content"] for talk in self.talks["train"].values() for turn in talk]

    @property
    def system_message(self) -> str:
        """The system message that all training conversations share; empty where they differ."""
        return shared_system_message(self.talks["train"])

    def asked(self, count: int) -> list[Conversation]:
        """Take the held-out conversations whose last question base and tuned model answer."""
        return list(self.talks["eval"].values())[:count]


def read_material(order: argparse.Namespace) -> Material:
    """Read both files.

    Raises:
        JobError: a file cannot be read or has bad lines; all of that file's are named.
    """
    files = {"train": order.train_file, "eval": order.eval_file}
    talks = {part: read_conversations(path) for part, path in files.items()}
    return Material(files, talks, {part: file_sha256(path) for part, path in files.items()})
