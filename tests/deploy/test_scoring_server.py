"""The scoring program under Azure ML's own inference server, over HTTP, in its own pinned set."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
                "PYTHONUNBUFFERED": "1",
                "AML_APP_ROOT": str(code),
                "AZUREML_MODEL_DIR": str(model),
                # As many as deploy/deployment.py asks for.
                "GUNICORN_CMD_ARGS": "--threads 68 --no-control-socket",
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
        (b'{"messages": [{"role": "user", "content": "a"}], "n": 2}', 422),
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


CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Where to?"}], "max_tokens": 40}


def test_a_stream_over_http_comes_in_pieces_and_is_the_whole_answer(server: str) -> None:
    whole = post(server, json=CHAT).json()["choices"][0]["message"]["content"]
    body = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
    with httpx.stream("POST", f"{server}/score", json=body, trust_env=False, timeout=60) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream"
        lines = [line for line in answer.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    assert "".join(delta.get("content", "") for delta in deltas) == whole
    assert chunks[-1]["usage"]["completion_tokens"] == 40


def test_a_refused_stream_over_http_is_plain_json(server: str) -> None:
    answer = post(server, json={**CHAT, "max_tokens": 4000, "stream": True})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")


def health(server: str) -> float:
    """Ask as a probe does; give the seconds it took."""
    began = time.monotonic()
    assert httpx.get(server, timeout=10, trust_env=False).status_code == 200
    return time.monotonic() - began


def test_a_hundred_clients_at_once_are_all_answered_and_so_are_probes(server: str) -> None:
    def ask(number: int) -> int:
        stream = {"stream": True} if number % 2 else {}
        return post(server, json={**CHAT, **stream, "max_tokens": 100}).status_code

    with ThreadPoolExecutor(100) as pool:
        answers = [pool.submit(ask, number) for number in range(100)]
        probes = [health(server) for _ in range(5)]
        assert [answer.result() for answer in answers] == [200] * 100
    assert max(probes) < 10


def test_a_stream_that_nobody_reads_any_more_frees_its_place(server: str) -> None:
    """More of them than there are places: were they kept, the last question would wait long."""
    body = {**CHAT, "max_tokens": 480, "stream": True}
    for _ in range(70):
        with httpx.stream("POST", f"{server}/score", json=body, trust_env=False) as answer:
            next(answer.iter_raw())
    began = time.monotonic()
    assert post(server, json=CHAT).status_code == 200
    assert time.monotonic() - began < 10


HEAD = b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def connect(server: str, sent: bytes) -> socket.socket:
    host, port = server.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=60)
    connection.sendall(sent)
    return connection


def test_clients_that_fall_silent_are_given_up_and_starve_nobody(server: str) -> None:
    """As many as there are threads: some in the middle of the head, some of the body."""
    half = [HEAD, HEAD + b"Content-Length: 500\r\n\r\n{"]
    silent = [connect(server, half[number % 2]) for number in range(68)]
    began = time.monotonic()
    assert post(server, json=CHAT).status_code == 200
    assert time.monotonic() - began < 20
    # They are being closed now, and none of them closes by itself.
    assert max(health(server) for _ in range(20)) < 2
    answers = [b"".join(iter(lambda here=here: here.recv(999), b"")) for here in silent]
    assert time.monotonic() - began < 30
    assert set(answers[::2]) == {b""}
    assert all(answer.startswith(b"HTTP/1.1 400") for answer in answers[1::2])
    for connection in silent:
        connection.close()


def test_a_body_that_drips_is_a_408(server: str) -> None:
    connection = connect(server, HEAD + b"Content-Length: 500\r\n\r\n")
    connection.settimeout(1)
    answer, end = b"", time.monotonic() + 40
    while not answer and time.monotonic() < end:
        connection.sendall(b" ")
        try:
            answer = connection.recv(999)
        except TimeoutError:
            continue
    connection.close()
    assert answer.startswith(b"HTTP/1.1 408")


def test_a_body_that_is_cut_off_is_no_5xx(server: str) -> None:
    connection = connect(server, HEAD + b"Content-Length: 500\r\n\r\n{")
    connection.shutdown(socket.SHUT_WR)
    answer = connection.recv(999)
    connection.close()
    assert not answer or answer.startswith(b"HTTP/1.1 4")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
FIELDS = ("messages", "role", "content", "input_data", "params", "input_string", "parameters")
PLAIN = ("stop", "temperature", "top_p", "max_tokens", "max_new_tokens", "seed", "stream", "n")
BODIES = st.dictionaries(
    st.sampled_from([*FIELDS, *PLAIN]),
    JSON | st.just(CHAT["messages"]) | st.just(["a"]) | st.just(3) | st.just(True),
    max_size=5,
)


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(raw=st.binary(max_size=80) | BODIES.map(lambda body: json.dumps(body).encode()))
def test_no_body_at_all_is_a_5xx_or_a_trace(server: str, raw: bytes) -> None:
    answer = post(server, content=raw)
    assert answer.status_code < 500, answer.text
    assert "Traceback" not in answer.text
    if answer.status_code != 200:
        assert answer.json()["error"]["message"]


def test_a_health_probe_is_answered_while_a_question_is(server: str) -> None:
    body = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 480}
    with httpx.Client(trust_env=False, timeout=60) as client:
        slow = threading.Thread(target=lambda: post(server, json=body))
        slow.start()
        while slow.is_alive():
            assert client.get(server, timeout=5).status_code == 200
            time.sleep(0.05)
        slow.join()


def spoil_template(folder: Path) -> str:
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("<|end|>", "<|end|> "))
    return "differ from those in training"


def spoil_weights(folder: Path) -> str:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    return "weights"


def spoil_runtime(folder: Path) -> str:
    manifest = folder / "tunestack.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "runtime": "hologram"}))
    return "newer tunestack"


@pytest.mark.parametrize("spoil", [spoil_template, spoil_weights, spoil_runtime])
def test_a_spoilt_model_never_gets_ready_and_its_last_line_says_why(
    interpreter: Path, serving: Path, model_copy: Path, tmp_path: Path, spoil: Any
) -> None:
    reason = spoil(model_copy)
    log = tmp_path / "log.txt"
    process, _ = start(interpreter, serving, model_copy, log)
    try:
        assert process.wait(timeout=DEADLINE) == 3
    finally:
        stop(process)
    # gunicorn closes the log with two or three lines of its own, which say that it ends.
    last = [line for line in log.read_text().splitlines() if " gunicorn.error - " not in line][-1]
    assert "This model cannot serve: " in last
    assert reason in last
