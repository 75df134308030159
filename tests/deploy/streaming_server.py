"""An endpoint's scoring address on the loopback that does what a test tells it, event by event."""

import json
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from tests.small_server import Handler, SmallServer, running

SECONDS = 20
"""How long a gate may stay closed before the test is lost."""


class StreamingHandler(Handler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, StreamingServer)
        length = int(self.headers["Content-Length"])
        server.bodies.append(json.loads(self.rfile.read(length)))
        server.headers.append(dict(self.headers))
        step = server.steps.pop(0) if server.steps else server.always
        assert step is not None, "nobody told what to answer"
        step(self)

    def begin(self, content_type: str, **headers: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def chunk(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
        self.wfile.flush()

    def document(self, status: int, document: Any, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def cut(self) -> None:
        """Break the connection without an end."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


Step = Callable[[StreamingHandler], None]


class StreamingServer(SmallServer):
    """Answers its POSTs by `steps` in turn, then by `always`."""

    def __init__(self) -> None:
        super().__init__()
        self.RequestHandlerClass = StreamingHandler
        self.steps: list[Step] = []
        self.always: Step | None = None
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of callers who leave: some tests are about that."""


def event(text: str, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    document = {"object": "chat.completion.chunk", "choices": [choice], **more}
    return f"data: {json.dumps(document)}\n\n".encode()


def usage_of(pieces: tuple[str, ...]) -> dict[str, int]:
    written = len(pieces)
    return {"prompt_tokens": 5, "completion_tokens": written, "total_tokens": written + 5}


def streamed(*pieces: str, finish: str = "stop", gates: tuple[Any, ...] = (), by: str = "") -> Step:
    """Write the pieces as events; piece n + 1 waits for gate n."""

    def answer(handler: StreamingHandler) -> None:
        headers = {"azureml_model_deployment": by} if by else {}
        handler.begin("text/event-stream; charset=utf-8", **headers)
        for number, piece in enumerate(pieces):
            handler.chunk(event(piece))
            if number < len(gates):
                assert gates[number].wait(SECONDS)
        handler.chunk(event("", finish))
        last = {"choices": [], "usage": usage_of(pieces)}
        handler.chunk(f"data: {json.dumps(last)}\n\ndata: [DONE]\n\n".encode())
        handler.chunk(b"")

    return answer


def raw(*chunks: bytes, has_end: bool = True) -> Step:
    """Write an event stream byte for byte; without an end the connection breaks."""

    def answer(handler: StreamingHandler) -> None:
        handler.begin("text/event-stream")
        for chunk in chunks:
            handler.chunk(chunk)
        if has_end:
            handler.chunk(b"")
        else:
            handler.cut()

    return answer


def plain(text: str) -> Step:
    """Answer whole, as a container that knows no streams."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "length"}
    return lambda handler: handler.document(200, {"choices": [choice]})


def refused(status: int, message: str, **headers: str) -> Step:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    error = {"error": {"code": "c", "message": message}}
    return lambda handler: handler.document(status, error, names)


def cut(handler: StreamingHandler) -> None:
    handler.cut()


def streaming_server() -> AbstractContextManager[StreamingServer]:
    """Run a server until the block ends."""
    return running(StreamingServer())
