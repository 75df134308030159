"""A task: a thread, the child that it runs at the moment, its parts, and what it replaces."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.runner.processes import Child

log = logging.getLogger("local.runner")


@dataclass(eq=False)
class Task:
    """A thread and the child that it runs at the moment."""

    name: str
    stopping: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    seen: threading.Event = field(default_factory=threading.Event)
    """Set when somebody has been told that a job is finalizing."""
    is_followed: bool = False
    """Whether somebody has asked how it goes, and where its log is."""
    before: "Task | None" = None
    """What this one replaces, for as long as that has not ended."""
    has_taken_over: bool = False
    """Whether what it replaces must not come back when this one ends."""
    parts: "list[Task]" = field(default_factory=list)
    """Tasks that do some of its work, each with a child of its own; they end with it."""
    _child: "Child | None" = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, make: "Callable[[], Child]") -> "Child":
        """Start a child that `stop` ends; already stopped tasks start and end it at once."""
        with self._lock:
            self._child = make()
            if self.stopping.is_set():
                self._child.stop()
            return self._child

    def begin_part(self, part: "Task", target: Callable[[], None]) -> None:
        """Start a part in a thread of its own; a stopped task's part is stopped, too."""

        def live() -> None:
            try:
                target()
            except Exception:
                log.exception("part %s failed", part.name)
            finally:
                part.finish()

        part.thread = threading.Thread(target=live, name=part.name.rpartition("/")[2], daemon=True)
        with self._lock:
            self.parts.append(part)
            if self.stopping.is_set():
                part.stopping.set()
        part.thread.start()

    def end_part(self, part: "Task") -> None:
        """Stop a part and wait until its child is gone."""
        part.stop()
        if part.thread is not None:
            part.thread.join()
        with self._lock:
            self.parts.remove(part)

    @property
    def is_alive(self) -> bool:
        """Whether its thread still works."""
        return self.thread is not None and self.thread.is_alive()

    @property
    def survivor(self) -> "Task | None":
        """What comes back when this one ends: the one that it has not taken over from."""
        if self.has_taken_over or self.before is None:
            return None
        return self.before if self.before.is_alive else self.before.survivor

    def stop(self) -> None:
        """Ask the task to end; returns at once."""
        if self.before is not None:
            self.before.stop()
        self.stop_own()

    def finish(self) -> None:
        """End what this task itself still runs, and wait until it is gone."""
        self.stop_own()
        if self._child is not None:
            self._child.wait()
        for part in list(self.parts):
            if part.thread is not None:
                part.thread.join()

    def stop_own(self) -> None:
        """Ask the task to end, but not what it replaces."""
        with self._lock:
            self.stopping.set()
            if self._child is not None:
                self._child.stop()
            for part in self.parts:
                part.stop()

    def sleep(self, seconds: float) -> bool:
        """Wait, but not longer than until `stop`; True where the task shall end."""
        return self.stopping.wait(seconds)
