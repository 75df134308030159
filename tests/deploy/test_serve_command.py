"""`tunestack serve` as a process of its own, and in front of the local Azure."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from click.testing import CliRunner

from commands.serve import open_directory
from core.cloud import Cloud
from core.errors import PrerequisiteError
from core.refs import ModelRef, StackOutputs
from core.settings import Settings
from deploy.endpoint import undeploy
from deploy.releasing.order import DeployOrder
from deploy.releasing.rollout import deploy
from local.process import LocalAzure
from tests.deploy.served import served
from tests.deploy.small_endpoint import KEY, Asked, SmallEndpoint, small_endpoint

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).parent / "quick_serving"

PROCESS = """
import sys
import commands.serve
from deploy.web.directory import Directory
from tests.deploy.small_endpoint import SmallEndpoint

class There(SmallEndpoint):
    def __init__(self, port):
        self.server_port, self.keys, self.name = port, ["{key}"], "ep-test"
        self.deployments = [deployed("v3-tuned", "travel:3", 100, "tuned")]

from tests.deploy.small_endpoint import deployed
there = There(int(sys.argv.pop(1)))
commands.serve.open_directory = lambda *_: Directory(
    there.look(), there.look, there.unlock, base_command="deploy the base"
)
import cli
cli.main()
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Start `tunestack serve` in front of an endpoint; what still runs in the end is killed."""
    running: list[subprocess.Popen[str]] = []

    def run(endpoint: SmallEndpoint, *options: str) -> subprocess.Popen[str]:
        port = str(endpoint.server_port)
        script = PROCESS.replace("{key}", KEY)
        command = [sys.executable, "-c", script, port, "serve", "--port", "0", *options]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TUNESTACK_HOME": str(tmp_path)}
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_answers_and_ends_cleanly_at_ctrl_c(
    start: Any, tmp_path: Path, how: signal.Signals
) -> None:
    with small_endpoint() as endpoint:
        process = start(endpoint, "--json", "--votes", "mine.jsonl")
        told = json.loads(read_document(process))
        assert told["models"] == {"tuned": "travel:3", "base": None}
        assert told["votes"] == str(tmp_path / "mine.jsonl")
        assert httpx.get(told["page"], trust_env=False).status_code == 200
        with openai.OpenAI(base_url=told["base_url"], api_key="any", max_retries=0) as client:
            assert client.models.list().data[0].id == "tuned"
            asked: Any = [{"role": "user", "content": "Hi"}]
            answer = client.chat.completions.create(model="tuned", messages=asked)
            assert answer.choices[0].message.content == "v3-tuned heard: Hi"
            process.send_signal(how)
            out, err = process.communicate(timeout=20)
        assert (process.returncode, out.strip()) == (0, "")
        assert "0 votes stand in mine.jsonl" in err
        assert "Traceback" not in err
        assert KEY not in json.dumps(told) + err


def read_document(process: "subprocess.Popen[str]") -> str:
    """Read the one document that a running command has printed."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.rstrip() == "}":
            return "".join(lines)
    raise AssertionError(process.communicate())


def test_an_answer_that_does_not_end_does_not_keep_it_from_ending(start: Any) -> None:
    """It is waited for two seconds; the endpoint is let go."""
    was_cut = threading.Event()

    def endless(asked: Asked) -> None:
        asked.begin()
        asked.piece("one")
        asked.connection.settimeout(20)
        if asked.connection.recv(1) == b"":
            was_cut.set()

    with small_endpoint() as endpoint:
        endpoint.answer = endless
        process = start(endpoint, "--json")
        told = json.loads(read_document(process))
        with openai.OpenAI(base_url=told["base_url"], api_key="any", max_retries=0) as client:
            messages: Any = [{"role": "user", "content": "Hi"}]
            chunks = client.chat.completions.create(model="tuned", messages=messages, stream=True)
            assert next(iter(chunks)).choices[0].delta.content == "one"
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "Traceback" not in err
        assert was_cut.wait(10)


def test_the_page_for_people_has_the_address_and_the_token(start: Any) -> None:
    with small_endpoint() as endpoint:
        process = start(endpoint, "--token")
        lines = [process.stdout.readline() for _ in range(5)]
        token = lines[0].strip().partition("#token=")[2]
        assert len(token) >= 32
        assert token in lines[2]
        assert "not deployed: deploy the base" in lines[4]
        process.send_signal(signal.SIGINT)
        assert token not in process.communicate(timeout=20)[1]


def test_a_stack_without_an_endpoint_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from commands.serve import serve

    class Bare:
        stack, cloud, outputs = "dev", None, None

    monkeypatch.setattr("commands.serve.Session", lambda stack: Bare)
    monkeypatch.setattr("commands.serve.find", lambda *_: None)
    monkeypatch.setattr("commands.serve.managed_sides", lambda session: {})
    result = CliRunner().invoke(serve, ["--port", "0", "--votes", str(tmp_path / "v")])
    assert isinstance(result.exception, PrerequisiteError)
    assert result.exception.hint == "tunestack deploy --stack dev"
    assert not (tmp_path / "v").exists()


@pytest.fixture(scope="module")
def session(local_azure: LocalAzure, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A stack on the local Azure, up."""
    from infra.in_process.engine import InProcess

    class Opened:
        stack = "served"
        cloud = Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])
        outputs: StackOutputs

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESTACK_HOME", str(tmp_path_factory.mktemp("home")))
        settings = Settings(compute="cpu", person_type="ServicePrincipal")
        engine = InProcess("served", settings, Opened.cloud)
        Opened.outputs = engine.up(lambda event: None)
        yield Opened()
        engine.destroy(lambda event: None)


def register(session: Any, folder: Path, word: str) -> ModelRef:
    from azure.ai.ml.entities import Model

    (folder / word).mkdir()
    (folder / word / "word.txt").write_text(word)
    asset = Model(name=f"says-{word}", path=str(folder / word), type="custom_model")
    made = session.cloud.workspace(session.outputs).models.create_or_update(asset)
    return ModelRef(name=str(made.name), version=str(made.version))


@pytest.mark.slow
def test_on_the_local_azure_it_answers_follows_a_redeploy_and_a_renewed_key(
    session: Any, tmp_path: Path
) -> None:
    """Through Azure's own way in: proxy, TLS, the endpoint's key, traffic and its header.

    Slow: brings a stack up and starts two deployments.
    """

    def deploy_word(word: str) -> None:
        order = DeployOrder(register(session, tmp_path, word), "Standard_E4s_v3")
        deploy(session.cloud, session.outputs, order, progress=lambda _: None, program=PROGRAM)

    try:
        deploy_word("one")
        with (
            served(open_directory(session), tmp_path / "v.jsonl") as running,
            openai.OpenAI(base_url=running.base_url, api_key="x", max_retries=0) as client,
        ):
            assert ask(client) == "one: Hello"
            assert ask(client, stream=True) == "one: Hello"
            deploy_word("two")
            assert ask(client) == "two: Hello"
            endpoints = session.cloud.workspace(session.outputs).online_endpoints
            name = running.directory.state.ref.name
            endpoints.begin_regenerate_keys(name, key_type="primary").result()
            assert ask(client) == "two: Hello"
            with pytest.raises(openai.NotFoundError, match="No base model"):
                ask(client, "base")
    finally:
        undeploy(session.cloud, session.outputs)


def ask(client: openai.OpenAI, model: str = "tuned", *, stream: bool = False) -> str:
    messages: Any = [{"role": "user", "content": "Hello"}]
    answer: Any = client.chat.completions.create(model=model, messages=messages, stream=stream)
    if not stream:
        return str(answer.choices[0].message.content)
    return "".join(each.choices[0].delta.content or "" for each in answer if each.choices)
