"""transformers with continuous batching: questions join the answers being written at any step.

One thread owns the model. In each turn it reads a chunk of the questions that join and writes the
next token of every answer; whoever has ended leaves, whoever waits gets the place.
"""

import atexit
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from answer_text import AnswerText
from asked import Answer, Asked
from batch import Batch
from engine import Question
from line import Line, tokens_taken
from model_folder import UnusableModel
from next_token import Draw
from prompts import Prompts
from reading import Reading
from room import tokens_that_fit
from rows import Chosen, Row
from sampling import Refused, Sampling
from weights import load_weights

MOST_ROWS = 64
"""Answers written at once, where memory allows."""
LEAST_CHUNK, MOST_CHUNK = 32, 8192
"""Tokens read in one turn: as many as can be in `TURN_SECONDS`, in which the answers wait."""
TURN_SECONDS = 0.5

log = logging.getLogger("azmlinfsrv.tunestack")


class BatchingEngine:
    """A model that answers many questions at once."""

    def __init__(
        self,
        model: Any,
        prompts: Prompts,
        *,
        most_rows: int = MOST_ROWS,
        most_tokens: int | None = None,
    ) -> None:
        self._model = model
        self._prompts = prompts
        self._switch = _rotary_switch(model)
        self._line = Line(most_rows, most_tokens or tokens_that_fit(model), self._switch)
        self._reading: Reading | None = None
        self._batches = {is_long: Batch(model) for is_long in (False, True)}
        self._chunk = 16 * LEAST_CHUNK
        self._thread = threading.Thread(target=self._serve, name="writing", daemon=True)
        self._thread.start()
        # A thread that is inside torch when the interpreter goes takes the process down with it.
        atexit.register(self.close)

    @classmethod
    def load(cls, folder: Path, manifest: dict[str, Any], prompts: Prompts) -> "BatchingEngine":
        """Load the weights in `folder`.

        Raises:
            UnusableModel: they cannot be loaded.
        """
        return cls(load_weights(folder, manifest), prompts)

    def write(self, question: Question) -> Answer:
        """Put a question in line; its answer comes piece by piece, as it is written."""
        return Answer(self._ask(question, self._prompts.end_tokens))

    def check(self) -> None:
        """Make the model answer once.

        Raises:
            UnusableModel: it computes something that is no number, or writes nothing.
        """
        question = self._prompts.probe(8, time.monotonic() + 120)
        with torch.inference_mode():
            reading = Reading(self._model, [Row(list(question.tokens), Draw(Sampling()))])
            reading.read(len(question.tokens))
            if reading.begin_answers()[0][1] is None:
                raise UnusableModel("The model computes NaN or infinity for a short question.")
        # Without end tokens: a model may be right to say nothing, but must be able to speak.
        asked = self._ask(question, ())
        for _ in Answer(asked):
            pass
        special = set(self._prompts.tokenizer.all_special_ids)
        if not set(asked.tokens[len(question.tokens) :]) - special:
            raise UnusableModel("The model writes nothing for a short question.")

    def close(self) -> None:
        """Stop writing for good."""
        self._line.close()
        self._thread.join()

    def _ask(self, question: Question, ends: tuple[int, ...]) -> Asked:
        text = AnswerText(self._prompts.tokenizer, question.sampling.stop)
        asked = Asked(list(question.tokens), Draw(question.sampling), question, text, ends)
        self._line.add(asked)
        return asked

    def _serve(self) -> None:
        with torch.inference_mode():
            while not self._line.is_closed:
                if self._in_flight() or self._line.wait():
                    self._turn()

    def _turn(self) -> None:
        self._dismiss()
        self._begin_reading()
        if self._reading:
            self._guarded(self._read_chunk, self._reading.rows)
        if self._reading and self._reading.is_done:
            self._guarded(self._join_read, self._in_flight())
        for is_long, batch in self._batches.items():
            if batch.rows:
                self._guarded(lambda here=is_long: self._step(here), batch.rows)

    def _dismiss(self) -> None:
        """Let go whose time is over or who was given up."""
        self._line.dismiss()
        for row in self._in_flight():
            if row.is_late and not row.is_over:
                row.cut()
        for batch in self._batches.values():
            _let_go(batch)
        if self._reading and all(row.is_over for row in self._reading.rows):
            self._reading = None

    def _begin_reading(self) -> None:
        if self._reading is None:
            group = self._line.next_group(self._in_flight())
            if group:
                is_long = self._line.is_long(group[0])
                self._reading = Reading(self._model, group, self._switch if is_long else None)

    def _read_chunk(self) -> None:
        assert self._reading
        began = time.monotonic()
        self._reading.read(self._chunk)
        seconds = time.monotonic() - began
        if seconds > TURN_SECONDS:
            self._chunk = max(LEAST_CHUNK, self._chunk // 2)
        elif seconds < TURN_SECONDS / 3 and not self._reading.is_done:
            self._chunk = min(MOST_CHUNK, self._chunk * 2)

    def _join_read(self) -> None:
        """Let those whose question is read join the answers being written."""
        assert self._reading
        reading, self._reading = self._reading, None
        self._took(reading.begin_answers())
        is_long = reading.switch is not None
        for index, row in enumerate(reading.rows):
            if self._line.is_long(row) != is_long:
                self._line.put_back([row])
            elif not row.is_over:
                self._batches[is_long].join(row, reading.cache, index)

    def _step(self, is_long: bool) -> None:
        """Write the next token of every answer of one kind."""
        batch = self._batches[is_long]
        chosen = batch.step()
        self._took(chosen)
        if any(token is None for _, token in chosen):
            # Their keys and values may hold what is no number: the others are read anew.
            self._discard(batch.rows)
            self._line.put_back([row for row, _ in chosen])
            return
        _let_go(batch)
        for row in [row for row in batch.rows if self._line.is_long(row) != is_long]:
            batch.leave(row)
            self._line.put_back([row])

    def _took(self, chosen: Chosen) -> None:
        """Hand each new token on; what goes wrong with one answer is its own affair."""
        for row, token in chosen:
            if row.is_over:
                continue
            try:
                if token is None:
                    raise FloatingPointError("the model computed NaN or infinity")
                row.took(token)
            except Exception:
                log.exception("an answer failed")
                row.refuse(_failure())

    def _guarded(self, work: Callable[[], None], rows: list[Any]) -> None:
        """Do a part of a turn; what goes wrong ends the answers concerned and nothing else."""
        concerned = list(rows)
        try:
            work()
        except Exception as error:
            is_full = _is_out_of_memory(error)
            if not is_full:
                log.exception("a step failed")
        else:
            return
        everyone = self._in_flight()
        self._discard(concerned)
        if is_full:
            self._shrink(concerned, everyone)
        for row in concerned if not is_full else []:
            row.refuse(_failure())

    def _discard(self, rows: list[Any]) -> None:
        """Throw away what was computed for these and whoever shares it."""
        if self._reading and set(rows) & set(self._reading.rows):
            self._reading = None
        for is_long, batch in self._batches.items():
            if set(rows) & set(batch.rows):
                self._batches[is_long] = Batch(self._model)

    def _shrink(self, rows: list[Any], everyone: list[Any]) -> None:
        """Go on with fewer at a time after memory ran out; those concerned are read anew."""
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        alive = [row for row in {*rows, *everyone} if not row.is_over]
        if len(alive) == 1:
            alive[0].refuse(
                Refused("out_of_memory", "This takes more memory than there is.", status=503)
            )
            return
        self._line.most_tokens = tokens_taken(alive) // 2
        log.warning("out of memory: at most %d tokens at a time now", self._line.most_tokens)
        self._line.put_back(rows)

    def _in_flight(self) -> list[Any]:
        reading = self._reading.rows if self._reading else []
        return [*reading, *self._batches[False].rows, *self._batches[True].rows]


def _let_go(batch: Batch) -> None:
    for row in [row for row in batch.rows if getattr(row, "is_over", False)]:
        batch.leave(row)


def _failure() -> Refused:
    return Refused("internal_error", "The model failed; the container's log says why.", status=500)


def _is_out_of_memory(error: Exception) -> bool:
    # torch has no type of its own for the main memory.
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in str(
        error
    )


def _rotary_switch(model: Any) -> int | None:
    """Give the length beyond which the model turns to its long factors, if it has such."""
    config = model.config.get_text_config()
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type") != "longrope":
        return None
    own = rope.get("original_max_position_embeddings")
    return int(own or config.original_max_position_embeddings)
