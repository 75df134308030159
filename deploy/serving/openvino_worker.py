"""The process that holds an OpenVINO model: it takes questions from a connection, gives tokens.

    python openvino_worker.py FOLDER CONTEXT DESCRIPTOR

A process of its own, because a step of OpenVINO's pipeline keeps Python's lock all the while: half
a second for a batch of a large model, in which no other thread could send a piece or hear a probe.
It ends with the connection. First it says how many tokens there is room for. Then it takes
`("take", number, tokens, settings)` and `("leave", number)`, and gives after each step a list of
`(number, tokens, finish)`; the last one of a number has a finish.
"""

import contextlib
import logging
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

log = logging.getLogger("azmlinfsrv.tunestack")


def serve(connection: Connection, writing: Any) -> None:
    """Answer until the connection ends."""
    while True:
        while not writing.handles or connection.poll():
            what, number, *rest = connection.recv()
            try:
                writing.take(number, *rest) if what == "take" else writing.leave(number)
            except RuntimeError:
                log.exception("a question was not taken")
                connection.send([(number, [], "failed")])
        if news := writing.step():
            connection.send(news)


def main() -> None:
    """Load the model, say so, and serve."""
    folder, context, descriptor = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    # A signal to all of the server's processes: it may still want its answers, then hangs up.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # OpenVINO reports its use to its maker unless this package is missing.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    from openvino_writing import Writing, load

    with Connection(descriptor) as connection, contextlib.suppress(EOFError, ConnectionError):
        pipeline, room = load(folder, context)
        connection.send(room)
        serve(connection, Writing(pipeline))


if __name__ == "__main__":
    main()
