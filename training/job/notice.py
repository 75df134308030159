"""The node's notice that it will be taken away: SIGTERM, heard at a moment that loses little."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

EXIT_CODE = 75
"""The code of a job that may be started again as it is (sysexits' EX_TEMPFAIL)."""


class Stopped(BaseException):
    """The node stops the job. No library's `except Exception` may swallow it."""


class Notice:
    """Whether the notice has come."""

    def __init__(self) -> None:
        self.has_come = False
        self._waits_for_a_step = False

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Hear SIGTERM: it ends the work at once, or at the next step inside `at_a_step`."""
        self.has_come = False
        if threading.current_thread() is not threading.main_thread():
            yield  # Python lets the main thread alone set handlers
            return
        before = signal.signal(signal.SIGTERM, self._hear)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    @contextlib.contextmanager
    def at_a_step(self) -> Iterator[None]:
        """Leave it to the training to stop, when a step is done and saved."""
        self._waits_for_a_step = True
        try:
            yield
        finally:
            self._waits_for_a_step = False

    def _hear(self, number: int, frame: Any) -> None:
        if self._waits_for_a_step:
            self.has_come = True
        elif not self.has_come:  # once: a second notice must not end the ending
            self.has_come = True
            raise Stopped


notice = Notice()
"""Signals belong to the process, so there is one."""
