"""One side of an evaluation: its answers, how likely it finds the references, and its progress."""

import logging
import math
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from answering import Decoding, rendered, write
from base_model import Base
from evaluation_files import Answered, Case
from failure import JobError
from jinja2 import TemplateError
from likelihood import Likelihood, Reference, likelihoods, references
from templates import training_template
from token_batches import TokenBatches

log = logging.getLogger("job")

ANSWERED = (8192, 32)
"""Tokens of prompts and answers at a time, and answers: 3 GiB of cache for Phi-3.5 in bfloat16."""
SCORED = (2048, 16)
"""Tokens of references at a time: each needs a number for every word of the vocabulary."""
EVERY = 5.0
"""Seconds between two lines of progress."""
WRITING_EVERY = 10.0
"""Seconds without a line after which it is told how far the answers under way are."""


@dataclass(frozen=True)
class Question:
    """A case as a side's tokenizer sees it."""

    case: Case
    prompt: str
    tokens: int
    """Of the prompt."""
    room: int
    """Tokens that its answer may have."""
    reference: Reference | None
    """None where there is none, or where it is longer than the model's context."""


def ask_side(
    name: str, base: Base, cases: list[Case], decoding: Decoding, answered: Answered
) -> None:
    """Ask a loaded model all cases; each batch is written down as it comes.

    Raises:
        JobError: its template refuses a case, or memory is not enough for a single one.
    """
    meter = Meter(name, len(cases))
    answering, scoring = TokenBatches(*ANSWERED), TokenBatches(*SCORED)
    for group in _alike(_questions(name, base, cases, decoding)):
        for batch, lines in answering.done(
            group, _length, lambda some: _asked(base, some, decoding, meter)
        ):
            scores = _scores(base, batch, scoring, meter)
            told = [line | scores.get(line["case"], NOT_SCORED) for line in lines]
            answered.add(told)
            meter.add(told)
    meter.end()


NOT_SCORED = {"nll": None, "scored_tokens": None, "correct_tokens": None}


def _questions(name: str, base: Base, cases: list[Case], decoding: Decoding) -> list[Question]:
    model, tokenizer = base
    context = model.config.get_text_config().max_position_embeddings
    prompts = _rendered(tokenizer, cases)
    counts = [len(ids) for ids in tokenizer(prompts, add_special_tokens=False)["input_ids"]]
    scored = _references(base, cases)
    found = []
    for case, prompt, count in zip(cases, prompts, counts, strict=True):
        room = max(0, min(decoding.max_tokens, context - count))
        reference = scored.get(case.id)
        if room < decoding.max_tokens:
            log.warning("%s: case %s leaves room for %d tokens of %d", name, case.id, room, context)
        if reference and len(reference.ids) > context:
            told = "%s: case %s is not scored: with its reference it is longer than %d tokens"
            log.warning(told, name, case.id, context)
            reference = None
        found.append(Question(case, prompt, count, room, reference))
    return found


def _rendered(tokenizer: Any, cases: list[Case]) -> list[str]:
    prompts, findings = [], []
    for case in cases:
        try:
            prompts.append(rendered(tokenizer, case.messages))
        except TemplateError as error:
            findings.append(f"{case.id}: {error}")
    if findings:
        raise JobError(
            f"the model's chat template refuses {len(findings)} cases: {', '.join(findings[:20])}"
        )
    return prompts


def _references(base: Base, cases: list[Case]) -> dict[str, Reference]:
    given = [case for case in cases if case.reference.strip()]
    if not given:
        return {}
    tokenizer = base[1]
    talks = [[*case.messages, {"role": "assistant", "content": case.reference}] for case in given]
    made = references(talks, tokenizer, training_template(tokenizer))
    found = zip((case.id for case in given), made, strict=True)
    return {case: reference for case, reference in found if reference.places}


def _alike(questions: list[Question]) -> list[list[Question]]:
    """Keep those apart whose answers may have other lengths than the rest."""
    by_room: dict[int, list[Question]] = {}
    for question in questions:
        by_room.setdefault(question.room, []).append(question)
    return [by_room[room] for room in sorted(by_room, reverse=True)]


def _length(question: Question) -> int:
    return question.tokens + question.room


def _asked(
    base: Base, batch: list[Question], decoding: Decoding, meter: "Meter"
) -> list[dict[str, Any]]:
    began = time.monotonic()
    room = batch[0].room
    prompts = [question.prompt for question in batch]
    if room:
        heard = partial(meter.writing, began, len(batch), room)
        answers = write(*base, prompts, replace(decoding, max_tokens=room), heard)
        told = [(answer.text, answer.finish, answer.tokens) for answer in answers]
    else:
        told = [("", "length", 0)] * len(batch)
    seconds = (time.monotonic() - began) / len(batch)
    return [
        {
            "case": question.case.id,
            "text": text,
            "finish": finish,
            "tokens": tokens,
            "prompt_tokens": question.tokens,
            "seconds": round(seconds, 4),
        }
        for question, (text, finish, tokens) in zip(batch, told, strict=True)
    ]


def _scores(
    base: Base, batch: list[Question], scoring: TokenBatches, meter: "Meter"
) -> dict[str, dict[str, Any]]:
    began = time.monotonic()
    found: dict[str, dict[str, Any]] = {}
    given = [question for question in batch if question.reference]

    def work(some: list[Question]) -> list[Likelihood]:
        return likelihoods(base[0], [question.reference for question in some])

    for some, scores in scoring.done(given, lambda one: len(one.reference.ids), work):
        for question, score in zip(some, scores, strict=True):
            found[question.case.id] = {
                "nll": score.nll,
                "scored_tokens": score.tokens,
                "correct_tokens": score.correct,
            }
    meter.scored(sum(len(one.reference.ids) for one in given), time.monotonic() - began)
    return found


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


class Meter:
    """How far a side is, in lines of the log."""

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total, self._done = name, total, 0
        self._began = self._told = self._first = time.monotonic()
        self._read, self._reading = 0, 0.0
        self._nll, self._tokens = 0.0, 0

    def scored(self, tokens: int, seconds: float) -> None:
        """Count what was read to score references."""
        self._read += tokens
        self._reading += seconds

    def add(self, lines: list[dict[str, Any]]) -> None:
        """Count lines, and tell where the last time is a while ago."""
        self._done += len(lines)
        self._nll += sum(line["nll"] or 0.0 for line in lines)
        self._tokens += sum(line["scored_tokens"] or 0 for line in lines)
        if time.monotonic() - self._told >= EVERY or self._done == self._total:
            self._told = time.monotonic()
            speed = self._done / max(1e-9, self._told - self._began)
            log.info(
                "evaluate %s %d/%d  %.1f answers/s", self._name, self._done, self._total, speed
            )

    def writing(self, began: float, batch: int, room: int, tokens: int) -> None:
        """Tell how far a batch under way is, and how long it all takes at most, now and then.

        At most, for answers may end before they have all their tokens, and prompts are known.
        """
        now = time.monotonic()
        if not tokens:
            self._first = now
        if not tokens or now - self._told < WRITING_EVERY:
            return
        self._told = now
        each, reading = (now - self._first) / tokens, self._first - began
        batches = math.ceil(max(0, self._total - self._done - batch) / batch)
        left = each * (room - tokens) + batches * (reading + each * room)
        log.info(
            "evaluate %s %d/%d  the next %d at token %d of %d, at most %s left",
            *(self._name, self._done, self._total, batch, tokens, room, _span(left)),
        )

    def end(self) -> None:
        """Say what the references came to."""
        if self._tokens:
            log.info(
                "%s: %.4f nats a token over %d tokens of references, read at %.0f tokens/s",
                self._name,
                self._nll / self._tokens,
                self._tokens,
                self._read / max(1e-9, self._reading),
            )
