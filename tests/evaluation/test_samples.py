"""What a job leaves in samples.jsonl, as cases and replies; files that are not what it writes."""

import json

import pytest

from core.errors import UserError
from evaluation.cases import Decoding
from evaluation.questions.samples import read_samples, replies
from evaluation.sides import Side

BASE = Side(name="base", where="node", identity={"job": "j"})


def sample(base: str, tuned: str, question: str = "A hotel?") -> str:
    messages = [
        {"role": "system", "content": "No hotels."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi?"},
        {"role": "user", "content": question},
    ]
    record = {"messages": messages, "reference": "A walk?", "base": base, "tuned": tuned}
    return json.dumps(record, ensure_ascii=False)


def test_a_line_is_a_case_with_both_answers() -> None:
    # JSON may hold line separators that are no line feed.
    lines = (sample("Try Hotel Borges.\u2028Yes.", "A walk?"), "", sample("", "No", "B?"))
    first, second = read_samples("\n".join(lines).encode())
    assert first.case.question == "A hotel?" and first.case.reference == "A walk?"
    assert len(first.case.messages) == 4 and first.case.name == "line 1"
    assert second.case.name == "line 3"
    given = replies([first, second], "base", BASE, Decoding())
    assert [reply.text for reply in given.values()] == ["Try Hotel Borges.\u2028Yes.", ""]
    assert {reply.side for reply in given.values()} == {BASE.key}
    assert list(given) == [first.case.id, second.case.id]


def test_a_question_that_stands_twice_counts_once() -> None:
    (found,) = read_samples(f"{sample('a', 'b')}\n{sample('c', 'd')}".encode())
    assert found.answers == {"base": "a", "tuned": "b"}


def test_no_samples_give_no_cases() -> None:
    assert read_samples(b"\n") == []


@pytest.mark.parametrize(
    "line", ["nope", "[]", "{}", '{"messages": []}', sample("a", "b").replace('"b"', "null")]
)
def test_what_the_job_does_not_write_is_named_by_its_line(line: str) -> None:
    with pytest.raises(UserError, match=r"samples\.jsonl, line 2: not a sample"):
        read_samples(f"{sample('a', 'b')}\n{line}\n".encode())
