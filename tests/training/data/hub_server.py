"""A hub on the loopback: the routes that reading a data set takes, as huggingface_hub asks them.

Played after huggingface_hub 2.4.0 (`HfApi.dataset_info`, `list_repo_tree`, `hf_hub_url`,
`hf_raise_for_status`): commits, the tree of files in pages by `Link`, errors by `X-Error-Code`,
and files that are sent on to a host of their own, which serves ranges.
"""

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.small_server import running

PAGE = 2


@dataclass
class Commit:
    files: dict[str, bytes]
    card: dict[str, Any] = field(default_factory=dict)


class Hub(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.commits: dict[str, Commit] = {}
        self.branches: dict[str, str] = {}
        self.needs_token = ""
        self.has_ranges = True
        self.dies_after = -1
        self.given = 0
        self.asked: list[tuple[str, str]] = []
        """Host and Authorization header of each request."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def store(self) -> str:
        """The files' own host: another name, so that a token must not go there."""
        return f"http://localhost:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        hub = self.server
        assert isinstance(hub, Hub)
        url = urlsplit(self.path)
        token = self.headers.get("Authorization", "")
        hub.asked.append((self.headers["Host"].partition(":")[0], token))
        parts = url.path.strip("/").split("/")
        if parts[0] == "store":
            self._piece(hub.commits[parts[1]].files["/".join(map(unquote, parts[2:]))])
        elif hub.needs_token and token != f"Bearer {hub.needs_token}":
            self._refuse(403 if token else 401, "GatedRepo")
        elif parts[:4] == ["api", "datasets", "owner", "name"]:
            self._api(hub, parts[4], unquote(parts[5]), parse_qs(url.query))
        elif parts[:4] == ["datasets", "owner", "name", "resolve"] and parts[4] in hub.commits:
            self._answer(302, b"", Location=f"{hub.store}/store/{'/'.join(parts[4:])}")
        else:
            self._refuse(401, "RepoNotFound")

    def _api(self, hub: Hub, route: str, revision: str, query: dict[str, list[str]]) -> None:
        commit = hub.branches.get(revision, revision)
        if commit not in hub.commits:
            self._refuse(404, "RevisionNotFound")
        elif route == "revision":
            document = {"id": "owner/name", "sha": commit, "cardData": hub.commits[commit].card}
            self._answer(200, json.dumps(document).encode())
        else:
            assert route == "tree" and query["recursive"] == ["true"]
            start = int(query.get("cursor", ["0"])[0])
            paths = sorted(hub.commits[commit].files)
            page = [{"type": "directory", "path": "data"}] * (start == 0)
            page += [{"type": "file", "path": path} for path in paths[start : start + PAGE]]
            following = f"{hub.address}{urlsplit(self.path).path}?recursive=true&cursor="
            link = f'<{following}{start + PAGE}>; rel="next"'
            self._answer(
                200, json.dumps(page).encode(), Link=link if start + PAGE < len(paths) else ""
            )

    def _piece(self, content: bytes) -> None:
        hub = self.server
        assert isinstance(hub, Hub)
        if hub.dies_after == 0:
            self.close_connection = True
            return
        hub.dies_after -= 1
        if not hub.has_ranges:
            self._answer(200, content)
            return
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        piece = content[int(first) : int(last) + 1]
        hub.given += len(piece)
        span = f"bytes {first}-{int(first) + len(piece) - 1}/{len(content)}"
        self._answer(206, piece, **{"Content-Range": span})

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, b'{"error":"no"}', **{"X-Error-Code": code})

    def _answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the test looks at `asked`."""


def running_hub() -> AbstractContextManager[Hub]:
    """Run a hub until the block ends."""
    return running(Hub())
