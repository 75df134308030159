"""A scoring program that starts in a second: says its model's word, or does not get ready.

`broken` never gets ready; `mute` does, and then fails at every question.
"""

import json
import os
from pathlib import Path


def init() -> None:
    global word
    word = next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("word.txt")).read_text()
    if word == "broken":
        raise RuntimeError("this model has no wish to serve")


def run(raw: str) -> dict:
    if word == "mute":
        raise RuntimeError("this model says nothing")
    question = json.loads(raw)["messages"][-1]["content"]
    message = {"role": "assistant", "content": f"{word}: {question}"}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
