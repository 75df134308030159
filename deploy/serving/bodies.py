"""What a request may say: three shapes of body, checked whole.

- texts:        `{"input_data": [text, ...], "params": {...}}` → a JSON list of answers
- conversation: `{"input_data": {"input_string": [message, ...], "parameters": {...}}}`
                → `{"output": answer}`
- chat:         `{"messages": [message, ...], ...}`, OpenAI's chat completions → the same, whole
                or streamed

Nothing here knows the model. A null counts as absent, as clients write it for what they leave out.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal

from sampling import MAX_NEW_TOKENS, Message, Refused, Sampling, flag, generation, only, whole

MAX_BODY_BYTES = 1024 * 1024
MAX_TEXTS = 32

Shape = Literal["texts", "conversation", "chat"]

ROLES = ("system", "user", "assistant")
CHAT_LENGTHS = ("max_completion_tokens", "max_tokens")
CHAT_SHARED = ("temperature", "top_p", "seed", "stop")
"""Named alike in all three shapes."""
CHAT_PARAMETERS = ("messages", *CHAT_SHARED, *CHAT_LENGTHS, "stream", "stream_options")
CHAT_WITHOUT_EFFECT = ("model", "user", "metadata", "safety_identifier")
"""Says who asks, not what: any value is fine."""
CHAT_NEUTRAL = {
    "n": 1,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logprobs": False,
    "store": False,
}
"""Not offered; the value that asks for nothing is fine, any other is refused."""


@dataclass(frozen=True)
class Request:
    """A checked request: one conversation for each answer that is wanted."""

    shape: Shape
    conversations: tuple[tuple[Message, ...], ...]
    sampling: Sampling
    is_streamed: bool = False
    with_usage: bool = False
    """Close the stream with how many tokens it took."""


def parse(raw: bytes) -> Request:
    """Read a body of any of the three shapes.

    Raises:
        Refused: names what is wrong and where.
    """
    body = _document(raw)
    if ("messages" in body) == ("input_data" in body):
        raise Refused(
            "unknown_body",
            "The body must have either `messages`, or `input_data` holding a list of texts or an"
            " object with `input_string`.",
        )
    if "messages" in body:
        return _chat(body)
    if isinstance(body["input_data"], dict):
        return _conversation(body)
    return _texts(body)


def _document(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_BODY_BYTES:
        raise Refused(
            "body_too_large", f"The body is larger than {MAX_BODY_BYTES} bytes.", status=413
        )
    try:
        body = json.loads(raw.decode("utf-8-sig"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise Refused("invalid_json", f"The body is not UTF-8: {error.reason}.") from error
    except RecursionError as error:
        raise Refused("invalid_json", "The body is nested too deeply.") from error
    except ValueError as error:
        raise Refused("invalid_json", f"The body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Refused("unknown_body", "The body must be a JSON object.")
    return {name: value for name, value in body.items() if value is not None}


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _texts(body: dict[str, Any]) -> Request:
    only(body, ("input_data", "params"), "the body")
    texts = body["input_data"]
    if not isinstance(texts, list) or not texts:
        raise Refused("invalid_input", "`input_data` must be a list of at least one text.")
    if len(texts) > MAX_TEXTS:
        raise Refused("too_many_inputs", f"`input_data` holds more than {MAX_TEXTS} texts.")
    conversations = []
    for index, text in enumerate(texts):
        content = _text(text, f"input_data[{index}]")
        conversations.append(({"role": "user", "content": content},))
    return Request("texts", tuple(conversations), generation(body.get("params", {}), "params"))


def _conversation(body: dict[str, Any]) -> Request:
    only(body, ("input_data",), "the body")
    data = {name: value for name, value in body["input_data"].items() if value is not None}
    only(data, ("input_string", "parameters"), "input_data")
    messages = _messages(data.get("input_string"), "input_data.input_string")
    sampling = generation(data.get("parameters", {}), "input_data.parameters")
    return Request("conversation", (messages,), sampling)


def _chat(body: dict[str, Any]) -> Request:
    for name, neutral in CHAT_NEUTRAL.items():
        if name in body and (
            isinstance(body[name], bool) != isinstance(neutral, bool) or body[name] != neutral
        ):
            raise Refused(
                "not_supported", f"`{name}` is not supported here; leave it out.", status=422
            )
    only(body, (*CHAT_PARAMETERS, *CHAT_WITHOUT_EFFECT, *CHAT_NEUTRAL), "the body")
    messages = _messages(body["messages"], "messages")
    parameters = {
        name: body[name] for name in ("temperature", "top_p", "seed", "stop") if name in body
    }
    lengths = [name for name in CHAT_LENGTHS if name in body]
    if lengths:
        whole(body, lengths[0], 1, MAX_NEW_TOKENS, "")
        parameters["max_new_tokens"] = body[lengths[0]]
    is_streamed, with_usage = _streaming(body)
    return Request("chat", (messages,), generation(parameters, ""), is_streamed, with_usage)


def _streaming(body: dict[str, Any]) -> tuple[bool, bool]:
    """Read whether the answer is streamed, and whether with its usage."""
    is_streamed = flag(body, "stream", False, "")
    options = body.get("stream_options")
    if options is None:
        return is_streamed, False
    if not isinstance(options, dict) or not is_streamed:
        raise Refused(
            "invalid_parameter", "`stream_options` must be an object, and only with `stream`: true."
        )
    given = {name: value for name, value in options.items() if value is not None}
    only(given, ("include_usage",), "stream_options")
    return is_streamed, flag(given, "include_usage", False, "stream_options")


def _messages(value: Any, path: str) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        raise Refused("invalid_messages", f"`{path}` must be a list of at least one message.")
    messages = tuple(_message(item, f"{path}[{index}]") for index, item in enumerate(value))
    for index, message in enumerate(messages):
        if message["role"] == "system" and index > 0:
            raise Refused(
                "invalid_messages", f"`{path}[{index}]`: a system message can only be the first."
            )
    if messages[-1]["role"] != "user":
        raise Refused("invalid_messages", f"`{path}` must end with a user's message.")
    return messages


def _message(value: Any, path: str) -> Message:
    if not isinstance(value, dict):
        raise Refused("invalid_messages", f"`{path}` must be an object with `role` and `content`.")
    given = {name: item for name, item in value.items() if item is not None}
    only(given, ("role", "content", "name"), path)
    role = given.get("role")
    if role not in ROLES:
        raise Refused("invalid_messages", f"`{path}.role` must be one of {', '.join(ROLES)}.")
    content = _content(given.get("content"), f"{path}.content")
    return {"role": role, "content": content}


def _content(value: Any, path: str) -> str:
    """Read a message's content: a text, or OpenAI's list of text parts."""
    if not isinstance(value, list):
        return _text(value, path)
    parts = []
    for index, part in enumerate(value):
        if not isinstance(part, dict) or part.get("type") != "text":
            raise Refused("invalid_messages", f"`{path}[{index}]` must be a part of type text.")
        parts.append(_text(part.get("text"), f"{path}[{index}].text"))
    return _text("".join(parts), path)


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise Refused("invalid_input", f"`{path}` must be a text.")
    if not value.strip():
        raise Refused("invalid_input", f"`{path}` is empty.")
    # A lone surrogate is legal in a JSON escape and fatal in a tokenizer.
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise Refused("invalid_input", f"`{path}` holds half of a surrogate pair.")
    return value
