"""Clients that send slowly, or not at all, or leave: none of them may keep a thread or a place.

gunicorn gives a thread to each connection once its first byte is there, and waits for the rest as
long as it takes; when it closes one, its only accepting thread waits two seconds for the client to
close, too. It has no setting for either (27.0, read in gthread.py).
"""

import os
import socket
import stat
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

SILENCE = 10
"""Seconds without a byte, in either direction, after which a connection is given up."""
BODY_SECONDS = 20
"""For a whole body, however its bytes are spread."""


def limit_silence() -> int:
    """Give up connections that this process accepts after `SILENCE`; count where it listens.

    An accepted connection inherits the limits of the socket that listens. Those belong to the web
    server, which hands them to nobody, so they are looked for among the process's open files.
    """
    found = 0
    for path in Path("/proc/self/fd").iterdir():
        try:
            if stat.S_ISSOCK(os.fstat(int(path.name)).st_mode):
                found += _limit(int(path.name))
        except OSError:  # closed meanwhile
            continue
    return found


def _limit(number: int) -> bool:
    with socket.socket(fileno=os.dup(number)) as found:
        if not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return False
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            found.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", SILENCE, 0))
        return True


def close_aside() -> None:
    """Let other threads than the accepting one wait for clients that do not close."""
    from gunicorn import util

    close = getattr(util, "close_graceful", None)
    if close is not None:
        threads = ThreadPoolExecutor(32, thread_name_prefix="closing")
        util.close_graceful = lambda *given, **named: threads.submit(close, *given, **named)


class BodyClock:
    """Ends the reading of bodies that take longer than `BODY_SECONDS`."""

    def __init__(self, seconds: float = BODY_SECONDS) -> None:
        self._seconds = seconds
        self._reading: dict[object, tuple[float, socket.socket]] = {}
        threading.Thread(target=self._watch, name="body clock", daemon=True).start()

    @contextmanager
    def running(self, connection: socket.socket | None) -> Iterator[None]:
        """Let the connection's body be read; once time is over nothing more comes from it."""
        if connection is None:
            yield
            return
        key = object()
        self._reading[key] = (time.monotonic() + self._seconds, connection)
        try:
            yield
        finally:
            self._reading.pop(key, None)

    def _watch(self) -> None:
        while True:
            time.sleep(min(1.0, self._seconds))
            for key, (end, connection) in list(self._reading.items()):
                if time.monotonic() > end and self._reading.pop(key, None):
                    _stop_reading(connection)


def is_gone(connection: socket.socket | None) -> bool:
    """Say whether the client at the other end has left."""
    if connection is None:
        return False
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _stop_reading(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RD)
    except OSError:  # it has left by itself
        return
