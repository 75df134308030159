"""OpenVINO GenAI with continuous batching: a model with four-bit weights on processors.

The model is in a process of its own (`openvino_worker.py`). This side gives it the questions for
whose keys and values there is room, in the order in which they came, and makes text of its tokens.
A process that dies takes the answers being written along; another takes the place of it.
"""

import json
import logging
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections import deque
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from answer_text import AnswerText
from engine import Question, busy
from model_folder import UnusableModel
from openvino_answer import Answer, Asked
from openvino_settings import BLOCK, MAX_ANSWERS, MAX_WAITING, blocks_for, generation
from prompts import Prompts
from sampling import Refused

WORKER = Path(__file__).with_name("openvino_worker.py")
CHECK_SECONDS = 120
LEAST_TOKENS = 256
"""Of question and answer; with room for fewer a model is of no use."""
FAILURES = {
    "no number": "the model computes something that is no number",
    "failed": "OpenVINO dropped the question; the log says why",
}

log = logging.getLogger("azmlinfsrv.tunestack")


class OpenVinoEngine:
    """A model that answers many questions at once."""

    def __init__(self, folder: Path, prompts: Prompts) -> None:
        self._folder = folder
        self._prompts = prompts
        self._penalty = _repetition_penalty(folder)
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._waiting: deque[Asked] = deque()
        self._with_model: dict[int, Asked] = {}
        self._is_up = False
        self._is_closed = False
        self._start()
        threading.Thread(target=self._listen, name="listening", daemon=True).start()

    @classmethod
    def load(cls, folder: Path, manifest: dict[str, Any], prompts: Prompts) -> "OpenVinoEngine":
        """Load the model in `folder`.

        Raises:
            UnusableModel: it cannot be loaded, or leaves no room for an answer.
        """
        return cls(folder, prompts)

    def write(self, question: Question) -> Answer:
        """Put a question in line and give its answer, piece by piece, as it is written."""
        ends = self._prompts.end_tokens
        return self._ask(question, generation(question.sampling, ends, self._penalty), ends)

    def check(self) -> None:
        """Make the model answer once.

        Raises:
            UnusableModel: it computes something that is no number, or writes nothing.
        """
        question = self._prompts.probe(8, time.monotonic() + CHECK_SECONDS)
        # Without end tokens: a model may be right to say nothing, but must be able to speak.
        settings = generation(question.sampling, (), self._penalty) | {"logprobs": 1}
        answer = self._ask(question, settings, ())
        try:
            for _ in answer:
                pass
        except (RuntimeError, Refused) as error:
            # OpenVINO itself ends the process at the first probability that is NaN.
            raise UnusableModel(
                f"The model computes something that is no number, or fails otherwise: {error}."
            ) from error
        mute = {*self._prompts.tokenizer.all_special_ids, *self._prompts.end_tokens}
        if not set(answer.tokens) - mute:
            raise UnusableModel("The model writes nothing for a short question.")

    def close(self) -> None:
        """End the model's process."""
        self._is_closed = True
        self._process.kill()
        self._process.wait()

    def _ask(self, question: Question, settings: dict[str, Any], ends: tuple[int, ...]) -> Answer:
        asked = Asked(next(self._numbers), question, settings)
        text = AnswerText(self._prompts.tokenizer, question.sampling.stop)
        with self._lock:
            if asked.blocks > self._blocks:
                asked.news.put(self._too_long(asked))
            elif len(self._waiting) >= MAX_WAITING:
                asked.news.put(busy())
            else:
                self._waiting.append(asked)
                self._admit()
        return Answer(asked, text, ends, self._give_up)

    def _too_long(self, asked: Asked) -> Refused:
        return Refused(
            "context_length_exceeded",
            f"{len(asked.question.tokens)} tokens of question and"
            f" {asked.question.sampling.max_new_tokens} of answer are more than this machine's"
            f" memory has room for: {self._blocks * BLOCK}.",
        )

    def _admit(self) -> None:
        """Give the model what there is room for, in order. Needs the lock."""
        while self._waiting and len(self._with_model) < MAX_ANSWERS:
            taken = sum(asked.blocks for asked in self._with_model.values())
            if not self._is_up or taken + self._waiting[0].blocks > self._blocks:
                return
            asked = self._waiting.popleft()
            self._with_model[asked.number] = asked
            self._send("take", asked.number, asked.question.tokens, asked.settings)

    def _give_up(self, asked: Asked) -> bool:
        """Take a question back; say whether the model had got it. Its room is free once it says."""
        with self._lock:
            if asked in self._waiting:
                self._waiting.remove(asked)
                return False
            if asked.number in self._with_model:
                self._send("leave", asked.number)
            return True

    def _send(self, *message: Any) -> None:
        try:
            self._connection.send(message)
        except OSError:
            log.warning("the model's process is gone")  # `_listen` sees to it

    def _start(self) -> None:
        """Start the model's process and wait until it has loaded.

        Raises:
            UnusableModel: it ended instead, or has no room for an answer.
        """
        ours, theirs = multiprocessing.Pipe()
        arguments = [str(self._folder), str(self._prompts.context), str(theirs.fileno())]
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER), *arguments],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        self._connection: Connection[Any, Any] = ours
        try:
            room = int(ours.recv())
        except (EOFError, OSError):
            code = self._process.wait()
            raise UnusableModel(f"OpenVINO cannot load the model: it ended with {code}.") from None
        log.info("room for %d tokens of questions and answers", room)
        self._blocks = room // BLOCK
        if self._blocks <= blocks_for(LEAST_TOKENS):
            self.close()
            raise UnusableModel(f"There is memory for the weights, but for {room} tokens only.")
        self._is_up = True

    def _listen(self) -> None:
        """Hand on what the model writes, for as long as this process lives."""
        while True:
            try:
                for number, tokens, finish in self._connection.recv():
                    self._hand_on(number, tokens, finish)
            except (EOFError, OSError):
                if self._is_closed:
                    return
                self._start_again()

    def _hand_on(self, number: int, tokens: list[int], finish: str) -> None:
        with self._lock:
            asked = self._with_model[number]
            if finish:
                del self._with_model[number]
                self._admit()
        if finish in FAILURES:
            asked.news.put(RuntimeError(FAILURES[finish]))
        else:
            asked.news.put((tokens, finish))

    def _start_again(self) -> None:
        """Put another process in the place of one that died; end this one where that fails."""
        code = self._process.wait()
        log.error("the model's process ended with %s; another one starts", code)
        with self._lock:
            self._is_up = False
            lost = list(self._with_model.values())
            self._with_model.clear()
        for asked in lost:
            asked.news.put(RuntimeError(f"the model's process ended with {code}"))
        try:
            self._start()
        except UnusableModel:
            log.exception("the container has to start anew")
            os._exit(1)
        with self._lock:
            self._admit()


def _repetition_penalty(folder: Path) -> float:
    """Read what was saved with the model where its samples were written with one."""
    try:
        text = (folder / "generation_config.json").read_text(encoding="utf-8")
        return float(json.loads(text).get("repetition_penalty") or 1.0)
    except FileNotFoundError:
        return 1.0
    except (ValueError, AttributeError) as error:
        raise UnusableModel(f"generation_config.json cannot be read: {error}") from error
