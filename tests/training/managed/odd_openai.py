"""An Azure OpenAI whose answers have the odd shapes that documents and people report.

It keeps files and jobs in memory, lists files without `has_more`, sends nulls where OpenAI has
lists, and fails as it is told: before it did what it was asked (`refuse`) or after (`lose`).
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from small_server import running

from core.cloud import Cloud
from core.refs import StackOutputs
from training.managed.openai.client import Api

V1 = "/openai/v1"


class OddOpenAI(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.parts: dict[str, bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.events: dict[str, list[dict[str, Any]]] = {}
        """By job, oldest first."""
        self.checkpoints: dict[str, list[dict[str, Any]]] = {}
        self.reading: list[str] = ["processed"]
        """The states that a new file is seen in; the last one stays."""
        self.keeps_metadata = True
        self.failures: dict[str, list[tuple[int, Any, dict[str, str], bool]]] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.headers: list[dict[str, str]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def refuse(self, request: str, status: int, body: Any, times: int = 1, **headers: str) -> None:
        """Answer `METHOD /path` with a refusal, and do nothing."""
        fail = (status, body, {name.replace("_", "-"): v for name, v in headers.items()}, False)
        self.failures.setdefault(request, []).extend([fail] * times)

    def lose(self, request: str, status: int = 500, times: int = 1) -> None:
        """Do what `METHOD /path` asks, and answer as if it had failed; 0: hang up."""
        fail = (status, {"error": {"code": "internalFailure", "message": "lost"}}, {}, True)
        self.failures.setdefault(request, []).extend([fail] * times)

    def count(self, request: str) -> int:
        return sum(f"{method} {path}" == request for method, path, _ in self.asked)

    def add_job(self, number: int, **fields: Any) -> dict[str, Any]:
        job = {**new_job(f"ftjob-{number:032x}", number), **fields}
        self.jobs[job["id"]] = job
        return job

    def add_file(self, name: str, content: bytes = b"", **fields: Any) -> dict[str, Any]:
        id = f"file-{len(self.files) + 1:032x}"
        made = {
            "id": id, "object": "file", "purpose": "fine-tune", "filename": name,
            "bytes": len(content), "created_at": 1, "status": self.reading[0], **fields,
        }  # fmt: skip
        self.files[id], self.contents[id] = made, content
        return made


def new_job(id: str, created: int) -> dict[str, Any]:
    """A job as Azure's tutorial shows a new one: nulls and minus ones."""
    return {
        "id": id, "object": "fine_tuning.job", "created_at": 1_790_000_000 + created,
        "status": "pending", "model": "gpt-4.1-mini-2025-04-14", "fine_tuned_model": None,
        "finished_at": None, "error": None, "organization_id": None, "result_files": None,
        "hyperparameters": {"n_epochs": -1, "batch_size": -1, "learning_rate_multiplier": 1},
        "seed": 105, "trained_tokens": None, "training_file": "file-1", "validation_file": None,
        "estimated_finish": None, "integrations": None,
    }  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    server: OddOpenAI
    protocol_version = "HTTP/1.1"
    wbufsize = 2**16  # head and body in one piece: the second would wait for an answer, 40 ms

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the tests look at `asked`."""

    def _answer(self, method: str) -> None:
        body = self._body()
        url = urlsplit(self.path)
        path = url.path.removeprefix(V1)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        self.server.asked.append((method, path, body if method == "POST" else query))
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        waiting = self.server.failures.get(f"{method} {path}") or []
        if waiting:
            status, answer, headers, is_done = waiting.pop(0)
            if is_done:
                self._do(method, path, query, body)
            if status == 0:
                self.close_connection = True
                return
            self._send(status, answer, headers)
            return
        self._send(*self._do(method, path, query, body))

    def _body(self) -> Any:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("multipart/"):
            whole = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + content)
            return {
                str(part.get_param("name", header="content-disposition")): (
                    part.get_filename(),
                    part.get_payload(decode=True),
                )
                for part in whole.get_payload()
            }
        return json.loads(content) if content else {}

    def _send(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        content = b"" if answer is None else content
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _do(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        for pattern, do in ROUTES:
            if found := re.fullmatch(pattern, f"{method} {path}"):
                return do(self.server, query, body, *found.groups())
        return missing()


def missing() -> tuple[int, Any]:
    return 404, {"error": {"code": "notFound", "message": "Not found"}}


def list_files(odd: OddOpenAI, query: Any, body: Any) -> tuple[int, Any]:
    """The same to everybody, whatever they have seen: no `has_more`, and `after` is ignored."""
    return 200, {"object": "list", "data": list(odd.files.values())}


def read_file(odd: OddOpenAI, query: Any, body: Any, id: str) -> tuple[int, Any]:
    if id not in odd.files:
        return missing()
    file = odd.files[id]
    if file["status"] in odd.reading[:-1]:
        file["status"] = odd.reading[odd.reading.index(file["status"]) + 1]
    return 200, file


def make_file(odd: OddOpenAI, query: Any, body: Any) -> tuple[int, Any]:
    name, content = body["file"]
    return 201, odd.add_file(name, content)


def make_upload(odd: OddOpenAI, query: Any, body: Any) -> tuple[int, Any]:
    return 200, {"id": "upload-1", "object": "upload", "status": "pending", **body}


def make_part(odd: OddOpenAI, query: Any, body: Any) -> tuple[int, Any]:
    id = f"part-{len(odd.parts)}"
    odd.parts[id] = body["data"][1]
    return 200, {"id": id, "object": "upload.part", "created_at": 1, "upload_id": "upload-1"}


def complete_upload(odd: OddOpenAI, query: Any, body: Any) -> tuple[int, Any]:
    asked = next(b for m, p, b in reversed(odd.asked) if (m, p) == ("POST", "/uploads"))
    content = b"".join(odd.parts[id] for id in body["part_ids"])
    file = odd.add_file(asked["filename"], content)
    return 200, {"id": "upload-1", "object": "upload", "status": "completed", "file": file}


def make_job(odd: OddOpenAI, query: Any, body: Any) -> tuple[int, Any]:
    kept = {name: body[name] for name in ("model", "training_file", "validation_file", "seed")
            if name in body}  # fmt: skip
    kept |= {"metadata": body.get("metadata")} if odd.keeps_metadata else {}
    return 201, odd.add_job(len(odd.jobs) + 1, **kept)


def pages(items: list[dict[str, Any]], query: dict[str, str]) -> tuple[int, Any]:
    """A page, newest first, as those lists that know of pages give it."""
    start = next((n + 1 for n, one in enumerate(items) if one["id"] == query.get("after")), 0)
    end = start + int(query.get("limit", 20))
    return 200, {"object": "list", "data": items[start:end], "has_more": end < len(items)}


def change_job(odd: OddOpenAI, query: Any, body: Any, id: str, verb: str) -> tuple[int, Any]:
    if id not in odd.jobs:
        return missing()
    becomes = {"cancel": "cancelled", "pause": "pausing", "resume": "resuming"}
    odd.jobs[id]["status"] = becomes[verb]
    return 200, odd.jobs[id]


def read_job(odd: OddOpenAI, query: Any, body: Any, id: str) -> tuple[int, Any]:
    return (200, odd.jobs[id]) if id in odd.jobs else missing()


def delete_job(odd: OddOpenAI, query: Any, body: Any, id: str) -> tuple[int, Any]:
    return (204, None) if odd.jobs.pop(id, None) else missing()


def delete_file(odd: OddOpenAI, query: Any, body: Any, id: str) -> tuple[int, Any]:
    gone = odd.files.pop(id, None)
    return (200, {"object": "file", "deleted": True, "id": id}) if gone else missing()


Route = Callable[..., tuple[int, Any]]
ROUTES: list[tuple[str, Route]] = [
    (r"GET /files", list_files),
    (r"POST /files", make_file),
    (r"GET /files/([^/]+)", read_file),
    (r"DELETE /files/([^/]+)", delete_file),
    (r"GET /files/([^/]+)/content",
     lambda odd, query, body, id: (200, odd.contents[id]) if id in odd.files else missing()),
    (r"POST /uploads", make_upload),
    (r"POST /uploads/[^/]+/parts", make_part),
    (r"POST /uploads/[^/]+/complete", complete_upload),
    (r"POST /uploads/[^/]+/cancel", make_upload),
    (r"GET /fine_tuning/jobs",
     lambda odd, query, body: pages(list(reversed(odd.jobs.values())), query)),
    (r"POST /fine_tuning/jobs", make_job),
    (r"GET /fine_tuning/jobs/([^/]+)", read_job),
    (r"DELETE /fine_tuning/jobs/([^/]+)", delete_job),
    (r"GET /fine_tuning/jobs/([^/]+)/events",
     lambda odd, query, body, id: pages(odd.events.get(id, [])[::-1], query)),
    (r"GET /fine_tuning/jobs/([^/]+)/checkpoints",
     lambda odd, query, body, id: pages(odd.checkpoints.get(id, []), query)),
    (r"POST /fine_tuning/jobs/([^/]+)/(cancel|pause|resume)", change_job),
]  # fmt: skip


class Tokens:
    """A credential that numbers the tokens it gives."""

    given = 0

    def get_token(self, *scopes: str, **options: Any) -> Any:
        assert scopes == ("https://cognitiveservices.azure.com/.default",)
        self.given += 1
        return SimpleNamespace(token=f"token-{self.given}", expires_on=0)


def outputs(address: str) -> StackOutputs:
    names = dict.fromkeys(StackOutputs.model_fields, "x") | {"clusters": {}}
    return StackOutputs(**{**names, "ai_endpoint": address})


@contextmanager
def odd_openai() -> Iterator[OddOpenAI]:
    with running(OddOpenAI()) as odd:
        yield odd


def api(odd: OddOpenAI, wait: Callable[[float], None] = lambda seconds: None) -> Api:
    return Api(Cloud("subscription", Tokens()), outputs(odd.address), wait)  # type: ignore[arg-type]
