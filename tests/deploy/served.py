"""`serve` in this process: the application behind a real uvicorn on a port of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.web.directory import Directory
from deploy.web.page import Votes
from deploy.web.server import Server, application, listen
from evaluation.questions.votes import writing


@dataclass
class Served:
    address: str
    directory: Directory
    votes: Path
    recorded: list[dict[str, Any]] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return f"{self.address}/v1"


@contextmanager
def served(
    directory: Directory, votes: Path, token: str = "", stack: str = "test"
) -> Iterator[Served]:
    """Serve what a directory lists until the block ends."""
    with listen(0) as taken, writing(votes) as writer:
        port = taken.getsockname()[1]
        told = Served(f"http://127.0.0.1:{port}", directory, votes)

        def record(fields: dict[str, Any]) -> None:
            writer.append(fields)
            told.recorded.append(fields)

        kept = Votes(str(votes), lambda: writer.count, record)
        app = application(stack, directory, kept, port=port, token=token)
        ready = threading.Event()
        server = Server(app, ready.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
        thread.start()
        assert ready.wait(10)
        try:
            yield told
        finally:
            server.should_exit = True
            thread.join()
