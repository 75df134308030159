"""A scoring program of a second: answers OpenAI's chat completions with its model's word.

The answer to a question is `WORD: QUESTION`, whole or as events, cut at `max_tokens` words. In a
question `[die]` ends the whole server, `[refuse]` is refused, and `[wait /path]` stops a stream
after its first event until that file exists. A model whose word is `broken` does not get ready.
"""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from azureml_inference_server_http.api.aml_request import rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse

JSON = {"Content-Type": "application/json"}


def init() -> None:
    global word
    word = next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("word.txt")).read_text()
    if word == "broken":
        raise RuntimeError("this model has no wish to serve")


@rawhttp
def run(request: Any) -> AMLResponse:
    body = json.loads(request.get_data())
    question = body["messages"][-1]["content"]
    if "[die]" in question:
        os.kill(os.getppid(), signal.SIGKILL)  # else gunicorn starts another worker by itself
        os._exit(1)
    if "[refuse]" in question:
        error = {"code": "invalid_messages", "message": "This question is refused."}
        told = json.dumps({"error": error})
        return AMLResponse(iter([told]) if body.get("stream") else told, 422, JSON)
    most = body.get("max_completion_tokens") or body.get("max_tokens") or 1000
    pieces = f"{word}: {question}".split(" ")
    finish = "stop" if len(pieces) <= most else "length"
    usage = count(body, len(pieces[:most]))
    if body.get("stream"):
        asks = (body.get("stream_options") or {}).get("include_usage")
        told = events(pieces[:most], finish, question, usage if asks else None)
        return AMLResponse(told, 200, {"Content-Type": "text/event-stream"})
    message = {"role": "assistant", "content": " ".join(pieces[:most])}
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    answer = head("chat.completion") | {"choices": [choice], "usage": usage}
    return AMLResponse(json.dumps(answer), 200, JSON)


def count(body: dict, written: int) -> dict[str, int]:
    asked = sum(len(turn["content"].split()) for turn in body["messages"])
    return {
        "prompt_tokens": asked,
        "completion_tokens": written,
        "total_tokens": asked + written,
    }


def head(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-quick", "object": kind, "created": int(time.time()), "model": "quick"}


def events(pieces: list[str], finish: str, question: str, usage: dict | None) -> Iterator[str]:
    for number, piece in enumerate(pieces):
        delta = {"content": piece if number == 0 else f" {piece}"}
        yield event([{"index": 0, "delta": delta, "finish_reason": None}])
        for path in re.findall(r"\[wait (/[^\]\s]+)\]", question) if number == 0 else ():
            while not Path(path).exists():
                time.sleep(0.01)
                yield ": still here\n\n"
    yield event([{"index": 0, "delta": {}, "finish_reason": finish}])
    if usage is not None:
        yield event([], usage=usage)
    yield "data: [DONE]\n\n"


def event(choices: list[dict], **more: Any) -> str:
    chunk = head("chat.completion.chunk") | {"choices": choices, **more}
    return f"data: {json.dumps(chunk)}\n\n"
