"""Stands between us and a command: when we are gone, it asks the command, once, to stop.

A program of its own, without imports of ours. Its stdin is a pipe that ends with our process,
however that ends. (Linux's parent-death signal comes once for every thread that we had, and a
second one would end Pulumi at once, in the middle of what it does.)
"""

import os
import signal
import subprocess
import sys
import threading
from typing import Any


def main() -> None:
    """Run `launch.py COMMAND ARGUMENT…`; end as it ends."""
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    asked = threading.Event()

    def ask(*_: Any) -> None:
        asked.set()
        process.send_signal(signal.SIGINT)

    def watch() -> None:
        sys.stdin.buffer.read()
        if not asked.is_set():
            ask()

    signal.signal(signal.SIGINT, ask)
    threading.Thread(target=watch, daemon=True).start()
    code = process.wait()
    if code < 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main()
