"""What people thought of answers: an evaluation set that only grows, one JSON object a line.

A line is a `Vote`: one answer with a thumb, or two answers of which one is better. Each answer
carries the whole conversation that it answers, since the two sides of a comparison soon differ.
A later line about the same answers replaces an earlier one; `withdrawn` takes it back. Nothing is
ever rewritten, so that a kill costs the line being written at most.

    {"format": 1, "time": "2026-11-22T09:30:00Z", "stack": "dev", "endpoint": "ml-dev-1a2b3c4d",
     "kind": "preference", "verdict": "better", "about": "a1", "parameters": {"temperature": 0.7},
     "answers": [{"id": "a1", "side": "tuned", "deployment": "v3-0f", "model": "travel:3",
                  "messages": [{"role": "user", "content": "..."}], "text": "...",
                  "finish": "stop", "tokens": 42, "first_token_seconds": 0.2, "seconds": 1.9},
                 {"id": "a2", "side": "base", ...}]}
"""

import codecs
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import SettingsError, UserError

Name = Annotated[str, Field(max_length=300)]
Key = Annotated[str, Field(min_length=1, max_length=100)]
MOST_TEXT = 1_000_000


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Message(_Record):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str = Field(max_length=MOST_TEXT)


class JudgedAnswer(_Record):
    """An answer, what it answers, and who wrote it."""

    id: Key
    side: Literal["tuned", "base"]
    deployment: Name
    model: Name
    """The model version, as `name:version`; empty where the deployment does not say."""
    messages: tuple[Message, ...] = Field(min_length=1, max_length=1000)
    """The system message, everything said before, and the question."""
    text: str = Field(max_length=MOST_TEXT)
    finish: Literal["stop", "length", "stopped", ""] = ""
    """Why it ended; `stopped` where the person did not wait for the end."""
    tokens: int | None = Field(default=None, ge=0)
    first_token_seconds: float | None = Field(default=None, ge=0)
    seconds: float | None = Field(default=None, ge=0)


class Parameters(_Record):
    """How the answers were asked for; what is absent was left to the deployment."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] | None = None


class Vote(_Record):
    """One line: what a person thought of one answer, or which of two is better."""

    format: Literal[1] = 1
    time: datetime = Field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    stack: Name
    endpoint: Name
    kind: Literal["thumb", "preference"]
    verdict: Literal["up", "down", "better", "withdrawn"]
    about: Key
    """The id of the answer that got the thumb, or that is the better one."""
    parameters: Parameters
    answers: tuple[JudgedAnswer, ...] = Field(min_length=1, max_length=2)

    @model_validator(mode="after")
    def _is_consistent(self) -> "Vote":
        ids = [answer.id for answer in self.answers]
        verdicts = {"thumb": ("up", "down"), "preference": ("better",)}[self.kind]
        wanted = 1 if self.kind == "thumb" else 2
        if len(set(ids)) != wanted or len(ids) != wanted:
            raise ValueError(f"a {self.kind} is about {wanted} answer(s), each with its own id")
        if self.verdict not in (*verdicts, "withdrawn"):
            raise ValueError(f"a {self.kind} is {' or '.join(verdicts)}, or withdrawn")
        if self.about not in ids:
            raise ValueError("`about` must be the id of one of the answers")
        return self

    @property
    def subject(self) -> tuple[str, ...]:
        """What the vote is about: a later vote with the same subject replaces it."""
        return (self.kind, *sorted(answer.id for answer in self.answers))


@dataclass(frozen=True)
class VoteSet:
    """What a file holds."""

    votes: tuple[Vote, ...]
    """Every readable line, in the order of writing."""
    unreadable: tuple[int, ...]
    """Numbers of the lines that are no votes: what a kill cut off, or another program's."""

    def standing(self) -> tuple[Vote, ...]:
        """Give the votes that count: the last about each subject, withdrawn ones left out."""
        last = {vote.subject: vote for vote in self.votes}
        return tuple(vote for vote in last.values() if vote.verdict != "withdrawn")


@dataclass
class Tally:
    """How often a model's answers got which verdict."""

    up: int = 0
    down: int = 0
    better: int = 0
    worse: int = 0


def tally(votes: Iterable[Vote]) -> dict[str, Tally]:
    """Count votes by model version; of one that was not told, by deployment."""
    counts: dict[str, Tally] = {}
    for vote in votes:
        for answer in vote.answers:
            count = counts.setdefault(answer.model or answer.deployment, Tally())
            verdict = "worse" if answer.id != vote.about else vote.verdict
            setattr(count, verdict, getattr(count, verdict) + 1)
    return counts


def read_votes(path: Path) -> VoteSet:
    """Read a file of votes; one that is not there yet holds none.

    Raises:
        UserError: it cannot be read.
    """
    try:
        lines = path.read_bytes().removeprefix(codecs.BOM_UTF8).split(b"\n")
    except FileNotFoundError:
        return VoteSet((), ())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    votes, unreadable = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            votes.append(Vote.model_validate_json(line))
        except ValidationError:
            unreadable.append(number)
    return VoteSet(tuple(votes), tuple(unreadable))


class VoteWriter:
    """The one writer of a file of votes."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._subjects = {vote.subject for vote in read_votes(path).standing()}

    @property
    def count(self) -> int:
        """How many votes stand in the file."""
        return len(self._subjects)

    def append(self, fields: dict[str, Any]) -> Vote:
        """Check a vote and write it; on return it is on the disk.

        Raises:
            SettingsError: it is no vote; every finding, by field.
            OSError: the disk is full or fails; what was written of the line is taken back.
        """
        try:
            vote = Vote.model_validate(fields)
        except ValidationError as error:
            raise SettingsError(_findings(error)) from error
        self._write(vote.model_dump_json(exclude_none=True).encode() + b"\n")
        if vote.verdict == "withdrawn":
            self._subjects.discard(vote.subject)
        else:
            self._subjects.add(vote.subject)
        return vote

    def _write(self, line: bytes) -> None:
        before = os.fstat(self._descriptor).st_size
        rest = line
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, before)
            raise


@contextmanager
def writing(path: Path) -> Iterator[VoteWriter]:
    """Open a file of votes to add to it; made where it is missing, readable by its owner alone.

    Raises:
        UserError: another process writes to it, or it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error
    try:
        _take(path, descriptor)
        _end_last_line(descriptor)
        yield VoteWriter(path, descriptor)
    finally:
        os.close(descriptor)


def _take(path: Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise UserError(
            f"{path} is being written by another process.", hint="Name another file: --votes FILE"
        ) from error


def _end_last_line(descriptor: int) -> None:
    """Close the line that a kill cut off, so that the next one starts on its own."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        os.write(descriptor, b"\n")


def _findings(error: ValidationError) -> str:
    """List what is wrong, without the values: they are a person's conversation."""
    findings = (
        f"{'.'.join(map(str, each['loc'])) or 'the vote'}: {each['msg']}"
        for each in error.errors(include_input=False, include_url=False, include_context=False)[:20]
    )
    return "\n".join(findings)
