"""Ctrl-C and SIGTERM while the engine works: told to it once, so that it can finish cleanly.

The engine runs in a session of its own; the terminal's signal reaches this process alone. The
first one asks it to begin nothing new, the second to end at once, and a patience later it is
ended.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 5.0
"""Seconds between the second signal and the end of a process that does not take it."""

FIRST = "Stopping: what is under way is finished first, and the state saved. Ctrl-C again: at once."
SECOND = "Stopping at once."


class Interruption:
    """Counts the person's wishes to stop, and passes them on."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self.count = 0

    @contextmanager
    def of(self, process: "subprocess.Popen[bytes]") -> Iterator[None]:
        """Send what interrupts this process to `process`, as long as it runs.

        Only the main thread can take signals; in another one nothing is changed.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def on_signal(number: int, frame: Any) -> None:
            self._pass_on(process)

        before = [(number, signal.signal(number, on_signal)) for number in SIGNALS]
        try:
            yield
        finally:
            for number, handler in before:
                signal.signal(number, handler)

    def _pass_on(self, process: "subprocess.Popen[bytes]") -> None:
        self.count += 1
        process.send_signal(signal.SIGINT)
        self._tell(FIRST if self.count == 1 else SECOND)
        if self.count == 2:
            end = threading.Timer(PATIENCE, _kill, (process,))
            end.daemon = True
            end.start()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End the launcher and what it launched: they are a process group of their own."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
