"""The scoring program under Azure ML's own inference server, over HTTP, in its own pinned set."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
STARTER = ROOT / "local" / "runner" / "serve.py"
DEADLINE = 120
AS_STARTED = dict(os.environ)
"""The environment before any test pointed this process at the local Azure's proxy."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with exactly what requirements.txt lists."""
    folder = tmp_path_factory.mktemp("serving") / "environment"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run(
        [*uv, "venv", "--quiet", "--python", sys.executable, folder], check=True, env=AS_STARTED
    )
    python = folder / "bin" / "python"
    pins = ROOT / "deploy" / "serving" / "requirements.txt"
    subprocess.run(
        [*uv, "pip", "install", "--quiet", "--python", python, "-r", pins],
        check=True,
        env=AS_STARTED,
    )
    return python


def start(interpreter: Path, code: Path, model: Path, log: Path) -> tuple[Any, str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("w") as output:
        process = subprocess.Popen(
            [interpreter, STARTER, "--entry_script", "score.py", "--port", str(port)],
            cwd=code,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(log.parent),
                "AML_APP_ROOT": str(code),
                "AZUREML_MODEL_DIR": str(model),
                "GUNICORN_CMD_ARGS": "--threads 4 --no-control-socket",
            },
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return process, f"http://127.0.0.1:{port}"


def stop(process: Any) -> int:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    return int(process.wait(timeout=30))


@pytest.fixture(scope="session")
def server(
    interpreter: Path, serving: Path, model_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Slow: builds an environment of its own and loads torch in another process."""
    log = tmp_path_factory.mktemp("server") / "log.txt"
    process, address = start(interpreter, serving, model_folder.parent.parent, log)
    try:
        wait_until_ready(process, address, log)
        yield address
    finally:
        stop(process)


def wait_until_ready(process: Any, address: str, log: Path) -> None:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            if httpx.get(address, timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise AssertionError(log.read_text()[-3000:])


def post(server: str, **arguments: Any) -> httpx.Response:
    return httpx.post(f"{server}/score", timeout=60, trust_env=False, **arguments)


def test_a_chat_completion_over_http(server: str) -> None:
    body = {"messages": [{"role": "user", "content": "Where to?"}], "max_tokens": 6}
    answer = post(server, json=body)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["usage"]["completion_tokens"] <= 6


def test_the_tutorials_body_over_http_whatever_its_content_type(server: str) -> None:
    raw = b'{"input_data": ["Where to?"], "params": {"max_new_tokens": 4}}'
    for content_type in ("application/json", "application/x-www-form-urlencoded", "text/plain"):
        answer = post(server, content=raw, headers={"Content-Type": content_type})
        assert answer.status_code == 200, answer.text
        assert isinstance(answer.json()[0], str)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[" * 100_000, 400),
        (b'{"messages": [{"role": "robot", "content": "a"}]}', 400),
        (b'{"messages": [{"role": "user", "content": "a"}], "stream": true}', 422),
        (b'{"input_data": ["' + b"a" * 1_100_000 + b'"]}', 413),
    ],
)
def test_a_wrong_body_over_http_is_a_4xx_with_a_reason(
    server: str, raw: bytes, status: int
) -> None:
    answer = post(server, content=raw)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]
    assert "Traceback" not in answer.text


def test_score_answers_posts_only(server: str) -> None:
    for method in ("GET", "OPTIONS"):
        answer = httpx.request(method, f"{server}/score", trust_env=False)
        assert answer.status_code == 405


def test_a_health_probe_is_answered_while_a_question_is(server: str) -> None:
    body = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 480}
    with httpx.Client(trust_env=False, timeout=60) as client:
        slow = threading.Thread(target=lambda: post(server, json=body))
        slow.start()
        while slow.is_alive():
            assert client.get(server, timeout=5).status_code == 200
            time.sleep(0.05)
        slow.join()


def test_a_model_with_another_template_never_gets_ready(
    interpreter: Path, serving: Path, model_copy: Path, tmp_path: Path
) -> None:
    template = model_copy / "chat_template.jinja"
    template.write_text(template.read_text().replace("<|end|>", "<|end|> "))
    log = tmp_path / "log.txt"
    process, _ = start(interpreter, serving, model_copy, log)
    try:
        assert process.wait(timeout=DEADLINE) == 3
    finally:
        stop(process)
    assert "differ from those in training" in log.read_text()
