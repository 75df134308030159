"""A thread that does something now and then, as long as there is work that it tells of."""

import threading
from collections.abc import Callable


class Pulse:
    """Calls `beat` every so many seconds while `is_needed`; never keeps the process from ending."""

    def __init__(
        self, every: float, beat: Callable[[], None], is_needed: Callable[[], bool]
    ) -> None:
        self._every, self._beat, self._is_needed = every, beat, is_needed
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pause = threading.Event()

    def start(self) -> None:
        """Begin to beat, unless it does already."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._pause.wait(self._every)
            with self._lock:
                if not self._is_needed():
                    self._thread = None
                    return
            self._beat()
