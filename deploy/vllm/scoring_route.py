"""The route `/score` in front of vLLM's own routes: the same bodies, limits and answers as ever.

An ASGI middleware that vLLM loads by its name. A request to `/score` is read and checked as the
other runtimes do it and handed on, in this process, as a chat-completions request; everything
else passes through. What vLLM answers to a chat-completions body goes back as it comes, streamed
where that was asked for.
"""

import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from answers import Reply, answer
from bodies import MAX_BODY_BYTES, Request, parse
from model_folder import find_model, model_name, read_manifest
from prompts import Prompts
from sampling import DEFAULT_NEW_TOKENS, Message, Refused

Scope = dict[str, Any]
Event = dict[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

ROUTE = "/score"
CHAT = "/v1/chat/completions"


class ScoringRoute:
    """Answers `/score` by vLLM's chat completions."""

    def __init__(self, app: Application) -> None:
        """Read the model's template and names; vLLM makes one of these when it starts."""
        self._app = app
        folder = find_model(Path(os.environ["AZUREML_MODEL_DIR"]))
        manifest = read_manifest(folder)
        self._prompts = Prompts.load(folder, manifest)
        self._name = model_name(manifest)
        self._models = (
            "tuned",
            *(("base", *manifest["adapters"]) if "adapters" in manifest else ()),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] != ROUTE:
            await self._app(scope, receive, send)
            return
        try:
            if scope["method"] != "POST":
                raise Refused("method_not_allowed", "Send a POST.", status=405)
            raw = await _body(receive)
            await self._answer(scope, receive, send, parse(raw), _model(raw))
        except Refused as refused:
            document = {"error": {"code": refused.code, "message": refused.message}}
            await _send_json(send, refused.status, document)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, request: Request, model: str
    ) -> None:
        chosen = model if model in self._models else "tuned"
        asked = [self._chat_body(each, request, chosen) for each in request.conversations]
        if request.shape == "chat":
            await self._app(_inner(scope, asked[0]), _receiving(asked[0], receive), send)
            return
        replies = []
        for messages, body in zip(request.conversations, asked, strict=True):
            status, raw = await self._whole(scope, body, receive)
            if status != 200:
                await _send(send, status, raw)
                return
            replies.append(_reply(json.loads(raw), self._prompts.prompt(messages)))
        await _send_json(send, 200, answer(request, replies, self._name))

    def _chat_body(self, messages: tuple[Message, ...], request: Request, model: str) -> bytes:
        """Write the request to vLLM; a conversation that would not fit is refused here."""
        sampling = request.sampling
        prompt = self._prompts.prompt(messages)
        length = self._prompts.question(prompt, sampling, 0.0).sampling.max_new_tokens
        body = {
            "model": model,
            "messages": list(self._prompts.as_trained(messages)),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": length or DEFAULT_NEW_TOKENS,
            "seed": sampling.seed,
            "stop": list(sampling.stop),
            "stop_token_ids": list(self._prompts.end_tokens),
            "stream": request.is_streamed,
        }
        if request.is_streamed and request.with_usage:
            body["stream_options"] = {"include_usage": True}
        return json.dumps(body).encode()

    async def _whole(self, scope: Scope, body: bytes, receive: Receive) -> tuple[int, bytes]:
        """Ask vLLM and wait for all of its answer."""
        status, parts = 500, []

        async def collect(event: Event) -> None:
            nonlocal status
            if event["type"] == "http.response.start":
                status = event["status"]
            else:
                parts.append(event.get("body", b""))

        await self._app(_inner(scope, body), _receiving(body, receive), collect)
        return status, b"".join(parts)


def _model(raw: bytes) -> str:
    """Give the name that the request asks for; any other than ours means the tuned one."""
    return str(json.loads(raw.decode("utf-8-sig")).get("model") or "")


def _reply(completion: dict[str, Any], prompt: str) -> Reply:
    choice, usage = completion["choices"][0], completion["usage"]
    return Reply(
        choice["message"]["content"] or "",
        prompt,
        "length" if choice["finish_reason"] == "length" else "stop",
        usage["prompt_tokens"],
        usage["completion_tokens"],
    )


async def _body(receive: Receive) -> bytes:
    """Read a body up to the limit and one byte more, which is enough to refuse it."""
    raw = b""
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Refused("incomplete_body", "The body broke off.")
        raw += event.get("body", b"")
        if not event.get("more_body") or len(raw) > MAX_BODY_BYTES:
            return raw[: MAX_BODY_BYTES + 1]


def _inner(scope: Scope, body: bytes) -> Scope:
    kept = [
        (name, value)
        for name, value in scope["headers"]
        if name not in (b"content-length", b"content-type", b"transfer-encoding")
    ]
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    return {**scope, "path": CHAT, "raw_path": CHAT.encode(), "headers": [*kept, *headers]}


def _receiving(body: bytes, receive: Receive) -> Receive:
    """Give the body once; afterwards whatever the client does, above all going away."""
    is_given = False

    async def give() -> Event:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give


async def _send_json(send: Send, status: int, document: Any) -> None:
    await _send(send, status, json.dumps(document).encode())


async def _send(send: Send, status: int, raw: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(raw))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": raw})
