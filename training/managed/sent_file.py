"""A file that is to be sent: written once, and known by what is in it."""

import hashlib
from pathlib import Path
from typing import IO

from training.data.records import BOM
from training.managed.contract import Prepared


class SentFile:
    """Writes a file line by line; with a byte order mark where the service wants one."""

    def __init__(self, path: Path, is_marked: bool) -> None:
        self.path, self._start = path, BOM if is_marked else b""
        self.rows = self.tokens = self.bytes = 0
        self._digest = hashlib.sha256()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> "SentFile":
        self._file = self.path.open("wb", buffering=1 << 20)
        self._put(self._start)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._file
        self._file.close()

    def add(self, line: bytes, tokens: int) -> None:
        """Add a record, its line end included."""
        self._put(line)
        self.rows += 1
        self.tokens += tokens

    def prepared(self) -> Prepared:
        """Give what is known of the file."""
        return Prepared(self.path, self.rows, self.bytes, self._digest.hexdigest(), self.tokens)

    def _put(self, content: bytes) -> None:
        assert self._file
        self._file.write(content)
        self._digest.update(content)
        self.bytes += len(content)
