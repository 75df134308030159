"""An endpoint on the loopback that answers as a test says, and keeps what it was asked."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydantic import SecretStr

from core.refs import EndpointRef
from deploy.access import Access
from deploy.endpoint import DeploymentState, EndpointState
from deploy.web.directory import Directory
from tests.small_server import running

KEY = "the-endpoints-own-key"
BASE_COMMAND = "tunestack deploy --with-base"
MODEL_STATUS = "ms-azureml-model-error-statuscode"

Ask = Callable[["Asked"], None]


class Asked(BaseHTTPRequestHandler):
    """One question, and what can be answered to it."""

    protocol_version = "HTTP/1.1"
    body: dict[str, Any]

    @property
    def endpoint(self) -> "SmallEndpoint":
        assert isinstance(self.server, SmallEndpoint)
        return self.server

    def do_POST(self) -> None:
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.endpoint.asked.append((dict(self.headers), self.body))
        self.endpoint.answer(self)

    def whole(self, document: Any, status: int = 200, **headers: str) -> None:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def refuse(self, status: int, code: str, message: str, **headers: str) -> None:
        """Refuse as Azure does for a container."""
        told = {"error": {"code": code, "message": message}}
        self.whole(told, 424, **{MODEL_STATUS: str(status)}, **headers)

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def piece(self, text: str, finish: str | None = None) -> None:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
        chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        self.event({**chunk, "choices": [choice]})

    def event(self, document: Any) -> None:
        text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
        self.wfile.write(f"data: {text}\n\n".encode())
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the test looks at `asked`."""


class SmallEndpoint(ThreadingHTTPServer):
    """Answers every POST by `answer`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.asked: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.answer: Ask = streaming
        self.deployments = [deployed("v3-tuned", "travel:3", 100, "tuned")]
        self.keys = [KEY]
        self.name = "ep-test"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers that leave are what some tests are about."""

    def look(self) -> EndpointState:
        url = f"http://127.0.0.1:{self.server_port}/score"
        ref = EndpointRef(name=self.name, scoring_url=url, deployment=self.deployments[0].name)
        return EndpointState(ref, "Succeeded", tuple(self.deployments))

    def directory(self) -> Directory:
        return Directory(self.look(), self.look, self.unlock, base_command=BASE_COMMAND)

    def unlock(self, endpoint: EndpointRef) -> Access:
        key = SecretStr(self.keys.pop(0) if len(self.keys) > 1 else self.keys[0])
        return Access(endpoint, lambda: key)


def deployed(name: str, model: str, traffic: int, serves: Any) -> DeploymentState:
    size = "Standard_E4s_v3"
    return DeploymentState(name, model, "Succeeded", traffic, size, 1, serves=serves)


def words_of(asked: Asked) -> list[str]:
    """Answer with who was asked and what, so that a mix-up shows."""
    name = asked.headers["azureml-model-deployment"]
    question = str(asked.body["messages"][-1]["content"])
    return [f"{name}", " heard: ", question]


def streaming(asked: Asked) -> None:
    """Answer as the product's scoring program does."""
    words = words_of(asked)
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    if not asked.body.get("stream"):
        message = {"role": "assistant", "content": "".join(words)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        asked.whole({"choices": [choice], "usage": usage})
        return
    asked.begin()
    for word in words:
        asked.piece(word)
    asked.piece("", "stop")
    if asked.body.get("stream_options"):
        asked.event({"id": "c1", "model": "m", "choices": [], "usage": usage})
    asked.event("[DONE]")


def small_endpoint() -> AbstractContextManager[SmallEndpoint]:
    """Run an endpoint until the block ends."""
    return running(SmallEndpoint())
