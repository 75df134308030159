"""Clients that are not Python's `openai`: Node's, as people have it, and curl."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.home import environments
from local.process import outside
from tests.deploy.served import Served, served
from tests.deploy.small_endpoint import deployed, small_endpoint

PACKAGE = "openai@6.49.0"
PROGRAM = Path(__file__).parent / "openai_on_node.mjs"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with small_endpoint() as endpoint:
        endpoint.deployments.append(deployed("v3-base", "travel-base:3", 0, "base"))
        folder = tmp_path_factory.mktemp("votes")
        with served(endpoint.directory(), folder / "v.jsonl") as there:
            yield there


@pytest.fixture(scope="module")
def node_folder() -> Path:
    """A folder with Node's client, made once by npm and kept beside the other environments."""
    folder = environments() / f"node-{PACKAGE.replace('@', '-')}"
    if not (folder / "node_modules" / "openai" / "package.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        quiet = ("--no-audit", "--no-fund", "--package-lock=false", "--ignore-scripts")
        command = ["npm", "install", "--prefix", str(folder), *quiet, PACKAGE]
        # Another test may have pointed this process at the local Azure's proxy.
        way = outside(dict(os.environ))
        made = subprocess.run(command, cwd=folder, env=way, capture_output=True, text=True)
        if made.returncode:
            pytest.skip(f"npm could not bring {PACKAGE}: {made.stderr.strip()[-200:]}")
    return folder


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="no node with npm")
def test_nodes_openai_client_lists_asks_streams_and_understands_errors(
    there: Served, node_folder: Path
) -> None:
    """Slow: the first run installs the client by npm."""
    program = shutil.copy(PROGRAM, node_folder)
    environment = {name: value for name, value in os.environ.items() if "PROXY" not in name.upper()}
    found: Any = json.loads(
        subprocess.run(
            ["node", str(program), there.base_url],
            cwd=node_folder, env=environment, check=True, capture_output=True, timeout=60,
        ).stdout
    )  # fmt: skip
    assert found == {
        "models": ["tuned", "base", "v3-tuned", "v3-base"],
        "whole": "v3-base heard: Hi \U0001f600",
        "pieces": ["v3-tuned", " heard: ", "Hi \U0001f600"],
        "error": ["NotFoundError", 404, "model_not_found"],
    }


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
def test_curl_reads_the_stream_as_it_is_documented(there: Served) -> None:
    body = {"model": "tuned", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    command = [
        *("curl", "--silent", "--show-error", "--no-buffer", "--noproxy", "*", "--fail"),
        *("--header", "Content-Type: application/json", "--data", json.dumps(body)),
        f"{there.base_url}/chat/completions",
    ]
    out = subprocess.run(command, check=True, capture_output=True, timeout=30).stdout
    events = out.decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    texts = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    assert "".join(texts) == "v3-tuned heard: Hi"
