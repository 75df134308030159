"""Models that managed services serve: base, tuned, checkpoint; whole and streamed; their end."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from quick_world import QUICK_SERVER, QUICK_TRAINER, Heard, opened, until
from starlette.requests import ClientDisconnect

from local.operations import Refusal
from local.runner.relaying import Through
from local.tuning import programs, running, serving
from local.tuning.orders import TuningOrder
from local.world import World

ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a"
JOB, DEPLOYMENT = f"{ACCOUNT}/fineTuning/j", f"{ACCOUNT}/deployments/d"
Chats = Callable[..., Path]


class Caller:
    """Who asks: can leave, and keeps what is sent."""

    def __init__(self, world: World) -> None:
        self.left = asyncio.Event()
        self.sent: list[dict[str, Any]] = []
        request = SimpleNamespace(receive=self.receive)
        self.call: Any = SimpleNamespace(world=world, request=request)

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def body(self) -> str:
        return b"".join(one.get("body", b"") for one in self.sent).decode()


def ask(
    world: World, question: str, id: str = DEPLOYMENT, through: Through | None = None, **more: Any
) -> tuple[int, str]:
    """Give status and body of an answer, as the caller gets them."""

    async def run() -> tuple[int, str]:
        caller = Caller(world)
        body = {"messages": [{"role": "user", "content": question}], **more}
        answer = await serving.ask(caller.call, id, body, through)
        await answer({"type": "http", "path": "/x", "state": {}}, caller.receive, caller.send)
        return answer.status_code, caller.body

    return asyncio.run(run())


def said(world: World, id: str = DEPLOYMENT) -> str:
    status, body = ask(world, "who?", id)
    assert status == 200
    return str(json.loads(body)["choices"][0]["message"]["content"])


def ready(world: World, id: str = DEPLOYMENT) -> None:
    until(lambda: serving.is_ready(world, id) or bool(serving.problem(world, id)))
    assert serving.problem(world, id) == ""


def word(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "word.txt").write_text(text)
    (folder / "tunestack.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world with a model that several tests ask; each but the last leaves it answering."""
    place = tmp_path_factory.mktemp("served")
    with opened(place / "azure") as world:
        programs.use(world.state, job=QUICK_TRAINER, serving=QUICK_SERVER)
        serving.begin(world, DEPLOYMENT, word(place / "model", "tuned"))
        ready(world)
        yield world


def test_the_base_model_and_a_checkpoint_answer_beside_a_tuned_model(
    served: World, chats: Chats
) -> None:
    heard = Heard()
    running.begin(served, JOB, TuningOrder(chats(), None, epochs=2), heard)
    models = {"base": None, "epoch": heard.outcome().checkpoints[1].folder}
    for name, folder in models.items():
        serving.begin(served, f"{JOB}/{name}", folder)
    for name, answer in {"base": "base: who?", "epoch": "hello@3: who?"}.items():
        ready(served, f"{JOB}/{name}")
        assert said(served, f"{JOB}/{name}") == answer
    served.processes.end_below(JOB)
    assert not any(serving.is_ready(served, f"{JOB}/{name}") for name in models)
    assert said(served) == "tuned: who?"


def test_an_answer_comes_whole_or_piece_by_piece_and_a_refusal_with_its_status(
    served: World, tmp_path: Path
) -> None:
    status, body = ask(served, "a b c", max_tokens=2)
    choice = json.loads(body)["choices"][0]
    assert (status, choice["finish_reason"]) == (200, "length")
    assert json.loads(body)["usage"]["completion_tokens"] == 2
    status, body = ask(served, "a b", stream=True, stream_options={"include_usage": True})
    events = [line.removeprefix("data: ") for line in body.splitlines() if line]
    chunks = [json.loads(event) for event in events[:-1]]
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])
    assert (text, events[-1]) == ("tuned: a b", "[DONE]")
    assert chunks[-1]["usage"]["completion_tokens"] == 3
    for stream in (False, True):  # the second one's error comes without a length
        status, body = ask(served, "[refuse]", stream=stream)
        assert (status, json.loads(body)["error"]["code"]) == (422, "invalid_messages")

    async def louder(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for piece in pieces:
            yield piece.upper()

    assert "TUNED:" in ask(served, "a", through=louder, stream=True)[1]


def test_a_stream_comes_as_it_is_written_and_ends_when_its_caller_leaves(
    served: World, tmp_path: Path
) -> None:
    async def run() -> None:
        caller = Caller(served)
        question = f"[wait {tmp_path / 'never'}]"
        body = {"messages": [{"role": "user", "content": question}], "stream": True}
        answer = await serving.ask(caller.call, DEPLOYMENT, body)
        scope = {"type": "http", "path": "/x", "state": {}}
        passing_on = asyncio.create_task(answer(scope, caller.receive, caller.send))
        while "tuned:" not in caller.body:
            await asyncio.sleep(0.01)
        assert "[DONE]" not in caller.body
        caller.left.set()
        await asyncio.wait_for(passing_on, 10)

    asyncio.run(run())
    task: Any = served.processes.task(DEPLOYMENT)
    assert task.instances[0].in_flight == 0
    assert said(served) == "tuned: who?"


def test_a_caller_who_leaves_before_the_answer_is_waited_for_no_longer(served: World) -> None:
    async def run() -> None:
        caller = Caller(served)
        caller.left.set()
        body = {"messages": [{"role": "user", "content": "?"}]}
        with pytest.raises(ClientDisconnect):
            await serving.ask(caller.call, DEPLOYMENT, body)

    asyncio.run(run())


@pytest.mark.slow
def test_a_process_that_dies_is_started_again(served: World) -> None:
    """Slow: two starts; how instances are watched is tested fast with the online endpoints'."""
    with pytest.raises(Refusal, match="502"):
        ask(served, "[die]")
    until(lambda: not serving.is_ready(served, DEPLOYMENT) or "Starting again" in log(served))
    until(lambda: serving.is_ready(served, DEPLOYMENT) and "Starting again" in log(served))
    assert said(served) == "tuned: who?"
    assert serving.problem(served, DEPLOYMENT) == ""


def log(world: World) -> str:
    return serving.read_log(world, DEPLOYMENT)


def test_a_model_that_does_not_get_ready_says_why_and_the_one_before_answers_until_another_does(
    served: World, tmp_path: Path
) -> None:
    serving.begin(served, DEPLOYMENT, word(tmp_path / "model", "broken"))
    until(lambda: bool(serving.problem(served, DEPLOYMENT)))
    assert "this model has no wish to serve" in serving.problem(served, DEPLOYMENT)
    assert said(served) == "tuned: who?"
    serving.begin(served, DEPLOYMENT, word(tmp_path / "better", "better"))
    seen = {said(served)}
    until(lambda: bool(seen.add(said(served)) or "better: who?" in seen))
    assert seen == {"tuned: who?", "better: who?"}
    serving.end(served, DEPLOYMENT)
    assert not serving.is_ready(served, DEPLOYMENT) and serving.problem(served, DEPLOYMENT) == ""
    with pytest.raises(Refusal, match="503"):
        ask(served, "?")
