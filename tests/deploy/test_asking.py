"""Answers as they are written, over a real connection that a test holds open, cuts or garbles."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from core.errors import CloudError, UserError
from core.refs import EndpointRef
from deploy.access import Access
from deploy.talking.answers import BrokenOff, events
from deploy.talking.asking import Line
from deploy.talking.chat import Conversation
from tests.deploy.streaming_server import (
    StreamingServer,
    cut,
    event,
    plain,
    raw,
    refused,
    streamed,
    streaming_server,
)

KEY, NEW_KEY = "a-secret-key", "another-secret-key"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StreamingServer]:
    monkeypatch.setattr("deploy.talking.asking.time.sleep", lambda seconds: None)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with streaming_server() as running:
        yield running


@pytest.fixture
def talk(server: StreamingServer) -> Iterator[Callable[..., Conversation]]:
    opened: list[Conversation] = []

    def open_on(deployment: str = "", *, can_reopen: bool = False) -> Conversation:
        reference = EndpointRef(name="ep", scoring_url=f"{server.address}/score", deployment="v1")
        access = Access(reference, lambda: SecretStr(KEY))
        renewed = replace(access, secret=lambda: SecretStr(NEW_KEY))
        line = Line(access, deployment, reopen=(lambda: renewed) if can_reopen else None)
        opened.append(Conversation(line))
        return opened[-1]

    yield open_on
    for conversation in opened:
        conversation.close()


def test_a_piece_is_there_before_the_next_one_is_written(server, talk) -> None:
    gate = threading.Event()
    server.steps = [streamed("Lis", "bon.", gates=(gate,), by="v1")]
    conversation = talk()
    pieces = conversation.stream("Where to?")
    assert next(pieces) == "Lis"
    assert conversation.messages == []
    gate.set()
    assert "".join(pieces) == "bon."
    assert [each["content"] for each in conversation.messages] == ["Where to?", "Lisbon."]
    assert server.bodies[0]["stream"] is True
    answer = conversation.last
    assert (answer.finish, answer.deployment) == ("stop", "v1")
    assert answer.usage == {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    assert 0 < answer.first_seconds <= answer.seconds
    assert answer.tokens_per_second == pytest.approx(2 / answer.seconds)


def test_a_deployment_is_asked_by_its_header(server, talk) -> None:
    server.steps = [streamed("a"), streamed("b")]
    list(talk("base-1").stream("Where to?"))
    list(talk().stream("Where to?"))
    named = [{name.lower(): value for name, value in each.items()} for each in server.headers]
    assert named[0]["azureml-model-deployment"] == "base-1"
    assert "azureml-model-deployment" not in named[1]


def test_an_answer_in_one_piece_is_taken_as_one(server, talk) -> None:
    server.steps = [plain("Lisbon.")]
    conversation = talk()
    assert list(conversation.stream("Where to?")) == ["Lisbon."]
    assert conversation.last.first_seconds is None
    assert conversation.last.tokens_per_second is None
    assert conversation.last.finish == "length"


@pytest.mark.parametrize(
    ("refusals", "asked"),
    [
        (["`stream_options` is not supported"], [{"stream", "stream_options"}, {"stream"}]),
        (
            ["unknown field stream_options", "`stream` is not supported here; leave it out."],
            [{"stream", "stream_options"}, {"stream"}, set()],
        ),
    ],
)
def test_a_container_that_refuses_streams_is_asked_without_and_that_is_remembered(
    server, talk, refusals, asked
) -> None:
    headers = {"ms_azureml_model_error_statuscode": "422"}
    server.steps = [refused(424, each, **headers) for each in refusals]
    server.always = plain("Lisbon.")
    conversation = talk()
    assert list(conversation.stream("Where to?")) == ["Lisbon."]
    assert list(conversation.stream("Why?")) == ["Lisbon."]
    names = [body.keys() & {"stream", "stream_options"} for body in server.bodies]
    assert names == [*asked, asked[-1]]


@pytest.mark.parametrize(
    "first",
    [cut, raw(has_end=False), raw(), refused(503, "busy"), refused(502, "bad gateway")],
    ids=["no answer", "headers alone", "an empty stream", "busy", "gateway"],
)
def test_what_was_lost_before_anything_came_is_asked_once_more(server, talk, first) -> None:
    server.steps = [first, streamed("Lisbon.")]
    assert "".join(talk().stream("Where to?")) == "Lisbon."
    server.steps = [first, first]
    with pytest.raises(CloudError):
        list(talk().stream("Where to?"))
    assert len(server.bodies) == 4


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        (raw(event("Lis"), has_end=False), "broke off"),
        (raw(event("Lis")), "closed before the end"),
        (raw(event("Lis"), b"data: not JSON\n\n"), "no chat completion"),
        (
            raw(event("Lis"), b'data: {"error": {"code": "e", "message": "out of memory"}}\n\n'),
            "broke off: .*out of memory",
        ),
    ],
    ids=["cut", "ended", "garbled", "failed"],
)
def test_an_answer_that_breaks_off_says_so_and_is_not_remembered(server, talk, rest, words) -> None:
    server.steps = [rest]
    conversation = talk()
    pieces = conversation.stream("Where to?")
    assert next(pieces) == "Lis"
    with pytest.raises(BrokenOff, match=words):
        list(pieces)
    assert conversation.messages == []
    assert conversation.last is None
    server.always = plain("Lisbon.")
    assert conversation.ask("Where to?") == "Lisbon."


def test_a_failure_before_the_first_piece_is_no_broken_answer(server, talk) -> None:
    server.steps = [raw(b'data: {"error": {"code": "e", "message": "out of memory"}}\n\n')]
    with pytest.raises(CloudError, match="failed: out of memory") as caught:
        list(talk().stream("Where to?"))
    assert not isinstance(caught.value, BrokenOff)
    assert len(server.bodies) == 1


def test_a_key_that_was_rotated_is_read_anew_once(server, talk) -> None:
    server.steps = [refused(401, "no"), streamed("Lisbon.")]
    conversation = talk(can_reopen=True)
    assert "".join(conversation.stream("Where to?")) == "Lisbon."
    keys = [each["Authorization"] for each in server.headers]
    assert keys == [f"Bearer {KEY}", f"Bearer {NEW_KEY}"]
    server.steps = [refused(401, "no"), refused(401, "still no")]
    with pytest.raises(CloudError, match=r"refused the key \(401\): still no") as caught:
        conversation.ask("Why?")
    assert NEW_KEY not in f"{caught.value}{caught.value.hint}{conversation!r}"


def test_a_refusal_of_the_containers_own_opens_nothing_anew(server, talk) -> None:
    server.steps = [refused(424, "mine", ms_azureml_model_error_statuscode="401")]
    with pytest.raises(CloudError, match="mine"):
        talk(can_reopen=True).ask("Where to?")
    assert len(server.bodies) == 1


def test_a_question_that_is_refused_is_the_persons_to_mend(server, talk) -> None:
    server.steps = [refused(424, "too long", ms_azureml_model_error_statuscode="400")]
    with pytest.raises(UserError, match="too long") as caught:
        list(talk().stream("Where to?"))
    assert type(caught.value) is UserError


def test_an_answer_that_is_given_up_frees_the_model_and_is_not_remembered(server, talk) -> None:
    left, gate = threading.Event(), threading.Event()

    def endless(handler) -> None:
        handler.begin("text/event-stream")
        try:
            handler.chunk(event("on"))
            assert gate.wait(20)
            while True:
                handler.chunk(event(" and on" * 1000))
        except OSError:
            left.set()

    server.steps = [endless, streamed("Lisbon.")]
    conversation = talk()
    pieces = conversation.stream("Where to?")
    next(pieces)
    pieces.close()
    gate.set()
    assert left.wait(20)
    assert conversation.messages == []
    assert "".join(conversation.stream("Where to?")) == "Lisbon."


def test_an_empty_answer_is_no_turn_of_the_conversation(server, talk) -> None:
    server.steps = [streamed("", finish="stop")]
    conversation = talk()
    assert "".join(conversation.stream("Where to?")) == ""
    assert conversation.messages == []


@given(
    texts=st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1), min_size=1),
    cuts=st.lists(st.integers(0, 4000)),
    end=st.sampled_from(["\n", "\r\n"]),
    space=st.sampled_from(["", " "]),
)
def test_events_are_the_same_however_the_bytes_are_cut(texts, cuts, end, space) -> None:
    """Also where a text holds what `str.splitlines` breaks at, as it is or as an escape."""
    wire = ": a comment" + end + end
    for number, text in enumerate(texts):
        data = json.dumps(text, ensure_ascii=number % 2 == 0)
        wire += f"event: message{end}data:{space}{data}{end}{end}"
    content = wire.encode()
    places = sorted({min(place, len(content)) for place in cuts} | {0, len(content)})
    pieces = [content[a:b] for a, b in pairwise(places)]
    assert [json.loads(data) for data in events(iter(pieces))] == texts
