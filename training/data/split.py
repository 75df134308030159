"""Split a file into training and validation by a stable hash of each chat.

Where a chat goes depends on the chat and the seed alone: adding records moves none of the
others, and equal chats always land on the same side. Lines are copied byte for byte.
"""

import hashlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from core.errors import SettingsError
from training.data.check import Report, check_file, require_good

TRAIN, VALIDATION = "train.jsonl", "validation.jsonl"


@dataclass(frozen=True)
class Split:
    """The two files and how many records each got."""

    train: Path
    validation: Path
    train_rows: int
    validation_rows: int
    report: Report
    """The check of the file that was split."""


def split_file(path: Path, folder: Path, *, share: float = 0.2, seed: int = 0) -> Split:
    """Check a file and write `train.jsonl` and `validation.jsonl` to `folder`, in one pass.

    About `share` of the chats go to validation; neither side is ever left empty.

    Raises:
        SettingsError: the file has faults (all are named), holds fewer than two chats, or would
            be overwritten by its own split.
    """
    if not 0 < share < 1:
        raise SettingsError(f"share: {share} is not between 0 and 1; for example 0.2")
    if path.resolve() in ((folder / TRAIN).resolve(), (folder / VALIDATION).resolve()):
        raise SettingsError(
            f"{path} would be overwritten by its own split.", hint="Choose another --folder."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".split-") as work:
            return _split(path, Path(work), folder, share, seed)
    except OSError as error:
        raise SettingsError(f"{folder}: cannot write there: {error.strerror}.") from error


def _split(path: Path, work: Path, folder: Path, share: float, seed: int) -> Split:
    with Side(work / TRAIN) as train, Side(work / VALIDATION) as validation:
        salt = seed.to_bytes(8, "little", signed=True)
        limit = int(share * 2**64)

        def keep(line: bytes, key: int) -> None:
            place = _place(key, salt)
            (validation if place < limit else train).write(line, place)

        report = check_file(path, keep=keep)
        require_good(report)
        if not (train.rows and validation.rows):
            _share_out(path, train, validation)
    for name in (TRAIN, VALIDATION):
        (work / name).replace(folder / name)
    return Split(folder / TRAIN, folder / VALIDATION, train.rows, validation.rows, report)


def _place(key: int, salt: bytes) -> int:
    """Put a chat in the order that the seed makes: an even spread over 64 bits."""
    digest = hashlib.blake2b(key.to_bytes(8, "little"), digest_size=8, key=salt).digest()
    return int.from_bytes(digest, "little")


@dataclass
class Side:
    """One of the two files while it is written."""

    path: Path
    rows: int = 0
    edges: dict[int, list[bytes]] = field(default_factory=dict)
    """The chats with the lowest and the highest place, one of which an empty side gets."""
    _file: IO[bytes] | None = None

    def __enter__(self) -> "Side":
        self._file = self.path.open("wb", buffering=1 << 20)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._file
        self._file.close()

    def write(self, line: bytes, place: int) -> None:
        """Add a line as it is; only a missing line end is put in."""
        assert self._file
        whole = line if line.endswith(b"\n") else line + b"\n"
        self._file.write(whole)
        self.rows += 1
        if place in self.edges:
            self.edges[place].append(whole)
        elif len(self.edges) < 2 or not min(self.edges) < place < max(self.edges):
            self.edges[place] = [whole]
            for inner in sorted(self.edges)[1:-1]:
                del self.edges[inner]

    def give(self, place: int, to: "Side") -> None:
        """Move the chat at `place`, all its copies, to the other side."""
        assert self._file
        moved = self.edges.pop(place)
        self._file.close()
        rest = self.path.with_suffix(".rest")
        with self.path.open("rb") as whole, rest.open("wb") as kept:
            kept.writelines(line for line in whole if line not in moved)
        rest.replace(self.path)
        self._file = self.path.open("ab")
        self.rows -= len(moved)
        for line in moved:
            to.write(line, place)


def _share_out(path: Path, train: Side, validation: Side) -> None:
    """Give the empty side the chat nearest to it in the order of hashes."""
    full, empty = (train, validation) if train.rows else (validation, train)
    if len(full.edges) < 2:
        raise SettingsError(f"{path}: holds one chat only; a split needs two different ones.")
    full.give(min(full.edges) if empty is validation else max(full.edges), empty)
