"""A server on the loopback that answers what a test tells it to, and keeps what it was asked."""

import json
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

Server = TypeVar("Server", bound=ThreadingHTTPServer)


class SmallServer(ThreadingHTTPServer):
    """Answers by path: a status and a document; 404 to everything else."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.said: dict[str, tuple[int, Any]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, SmallServer)
        server.asked.append((self.path, dict(self.headers)))
        status, document = server.said.get(self.path, (404, {"error": "not there"}))
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the test looks at `asked`."""


@contextmanager
def running(made: Server) -> Iterator[Server]:
    """Run any server until the block ends."""
    with made as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def small_server() -> AbstractContextManager[SmallServer]:
    """Run a server until the block ends."""
    return running(SmallServer())
