"""A training job's `samples.jsonl` as cases and answers: base before, tuned model after."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import UserError
from evaluation.cases import Case, Decoding, Message
from evaluation.replies import Reply
from evaluation.sides import Side

SIDES = ("base", "tuned")


@dataclass(frozen=True)
class Sample:
    """One held-out question of a job, with both answers."""

    case: Case
    answers: Mapping[str, str]
    """By `base` and `tuned`."""


def read_samples(content: bytes) -> list[Sample]:
    """Read the lines of a `samples.jsonl`; of a question that stands twice, the first.

    Raises:
        UserError: a line is not what the job writes; names the line.
    """
    lines = enumerate(content.split(b"\n"), 1)
    found = (_sample(number, line) for number, line in lines if line.strip())
    kept: dict[str, Sample] = {}
    for sample in found:
        kept.setdefault(sample.case.id, sample)
    return list(kept.values())


def replies(
    samples: Sequence[Sample], answers: str, side: Side, decoding: Decoding
) -> dict[str, Reply]:
    """Give the answers of `base` or `tuned` as a side's replies, by `Case.id`."""
    return {
        sample.case.id: Reply(
            case=sample.case.id,
            side=side.key,
            decoding=decoding.id,
            text=sample.answers[answers],
        )
        for sample in samples
    }


def _sample(number: int, line: bytes) -> Sample:
    try:
        record = json.loads(line)
        messages = [_message(message) for message in record["messages"]]
        reference = str(record.get("reference") or "")
        case = Case(messages=tuple(messages), reference=reference, name=f"line {number}")
        answers = {side: record[side] for side in SIDES}
        if not all(isinstance(answer, str) for answer in answers.values()):
            raise ValueError("an answer is no text")
        return Sample(case, answers)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        told = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"samples.jsonl, line {number}: not a sample of the job: {told}") from error


def _message(record: Any) -> Message:
    return Message(role=record["role"], content=record["content"])
