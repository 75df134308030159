"""A scoring program that starts in a second and streams: its model's word and the question."""

import json
import os
from pathlib import Path

from azureml_inference_server_http.api.aml_request import rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse


def init() -> None:
    global word
    word = next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("word.txt")).read_text()


@rawhttp
def run(request):
    body = json.loads(request.get_data())
    question = body["messages"][-1]["content"]
    if question == "too long":
        error = {"error": {"code": "too_long", "message": "That is too long."}}
        return AMLResponse(error, 400, json_str=True)
    pieces = [f"{word}: ", question, f" ({len(body['messages'])})"]
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    if body.get("stream"):
        return AMLResponse(events(pieces, usage), 200, {"Content-Type": "text/event-stream"})
    message = {"role": "assistant", "content": "".join(pieces)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return AMLResponse({"choices": [choice], "usage": usage}, 200, json_str=True)


def events(pieces, usage):
    for piece in pieces:
        yield event({"choices": [{"index": 0, "delta": {"content": piece}}]})
    yield event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    yield event({"choices": [], "usage": usage}) + "data: [DONE]\n\n"


def event(document):
    return f"data: {json.dumps({'object': 'chat.completion.chunk', **document})}\n\n"
