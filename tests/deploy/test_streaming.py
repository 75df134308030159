"""A streamed answer is the whole one in OpenAI's events; a client that leaves frees its place."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Where to?"}], "max_tokens": 9}


def respond(model: Any, body: dict[str, Any], **how: Any) -> tuple[int, Any, dict[str, str]]:
    from scoring import respond as answer

    return answer(model, "POST", json.dumps(body).encode(), **how)


def stream(model: Any, **fields: Any) -> list[Any]:
    """Give the documents of a stream that must end as OpenAI's does."""
    status, body, headers = respond(model, {**CHAT, **fields, "stream": True})
    assert (status, headers["Content-Type"]) == (200, "text/event-stream")
    events = "".join(body).split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    assert all(event.startswith("data: ") for event in events[:-1])
    return [json.loads(event.removeprefix("data: ")) for event in events[:-2]]


def whole(model: Any, **fields: Any) -> Any:
    status, body, _ = respond(model, {**CHAT, **fields})
    assert status == 200, body
    return json.loads(body)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"temperature": 1.8, "seed": 4, "max_tokens": 60},
        {"temperature": 1.8, "seed": 4, "max_tokens": 60, "stop": ["e", "L"]},
    ],
)
def test_the_pieces_make_up_the_whole_answer(chat_model: Any, fields: dict[str, Any]) -> None:
    chunks = stream(chat_model, **fields)
    expected = whole(chat_model, **fields)["choices"][0]
    deltas = [chunk["choices"][0] for chunk in chunks]
    assert deltas[0]["delta"] == {"role": "assistant", "content": ""}
    text = "".join(choice["delta"].get("content", "") for choice in deltas)
    assert text == expected["message"]["content"]
    ends = [choice["finish_reason"] for choice in deltas]
    assert ends == [None] * (len(ends) - 1) + [expected["finish_reason"]]


def test_every_chunk_says_which_answer_it_belongs_to(chat_model: Any) -> None:
    chunks = stream(chat_model)
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert {chunk["model"] for chunk in chunks} == {"tiny-phi3"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert all("usage" not in chunk for chunk in chunks)


def test_usage_closes_the_stream_where_it_is_asked_for(chat_model: Any) -> None:
    chunks = stream(chat_model, stream_options={"include_usage": True})
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == whole(chat_model)["usage"]


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"max_tokens": 4000}, 400, "context_length_exceeded"),
        ({"messages": [{"role": "user", "content": "<|end|>"}]}, 400, "control_token"),
        ({"temperature": 9}, 400, "invalid_parameter"),
        ({"n": 2}, 422, "not_supported"),
    ],
)
def test_a_refusal_comes_before_the_first_byte(
    chat_model: Any, fields: dict[str, Any], status: int, code: str
) -> None:
    given, body, headers = respond(chat_model, {**CHAT, **fields, "stream": True})
    assert (given, headers["Content-Type"]) == (status, "application/json")
    assert json.loads(body)["error"]["code"] == code


class Engine:
    """Writes what it is told to, and knows which of its answers were closed."""

    def __init__(self, write: Callable[[], Iterator[Any]]) -> None:
        self.closed = 0
        self._write = write

    def write(self, _: Any) -> Iterator[Any]:
        try:
            yield from self._write()
        finally:
            self.closed += 1


def with_engine(model: Any, write: Callable[[], Iterator[Any]]) -> tuple[Any, Engine]:
    from chat_model import ChatModel

    engine = Engine(write)
    return ChatModel("m", model.prompts, engine), engine


def failing(error: Exception) -> Callable[[], Iterator[Any]]:
    from engine import Piece

    def write() -> Iterator[Any]:
        yield Piece("Sin", 1)
        raise error

    return write


def test_a_failure_in_the_middle_is_the_last_event(chat_model: Any) -> None:
    from sampling import Refused

    for error, code in [
        (Refused("out_of_memory", "too much", status=503), "out_of_memory"),
        (RuntimeError("secret detail"), "internal_error"),
    ]:
        model, engine = with_engine(chat_model, failing(error))
        status, body, _ = respond(model, {**CHAT, "stream": True})
        events = "".join(body).split("\n\n")
        assert status == 200
        assert "secret" not in "".join(events)
        assert json.loads(events[-2].removeprefix("data: "))["error"]["code"] == code
        assert "[DONE]" not in "".join(events)
        assert engine.closed == 1


def test_a_failure_in_a_whole_answer_is_a_5xx_without_a_trace(chat_model: Any) -> None:
    model, _ = with_engine(chat_model, failing(RuntimeError("secret detail")))
    status, body, _ = respond(model, CHAT)
    assert (status, json.loads(body)["error"]["code"]) == (500, "internal_error")
    assert "secret" not in body


def endless() -> Iterator[Any]:
    from engine import Piece

    for number in range(1, 10**6):
        yield Piece("a", number)
        time.sleep(0.05)


def test_a_stream_that_is_closed_gives_the_answer_up(chat_model: Any) -> None:
    model, engine = with_engine(chat_model, endless)
    _, body, _ = respond(model, {**CHAT, "stream": True})
    assert next(body)
    body.close()
    assert engine.closed == 1


def test_a_client_that_leaves_while_it_waits_gives_the_answer_up(chat_model: Any) -> None:
    model, engine = with_engine(chat_model, endless)
    status, _, _ = respond(model, CHAT, is_gone=lambda: True)
    assert (status, engine.closed) == (408, 1)


def test_one_refused_text_of_several_gives_the_others_up(
    chat_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, begun = chat_model.engine.write, []

    def remember(question: Any) -> Any:
        begun.append(write(question))
        return begun[-1]

    monkeypatch.setattr(chat_model.engine, "write", remember)
    body = {"input_data": ["Where?", "<|end|>"], "params": {"max_new_tokens": 400}}
    assert respond(chat_model, body)[0] == 400
    assert len(begun) == 1
    assert list(begun[0]) == []


def test_several_texts_are_written_together(chat_model: Any) -> None:
    body = {"input_data": [f"Where to in {day} May?" for day in range(6)]}
    rows = []
    hook = chat_model.engine._model.register_forward_hook(
        lambda _, __, named, ___: rows.append(named["input_ids"].shape[0]), with_kwargs=True
    )
    status, text, _ = respond(chat_model, {**body, "params": {"max_new_tokens": 20}})
    hook.remove()
    assert (status, len(json.loads(text))) == (200, 6)
    assert max(rows) > 1
    assert len(rows) < 6 * 20
