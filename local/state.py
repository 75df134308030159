"""Everything the local Azure remembers: documents by id, on disk, surviving a restart.

An ARM resource is stored under its ARM id; what is not a resource (keys, running operations,
metrics) under an id of its own that starts with its kind. Ids are compared without case, as
ARM does. Blobs are files and live in `storage/`, not here.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Document = dict[str, Any]


class State:
    """A thread-safe store of JSON documents in one SQLite file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # It holds keys; the command line may be the first to open it, under anybody's umask.
        (folder / "state.sqlite").touch(mode=0o600)
        self._lock = threading.RLock()
        self._afterwards: list[Callable[[], None]] = []
        self._rows = sqlite3.connect(
            folder / "state.sqlite", check_same_thread=False, isolation_level=None
        )
        self._rows.execute("PRAGMA journal_mode=WAL")
        self._rows.execute("PRAGMA synchronous=NORMAL")
        self._rows.execute(
            "CREATE TABLE IF NOT EXISTS documents (id TEXT PRIMARY KEY COLLATE NOCASE,"
            " kind TEXT NOT NULL COLLATE NOCASE, body TEXT NOT NULL, created REAL NOT NULL)"
        )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what happens inside atomic, towards other threads and towards a crash."""
        waiting: list[Callable[[], None]] = []
        try:
            with self._lock:
                if self._rows.in_transaction:
                    yield
                    return
                self._rows.execute("BEGIN IMMEDIATE")
                self._afterwards = waiting
                try:
                    yield
                except BaseException:
                    self._rows.execute("ROLLBACK")
                    raise
                self._rows.execute("COMMIT")
        finally:
            for act in waiting:
                act()

    def afterwards(self, act: Callable[[], None]) -> None:
        """Act when this thread's transaction is over, also where it is undone; else at once.

        For what a refusal must leave behind although it undoes everything else.
        """
        with self._lock:
            if self._rows.in_transaction:
                self._afterwards.append(act)
                return
        act()

    def get(self, id: str) -> Document | None:
        """Read a document; None where there is none."""
        with self._lock:
            row = self._rows.execute("SELECT body FROM documents WHERE id = ?", (id,)).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, id: str, kind: str, body: Document) -> bool:
        """Store a document; True where it is new. `kind` is the ARM type, or a word of ours."""
        with self.transaction():
            is_new = self.get(id) is None
            self._rows.execute(
                "INSERT INTO documents VALUES (?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, body = excluded.body",
                (id, kind, json.dumps(body), time.time()),
            )
        return is_new

    def delete(self, id: str) -> bool:
        """Forget a document and everything below it (`id/...`); True where there was one."""
        with self.transaction():
            there = self.get(id) is not None
            self._rows.execute(
                "DELETE FROM documents WHERE id = ? OR substr(id, 1, ?) = ? COLLATE NOCASE",
                (id, len(id) + 1, f"{id}/"),
            )
        return there

    def find(self, kind: str = "", *, below: str = "") -> list[tuple[str, Document]]:
        """List (id, document) of a kind and below an id, oldest first; both filters optional."""
        with self._lock:
            rows = self._rows.execute(
                "SELECT id, body FROM documents WHERE (? = '' OR kind = ?)"
                " AND (? = '' OR substr(id, 1, ?) = ? COLLATE NOCASE) ORDER BY created, id",
                (kind, kind, below, len(below) + 1, f"{below}/"),
            ).fetchall()
        return [(id, json.loads(body)) for id, body in rows]

    def within(self, prefix: str) -> list[tuple[str, Document]]:
        """List (id, document) whose id starts with `prefix/`, by the index: costs next to nothing.

        The range ends at `prefix0`: `0` is the character after `/`.
        """
        with self._lock:
            rows = self._rows.execute(
                "SELECT id, body FROM documents WHERE id > ? AND id < ? ORDER BY id",
                (f"{prefix}/", f"{prefix}0"),
            ).fetchall()
        return [(id, json.loads(body)) for id, body in rows]

    def close(self) -> None:
        """Close the file; the state stays on disk."""
        with self._lock:
            self._rows.close()


Place = Path | State
"""The folder of a local Azure, or its open state."""


@contextmanager
def opened(place: Place) -> Iterator[State]:
    """Give the state of a place; one that was not open is closed again."""
    if isinstance(place, State):
        yield place
        return
    state = State(place)
    try:
        yield state
    finally:
        state.close()
