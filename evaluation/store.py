"""Answers that were paid for once: kept by who gave them, how they were decoded, and to what.

A folder of files that only grow, one `Reply` a line, a file for every side and decoding. A kill
costs the line being written at most: the next line starts on its own, and what was cut is passed
over. Threads and processes may add at the same time; of two answers to one question the first
counts, so that an evaluation that is made again finds what it found before.
"""

import fcntl
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from core.errors import UserError
from evaluation.cases import Case, Decoding
from evaluation.replies import Reply
from evaluation.sides import Side

Key = tuple[str, str]
"""Of a question in a file: `Case.id`, and the `Case.reference_id` that was scored."""


class AnswerStore:
    """The folder of kept answers. They are customers' conversations: for their owner alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[Path, _File] = {}
        self._lock = threading.Lock()

    def get(
        self, side_key: str, decoding_id: str, case_id: str, reference: str = ""
    ) -> Reply | None:
        """Give what a side has answered; None where it is not kept.

        With `reference`, a `Case.reference_id`, an answer that was scored against another
        reference does not count.

        Raises:
            UserError: the file cannot be read.
        """
        with self._lock:
            return self._read(side_key, decoding_id).find(case_id, reference)

    def replies(self, side: Side, decoding: Decoding, cases: Iterable[Case]) -> dict[str, Reply]:
        """Give a side's answers by `Case.id`; a case that it has not answered is left out."""
        with self._lock:
            file = self._read(side.key, decoding.id)
        found = ((case.id, file.find(case.id, case.reference_id)) for case in cases)
        return {id: reply for id, reply in found if reply is not None}

    def missing(self, side: Side, decoding: Decoding, cases: Sequence[Case]) -> list[Case]:
        """List the cases that a side has not answered, each once, in their order."""
        kept = self.replies(side, decoding, cases)
        return list({case.id: case for case in cases if case.id not in kept}.values())

    def add(self, reply: Reply) -> None:
        """Keep an answer, unless its question has one; a process that is killed then loses it not.

        Raises:
            UserError: the disk is full, or the file cannot be written; no half line stays.
        """
        with self._lock, _locked(self._path(reply.side, reply.decoding)) as descriptor:
            file = self._read(reply.side, reply.decoding)
            if (reply.case, reply.reference) in file.replies:
                return
            _append(descriptor, reply.model_dump_json(exclude_none=True).encode() + b"\n")
            file.read_on()

    def note(self, side: Side, decoding: Decoding, text: str) -> None:
        """Keep what a reader of these answers has to know as a line; once, however often told.

        Raises:
            UserError: it cannot be written.
        """
        path = self._path(side.key, decoding.id).with_suffix(".notes")
        line = " ".join(text.split())  # nothing is left in it that a reader would take for two
        with self._lock, _locked(path) as descriptor:
            if line not in _lines(path):
                _append(descriptor, line.encode() + b"\n")

    def notes(self, side: Side, decoding: Decoding) -> tuple[str, ...]:
        """Give what was noted of a side's answers."""
        return tuple(_lines(self._path(side.key, decoding.id).with_suffix(".notes")))

    def _read(self, side_key: str, decoding_id: str) -> "_File":
        path = self._path(side_key, decoding_id)
        file = self._files.setdefault(path, _File(path))
        file.read_on()
        return file

    def _path(self, side_key: str, decoding_id: str) -> Path:
        return self.folder / f"{side_key}-{decoding_id}.jsonl"


@dataclass
class _File:
    """A file as far as it was read."""

    path: Path
    replies: dict[Key, Reply] = field(default_factory=dict)
    position: int = 0
    """Behind the last whole line that was read; what stands behind it may still be written."""
    inode: int = 0

    def find(self, case: str, reference: str) -> Reply | None:
        return self.replies.get((case, reference)) or self.replies.get((case, ""))

    def read_on(self) -> None:
        """Read the lines that came since: one's own, and other processes'."""
        try:
            with self.path.open("rb") as file:
                now = os.fstat(file.fileno())
                if now.st_ino != self.inode or now.st_size < self.position:  # another file
                    self.replies, self.position, self.inode = {}, 0, now.st_ino
                file.seek(self.position)
                content = file.read()
        except FileNotFoundError:
            self.replies, self.position = {}, 0
            return
        except OSError as error:
            raise UserError(f"{self.path} cannot be read: {error.strerror}") from error
        whole = content[: content.rfind(b"\n") + 1]
        self.position += len(whole)
        for reply in _replies(whole):
            self.replies.setdefault((reply.case, reply.reference), reply)


def _replies(content: bytes) -> Iterator[Reply]:
    for line in content.split(b"\n"):
        try:
            if line:
                yield Reply.model_validate_json(line)
        except ValidationError:  # what a kill cut off
            continue


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open a file to add to it while nobody else does; made where it is missing.

    The lock is held for one line alone, and ends with the process that holds it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _append(descriptor: int, line: bytes) -> None:
    before = os.fstat(descriptor).st_size
    if before and os.pread(descriptor, 1, before - 1) != b"\n":
        line = b"\n" + line  # after one that a kill cut off
    try:
        rest = line
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError:
        os.ftruncate(descriptor, before)
        raise
