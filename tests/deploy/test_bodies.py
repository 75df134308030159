"""Every body gets a checked request or a 4xx with a reason, and nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

USER = {"role": "user", "content": "Where to in May?"}


def parse(body: Any) -> Any:
    from bodies import parse as parse_body

    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse_body(raw)


def refusal(body: Any) -> Any:
    from sampling import Refused

    with pytest.raises(Refused) as caught:
        parse(body)
    return caught.value


def chat(**fields: Any) -> dict[str, Any]:
    return {"messages": [USER], **fields}


def texts(**params: Any) -> dict[str, Any]:
    return {"input_data": ["Where to in May?"], "params": params}


def test_the_tutorials_body_is_one_users_message_per_text() -> None:
    request = parse(
        {
            "input_data": ["one", "two"],
            "params": {
                "temperature": 0.7,
                "max_new_tokens": 128,
                "do_sample": True,
                "return_full_text": True,
            },
        }
    )
    assert request.shape == "texts"
    assert request.conversations == (
        ({"role": "user", "content": "one"},),
        ({"role": "user", "content": "two"},),
    )
    assert request.sampling.temperature == 0.7
    assert request.sampling.max_new_tokens == 128
    assert request.sampling.full_text


def test_the_portal_variants_body_is_a_conversation() -> None:
    messages = [{"role": "system", "content": "Be brief."}, USER]
    data = {"input_string": messages, "parameters": {"max_new_tokens": 5}}
    request = parse({"input_data": data})
    assert request.shape == "conversation"
    assert request.conversations == (tuple(messages),)
    assert request.sampling.max_new_tokens == 5


def test_a_chat_completions_body_as_the_openai_client_sends_it() -> None:
    request = parse(
        chat(model="m", max_tokens=7, temperature=None, stream=False, n=1, stop="\n", seed=3)
    )
    assert request.shape == "chat"
    assert (request.sampling.max_new_tokens, request.sampling.stop) == (7, ("\n",))
    assert request.sampling.seed == 3


@pytest.mark.parametrize(
    ("fields", "streamed", "usage"),
    [
        ({}, False, False),
        ({"stream": None, "stream_options": None}, False, False),
        ({"stream": True}, True, False),
        ({"stream": True, "stream_options": {"include_usage": None}}, True, False),
        ({"stream": True, "stream_options": {"include_usage": True}}, True, True),
    ],
)
def test_a_stream_is_asked_for_as_openai_does(
    fields: dict[str, Any], streamed: bool, usage: bool
) -> None:
    request = parse(chat(**fields))
    assert (request.is_streamed, request.with_usage) == (streamed, usage)


def test_text_parts_become_one_text() -> None:
    parts = [{"type": "text", "text": "Where "}, {"type": "text", "text": "to?"}]
    request = parse({"messages": [{"role": "user", "content": parts}]})
    assert request.conversations[0][0]["content"] == "Where to?"


@pytest.mark.parametrize(
    ("params", "temperature"),
    [
        ({}, 0),
        ({"do_sample": False, "temperature": 0.9}, 0),
        ({"do_sample": True, "temperature": 0}, 0),
        ({"do_sample": True}, 1),
        ({"temperature": 0.3}, 0.3),
        ({"top_p": 0.9}, 1),
    ],
)
def test_greedy_unless_sampling_is_asked_for(params: dict[str, Any], temperature: float) -> None:
    assert parse(texts(**params)).sampling.temperature == temperature


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (b"", "invalid_json", "not JSON"),
        (b"{", "invalid_json", "not JSON"),
        (b"\xff\xfe{", "invalid_json", "not UTF-8"),
        (b"[" * 200_000, "invalid_json", "nested"),
        (b'{"messages": ' + b"[" * 200_000, "invalid_json", "nested"),
        (b'{"input_data": ["a"], "params": {"temperature": NaN}}', "invalid_json", "NaN"),
        (b'{"input_data": ["a"], "params": {"seed": ' + b"9" * 5000 + b"}}", "invalid_json", ""),
        (b'{"input_data": ["a"], "params": {"temperature": 1e999}}', "invalid_parameter", "0 to 2"),
        ([], "unknown_body", "object"),
        ({}, "unknown_body", "messages"),
        ({"text": "a"}, "unknown_body", "messages"),
        ({"input_data": None}, "unknown_body", "messages"),
        (chat(input_data=["a"]), "unknown_body", "messages"),
        ({"input_data": []}, "invalid_input", "at least one"),
        ({"input_data": "a"}, "invalid_input", "list"),
        ({"input_data": ["a", ""]}, "invalid_input", "input_data[1]"),
        ({"input_data": ["a", 7]}, "invalid_input", "input_data[1]"),
        (b'{"input_data": ["\\ud800"]}', "invalid_input", "surrogate"),
        ({"input_data": ["a"] * 33}, "too_many_inputs", "32"),
        ({"input_data": ["a"], "parameters": {}}, "unknown_field", "parameters"),
        (texts(max_tokens=3), "unknown_field", "max_tokens"),
        (texts(temperature=-1), "invalid_parameter", "params.temperature"),
        (texts(temperature="hot"), "invalid_parameter", "params.temperature"),
        (texts(temperature=True), "invalid_parameter", "params.temperature"),
        (texts(top_p=0), "invalid_parameter", "params.top_p"),
        (texts(top_p=1.1), "invalid_parameter", "params.top_p"),
        (texts(max_new_tokens=0), "invalid_parameter", "params.max_new_tokens"),
        (texts(max_new_tokens=1.5), "invalid_parameter", "params.max_new_tokens"),
        (texts(max_new_tokens=10**9), "invalid_parameter", "4096"),
        (texts(do_sample=1), "invalid_parameter", "params.do_sample"),
        (texts(seed=-1), "invalid_parameter", "params.seed"),
        (texts(stop=[""]), "invalid_parameter", "params.stop"),
        (texts(stop=["a"] * 17), "invalid_parameter", "params.stop"),
        ({"input_data": ["a"], "params": []}, "invalid_parameter", "params"),
        ({"input_data": {}}, "invalid_messages", "input_string"),
        ({"input_data": {"input_string": "a"}}, "invalid_messages", "input_string"),
        ({"messages": []}, "invalid_messages", "at least one"),
        ({"messages": ["hi"]}, "invalid_messages", "messages[0]"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "invalid_messages", "role"),
        ({"messages": [{"role": ["user"], "content": "a"}]}, "invalid_messages", "role"),
        ({"messages": [{"content": "a"}]}, "invalid_messages", "role"),
        ({"messages": [{"role": "user"}]}, "invalid_input", "messages[0].content"),
        ({"messages": [{**USER, "tool_calls": []}]}, "unknown_field", "tool_calls"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "invalid_messages",
            "content[0]",
        ),
        ({"messages": [USER, {"role": "assistant", "content": "a"}]}, "invalid_messages", "end"),
        ({"messages": [USER, {"role": "system", "content": "a"}]}, "invalid_messages", "first"),
        (chat(max_tokens="7"), "invalid_parameter", "max_tokens"),
        (chat(stream="yes"), "invalid_parameter", "stream"),
        (chat(stream_options={"include_usage": True}), "invalid_parameter", "stream_options"),
        (chat(stream=True, stream_options=[]), "invalid_parameter", "stream_options"),
        (chat(stream=True, stream_options={"usage": True}), "unknown_field", "include_usage"),
        (
            chat(stream=True, stream_options={"include_usage": 1}),
            "invalid_parameter",
            "stream_options.include_usage",
        ),
        (chat(n=2), "not_supported", "`n`"),
        (chat(n=True), "not_supported", "`n`"),
        (chat(tools=[]), "unknown_field", "tools"),
    ],
)
def test_a_wrong_body_is_refused_with_its_reason(body: Any, code: str, reason: str) -> None:
    refused = refusal(body)
    assert refused.code == code
    assert reason in refused.message
    assert 400 <= refused.status < 500


def test_a_body_too_large_is_413() -> None:
    assert refusal(b'{"input_data": ["' + b"a" * 1024 * 1024 + b'"]}').status == 413


def test_answers_have_the_shape_of_the_request() -> None:
    from answers import Reply, answer

    reply = Reply("Sintra.", "<p>", "stop", 5, 2)
    assert answer(parse(texts()), [reply], "m") == ["Sintra."]
    conversation = {"input_data": {"input_string": [USER]}}
    assert answer(parse(conversation), [reply], "m") == {"output": "Sintra."}
    completion = answer(parse(chat()), [reply], "m")
    assert completion["object"] == "chat.completion"
    assert completion["choices"][0]["message"] == {"role": "assistant", "content": "Sintra."}
    assert completion["usage"]["total_tokens"] == 7


def test_the_prompt_is_echoed_only_on_request() -> None:
    from answers import Reply, answer

    reply = Reply("Sintra.", "<p>", "stop", 5, 2)
    echoed = answer(parse(texts(return_full_text=True)), [reply], "m")
    assert echoed == ["Where to in May?\nSintra."]
    data = {"input_string": [USER], "parameters": {"return_full_text": True}}
    assert answer(parse({"input_data": data}), [reply], "m") == {"output": "<p>Sintra."}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
NESTED = ["messages", "input_data", "params", "input_string", "parameters", "role", "content"]
PLAIN = ["stop", "temperature", "top_p", "max_new_tokens", "max_tokens", "seed", "n"]
STREAM = ["stream", "stream_options", "include_usage"]
FIELDS = st.sampled_from([*NESTED, *PLAIN, *STREAM, "do_sample"])
ALMOST = st.recursive(
    JSON | st.sampled_from(["user", "system", "assistant", "text", 1, 0.5, True]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=12,
)


def is_answered_properly(raw: bytes) -> None:
    from bodies import Request, parse
    from sampling import Refused

    try:
        request = parse(raw)
    except Refused as refused:
        assert 400 <= refused.status < 500
        assert refused.message
        json.dumps({"code": refused.code, "message": refused.message})
    else:
        assert isinstance(request, Request)
        assert request.conversations


@settings(deadline=None)
@given(st.dictionaries(FIELDS, ALMOST, max_size=4))
def test_no_body_of_known_fields_raises_anything_but_a_refusal(body: dict[str, Any]) -> None:
    is_answered_properly(json.dumps(body).encode())


@settings(deadline=None)
@given(st.data())
def test_no_valid_body_with_one_part_replaced_raises_anything_but_a_refusal(
    data: st.DataObject,
) -> None:
    parameters = {"temperature": 0.5, "top_p": 0.9, "stop": ["a"], "seed": 1, "max_new_tokens": 9}
    body = data.draw(
        st.sampled_from(
            [
                {"input_data": ["a", "b"], "params": parameters},
                {"input_data": {"input_string": [USER], "parameters": parameters}},
                {"messages": [{"role": "system", "content": "b"}, USER], "max_tokens": 3, "n": 1},
            ]
        )
    )
    body = json.loads(json.dumps(body))
    container: Any = body
    while True:
        key = data.draw(
            st.sampled_from(
                list(container) if isinstance(container, dict) else list(range(len(container)))
            )
        )
        if not isinstance(container[key], dict | list) or data.draw(st.booleans()):
            break
        container = container[key]
    container[key] = data.draw(JSON)
    is_answered_properly(json.dumps(body).encode())


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_no_bytes_raise_anything_but_a_refusal(raw: bytes) -> None:
    is_answered_properly(raw)
