"""Several instances behind one deployment: killed, scaled, chosen, and streaming through."""

import contextlib
import os
import signal
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from azure.ai.ml.entities import Model, OnlineRequestSettings
from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential
from ml_stack import Stack
from test_ml_endpoints import deploy, make_endpoint, traffic

PROGRAM = """
    import json, os, pathlib, time
    from azureml_inference_server_http.api.aml_response import AMLResponse

    def init():
        if "GATE" in os.environ:
            os.remove(os.environ["GATE"])

    def run(raw):
        asked = json.loads(raw)
        if "fifo" in asked:
            return AMLResponse(pieces(asked), 200, {"Content-Type": "text/event-stream"})
        time.sleep(asked.get("sleep", 0))
        return {"who": os.environ["WHO"], "pid": os.getpid()}

    def pieces(asked):
        try:
            yield "data: first\\n\\n"
            pathlib.Path(asked["fifo"]).read_text()  # until the caller writes
            if asked.get("die"):
                os._exit(5)
            for _ in range(asked.get("more", 0)):
                yield "data: " + "x" * 65536 + "\\n\\n"
            yield "data: last\\n\\n"
        finally:
            pathlib.Path(asked["fifo"] + ".over").touch()
"""
THREADS = {"GUNICORN_CMD_ARGS": "--threads 16 --no-control-socket"}


@dataclass
class Traffic:
    """Callers who ask again and again, and what each was answered."""

    ask: "Asking"
    answers: list[tuple[float, int, Any]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Traffic":
        self._threads = [threading.Thread(target=self._run) for _ in range(4)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            started = time.monotonic()
            answer = self.ask({})
            pid = answer.json().get("pid") if answer.is_success else answer.text
            self.answers.append((started, answer.status_code, pid))

    def until(self, condition: Any, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not condition(list(self.answers)):
            assert time.monotonic() < deadline, self.answers[-5:]
            time.sleep(0.02)

    def answered_by(self, count: int, since: int) -> None:
        """Wait until so many processes have answered since so many answers."""
        self.until(lambda all: len({pid for _, code, pid in all[since:] if code == 200}) == count)


@dataclass
class Asking:
    """Asks one endpoint's scoring address."""

    uri: str
    key: str
    client: httpx.Client

    def __call__(self, body: Any, path: str = "", **headers: str) -> httpx.Response:
        uri = self.uri if not path else str(httpx.URL(self.uri).join(path))
        return self.client.post(uri, json=body, headers=self.headers(**headers))

    def headers(self, **more: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}", **more}

    def pids(self, count: int) -> set[int]:
        """Ask side by side until so many processes have answered."""
        found: set[int] = set()
        deadline = time.monotonic() + 20
        with ThreadPoolExecutor(4) as pool:
            while len(found) < count:
                assert time.monotonic() < deadline, found
                found |= {one.json()["pid"] for one in pool.map(self, [{"sleep": 0.05}] * 4)}
        return found


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("program")
    (folder / "score.py").write_text(textwrap.dedent(PROGRAM))
    return folder


def settings(name: str) -> dict[str, Any]:
    return {
        "environment_variables": {"WHO": name, **THREADS},
        "request_settings": OnlineRequestSettings(
            request_timeout_ms=2500, max_concurrent_requests_per_instance=16
        ),
    }


@pytest.fixture(scope="module")
def endpoint(stack: Stack, program: Path, model: Model) -> Iterator[str]:
    """An endpoint with two instances in `blue`, which has all traffic."""
    name = make_endpoint(stack)
    deploy(stack, name, "blue", program, model, count=2, **settings("blue"))
    traffic(stack, name, blue=100)
    yield name
    stack.ml.online_endpoints.begin_delete(name).result()


@pytest.fixture(scope="module")
def ask(stack: Stack, endpoint: str) -> Iterator[Asking]:
    uri = str(stack.ml.online_endpoints.get(endpoint).scoring_uri)
    key = stack.ml.online_endpoints.get_keys(endpoint).primary_key
    limits = httpx.Limits(max_keepalive_connections=8)
    with httpx.Client(timeout=30, limits=limits) as client:
        yield Asking(uri, key, client)


def test_a_request_goes_to_the_instance_with_the_fewest(ask: Asking) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(ask, [{"sleep": 0.5}] * 2))
    assert len({one.json()["pid"] for one in answers}) == 2


def test_a_killed_instance_costs_only_what_it_was_doing_and_comes_back(
    stack: Stack, endpoint: str, ask: Asking
) -> None:
    """Promised: after the process is gone no request fails; those that it had are 502."""
    victim = min(ask.pids(2))
    group, process = os.getpgid(victim), psutil.Process(victim)
    with Traffic(ask) as callers:
        callers.answered_by(2, 0)
        killed = time.monotonic()
        os.killpg(group, signal.SIGKILL)
        psutil.wait_procs([process], 10)
        gone = time.monotonic()
        callers.until(lambda all: {p for s, c, p in all if c == 200 and s > gone} - {0, victim})
        callers.answered_by(2, len(callers.answers))  # the other, and the one started again
    bad = [(started, code) for started, code, _ in callers.answers if code != 200]
    assert {code for _, code in bad} <= {502}
    assert all(started <= gone for started, _ in bad), (killed, gone, bad)
    assert len(bad) <= 4, "more than four callers cannot have been waiting"
    log = stack.ml.online_deployments.get_logs("blue", endpoint, lines=400)
    assert "=== instance 0 ===" in log and "=== instance 1 ===" in log
    assert "exit code 137" in log and "Starting again" in log


@pytest.mark.slow
def test_scaling_keeps_the_processes_that_run_and_fails_no_request(
    stack: Stack, endpoint: str, program: Path, model: Model, ask: Asking
) -> None:
    """Slow: down to one instance and up again, under traffic."""
    two = ask.pids(2)

    def scale(count: int) -> Any:
        return deploy(stack, endpoint, "blue", program, model, count=count, **settings("blue"))

    with Traffic(ask) as callers:
        assert scale(1).instance_count == 1
        begun = len(callers.answers)
        callers.until(lambda all: len(all) > begun + 20)
        kept = {pid for _, _, pid in callers.answers[begun + 8 :]}
        assert len(kept) == 1 and kept < two
        assert scale(2).provisioning_state == "Succeeded"
        callers.answered_by(2, len(callers.answers))
    assert {code for _, code, _ in callers.answers} == {200}
    assert kept < ask.pids(2)


def test_a_patch_scales_too_and_needs_quota(stack: Stack, endpoint: str, ask: Asking) -> None:
    id = f"{stack.workspace['id']}/onlineEndpoints/{endpoint}/deployments/blue"
    token = DefaultAzureCredential().get_token("https://management.azure.com/.default").token

    def patch(count: int) -> httpx.Response:
        url = f"https://management.azure.com{id}?api-version=2023-10-01"
        body = {"sku": {"name": "Default", "capacity": count}, "tags": {"of": str(count)}}
        return httpx.patch(url, json=body, headers={"authorization": f"Bearer {token}"})

    before = ask.pids(2)
    refused = patch(500).json()["error"]["details"][0]["message"]
    assert "Not enough quota available for Standard_E4s_v3" in refused
    assert patch(2).status_code == 202
    found = stack.ml.online_deployments.get("blue", endpoint)
    assert (found.instance_count, found.provisioning_state) == (2, "Succeeded")
    assert found.tags["of"] == "2"
    assert ask.pids(2) == before


@pytest.fixture(scope="module")
def narrow(
    stack: Stack, endpoint: str, program: Path, model: Model, tmp_path_factory: Any
) -> Iterator[dict[str, Any]]:
    """A deployment that takes two requests at a time, and only one instance of which starts."""
    gate = tmp_path_factory.mktemp("gate") / "gate"
    gate.touch()
    asked: dict[str, Any] = {
        "environment_variables": {"WHO": "narrow", "GATE": str(gate), **THREADS},
        "request_settings": OnlineRequestSettings(max_concurrent_requests_per_instance=1),
    }
    deploy(stack, endpoint, "narrow", program, model, **asked)
    yield asked
    stack.ml.online_deployments.begin_delete("narrow", endpoint).result()


@pytest.mark.slow
def test_streams_count_as_requests_until_they_end_or_their_caller_leaves(
    narrow: dict[str, Any], ask: Asking, tmp_path: Path
) -> None:
    """Slow: a deployment of its own."""
    to = {"azureml-model-deployment": "narrow"}
    pipes = [tmp_path / "one", tmp_path / "two"]
    with contextlib.ExitStack() as open_streams:
        for pipe in pipes:
            os.mkfifo(pipe)
            answer = open_streams.enter_context(stream(ask, pipe, **to))
            assert answer.status_code == 200
        assert ask({}, **to).status_code == 429
        pipes[0].write_text("go on")
        deadline = time.monotonic() + 10
        while ask({}, **to).status_code == 429:
            assert time.monotonic() < deadline
    deadline = time.monotonic() + 10
    while [ask({"sleep": 0.1}, **to).status_code for _ in range(2)] != [200, 200]:
        assert time.monotonic() < deadline
    pipes[1].write_text("go on")


@pytest.mark.slow
def test_a_caller_who_does_not_wait_for_an_answer_gives_its_place_back(
    narrow: dict[str, Any], ask: Asking
) -> None:
    """Slow: callers lose their patience, twice."""
    to = {"azureml-model-deployment": "narrow"}
    started = time.monotonic()
    for _ in range(2):
        with pytest.raises(httpx.ReadTimeout):
            body = {"sleep": 4}
            ask.client.post(ask.uri, json=body, headers=ask.headers(**to), timeout=0.2)
    while ask({}, **to).status_code == 429:
        assert time.monotonic() < started + 3, "both would have had their places for four seconds"


@pytest.mark.slow
def test_an_instance_that_cannot_start_fails_the_scaling_and_the_others_answer(
    stack: Stack,
    endpoint: str,
    program: Path,
    model: Model,
    narrow: dict[str, Any],
    ask: Asking,
) -> None:
    """Slow: a deployment of its own, which starts twice."""
    to = {"azureml-model-deployment": "narrow"}
    before = ask({}, **to).json()["pid"]
    with pytest.raises(HttpResponseError, match="FileNotFoundError") as failed:
        deploy(stack, endpoint, "narrow", program, model, count=2, **narrow)
    assert failed.value.error is not None and failed.value.error.code == "ResourceNotReady"
    assert stack.ml.online_deployments.get("narrow", endpoint).provisioning_state == "Failed"
    assert "FileNotFoundError" in stack.ml.online_deployments.get_logs("narrow", endpoint, 400)
    assert ask({}, **to).json()["pid"] == before


@pytest.mark.slow
def test_a_canary_gets_its_share(
    stack: Stack, endpoint: str, program: Path, model: Model, ask: Asking
) -> None:
    """Slow: a second deployment, and four hundred requests."""
    deploy(stack, endpoint, "green", program, model, **settings("green"))
    traffic(stack, endpoint, blue=90, green=10)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, [{}] * 400))
    counted = Counter(one.json()["who"] for one in answers)
    # Binomial: 40 expected, deviation 6; beyond five deviations once in a million runs.
    assert 10 <= counted["green"] <= 70 and counted.total() == 400
    assert all(one.headers["azureml-model-deployment"] == one.json()["who"] for one in answers)
    by_header = ask({}, **{"azureml-model-deployment": "green"})
    assert by_header.json()["who"] == "green"
    traffic(stack, endpoint, blue=100, green=0)
    assert {ask({}).json()["who"] for _ in range(10)} == {"blue"}
    stack.ml.online_deployments.begin_delete("green", endpoint).result()


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Path]:
    """A pipe that the program waits at; let go of at the end."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    yield path
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return


def stream(ask: Asking, fifo: Path, more: int = 0, die: bool = False, **headers: str) -> Any:
    body = {"fifo": str(fifo), "more": more, "die": die}
    return ask.client.stream("POST", ask.uri, json=body, headers=ask.headers(**headers))


def over(fifo: Path) -> bool:
    deadline = time.monotonic() + 10
    while not Path(f"{fifo}.over").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return True


def test_a_stream_arrives_piece_by_piece(ask: Asking, fifo: Path) -> None:
    with stream(ask, fifo) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["azureml-model-deployment"] == "blue"
        assert answer.headers["transfer-encoding"] == "chunked"
        pieces = answer.iter_raw()
        assert next(pieces) == b"data: first\n\n"
        fifo.write_text("go on")  # the program writes the rest only now
        assert b"".join(pieces) == b"data: last\n\n"


def test_a_caller_who_leaves_ends_the_programs_answer(ask: Asking, fifo: Path) -> None:
    with stream(ask, fifo, more=100_000) as answer:
        assert next(answer.iter_raw()) == b"data: first\n\n"
        fifo.write_text("go on")
    assert over(fifo)
    assert ask({}).status_code == 200


def test_a_stream_that_breaks_off_is_not_taken_for_whole(ask: Asking, fifo: Path) -> None:
    pieces = []
    with pytest.raises(httpx.RemoteProtocolError), stream(ask, fifo, die=True) as answer:
        for piece in answer.iter_raw():
            pieces.append(piece)
            fifo.write_text("go on")
    assert pieces == [b"data: first\n\n"]
    assert ask({}).status_code == 200


@pytest.mark.slow
def test_a_stream_over_its_time_is_cut(ask: Asking, fifo: Path) -> None:
    """Slow: it takes the whole of the deployment's time for a request."""
    started, pieces = time.monotonic(), []
    with pytest.raises(httpx.RemoteProtocolError), stream(ask, fifo) as answer:
        for piece in answer.iter_raw():
            pieces.append(piece)  # noqa: PERF402 - what came before the end is kept
    assert pieces == [b"data: first\n\n"]
    assert 2 <= time.monotonic() - started < 10


def test_other_paths_and_queries_reach_the_container_as_they_are(ask: Asking) -> None:
    unknown = ask({}, "/v1/chat%2Fcompletions?a=b")
    assert unknown.status_code == 424
    assert unknown.headers["ms-azureml-model-error-statuscode"] == "404"
    swagger = ask.client.get(ask.uri.replace("/score", "/swagger.json"), headers=ask.headers())
    assert "swagger" in swagger.json()
    by_query = ask({}, "/swagger.json?version=3")
    assert by_query.status_code == 424  # the container's 405: it has no POST there
    third = ask.client.get(
        ask.uri.replace("/score", "/swagger.json?version=3"), headers=ask.headers()
    )
    assert "openapi" in third.json()
