"""A world without its web server, in which quick programs train and serve."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from quick_world import QUICK_SERVER, QUICK_TRAINER, opened

from local.tuning import programs
from local.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened(tmp_path / "azure") as world:
        programs.use(world.state, job=QUICK_TRAINER, serving=QUICK_SERVER)
        yield world


@pytest.fixture
def chats(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of ten chats whose answer is a word; `more` goes into the first question."""

    def write(word: str = "hello", more: str = "", rows: int = 10) -> Path:
        path = tmp_path / f"{word}-{threading.get_ident()}.jsonl"
        path.write_text("".join(f"{json.dumps(chat(n, word, more))}\n" for n in range(rows)))
        return path

    def chat(number: int, word: str, more: str) -> dict[str, Any]:
        question = f"question {number} {more if number == 0 else ''}"
        return {
            "messages": [
                {"role": "user", "content": question},
                {"role": "assistant", "content": f"{word} there"},
            ]
        }

    return write
