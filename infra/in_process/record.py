"""The in-process engine's memory of a stack: one JSON file, written after every resource."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from core.errors import PrerequisiteError
from core.home import home
from infra.names import stack_name


@dataclass(frozen=True)
class Kept:
    """A resource that the engine made or found as wanted."""

    id: str
    token: str
    name: str
    body: dict[str, Any]
    """As last sent, or as it would have been."""


@dataclass
class Record:
    """What the engine knows of one stack. Thread-safe: resources are made side by side."""

    file: Path
    resources: dict[str, Kept] = field(default_factory=dict)
    """By lower-case id, oldest first."""
    exports: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def of(cls, stack: str) -> "Record":
        """Read the stack's file; an empty record where there is none."""
        file = home() / "stacks" / f"{stack_name(stack)}.json"
        if not file.is_file():
            return cls(file)
        found = orjson.loads(file.read_bytes())
        kept = [Kept(**row) for row in found["resources"]]
        return cls(file, {row.id.lower(): row for row in kept}, found["exports"])

    def keep(self, resource: Kept) -> None:
        """Remember a resource, at once and on disk."""
        with self._lock:
            if self.resources.get(resource.id.lower()) != resource:
                self.resources[resource.id.lower()] = resource
                self._save()

    def forget(self, id: str) -> None:
        """Forget a resource, at once and on disk."""
        with self._lock:
            self.resources.pop(id.lower(), None)
            self._save()

    def finish(self, exports: dict[str, str]) -> None:
        """Remember what the program exported: from here on the stack is up."""
        with self._lock:
            self.exports = exports
            self._save()

    def remove(self) -> None:
        """Leave no trace of the stack."""
        with self._lock:
            self.resources.clear()
            self.exports = {}
            self.file.unlink(missing_ok=True)
            self.file.with_suffix(".new").unlink(missing_ok=True)
            if not any(self.file.parent.iterdir()):
                self.file.parent.rmdir()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep a second `up` or `destroy` of the same stack out.

        Raises:
            PrerequisiteError: one is at work.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        # The folder itself is the lock: a lock file could not be removed without a race.
        folder = os.open(self.file.parent, os.O_RDONLY)
        try:
            self._lock_or_refuse(folder)
            yield
        finally:
            os.close(folder)

    def _lock_or_refuse(self, folder: int) -> None:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PrerequisiteError(
                f"Another tunestack is at work on {self.file.stem}.", hint="Wait for it."
            ) from error

    def _save(self) -> None:
        found = {"resources": list(self.resources.values()), "exports": self.exports}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.file.with_suffix(".new")
        fresh.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        fresh.replace(self.file)
