"""How a plugin of Pulumi's engine lives: it says its port, and ends when the engine says so."""

import os
import signal
import threading

import grpc


def serve(server: grpc.Server) -> None:
    """Serve until the engine ends it by SIGINT (a plugin has its own process group) or is gone."""
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    parent = os.getppid()
    while not over.wait(0.5) and os.getppid() == parent:
        pass
    os._exit(0)
