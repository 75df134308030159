"""The base beside the tuned model: rows, counts, and files that are not what the job writes."""

import json

import pytest

from core.errors import UserError
from evaluation.comparison import compare


def sample(base: str, tuned: str, reference: str = "A walk?") -> str:
    messages = [
        {"role": "system", "content": "No hotels."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi?"},
        {"role": "user", "content": "A hotel?"},
    ]
    return json.dumps({"messages": messages, "reference": reference, "base": base, "tuned": tuned})


def test_each_side_is_counted_by_the_rules() -> None:
    lines = [
        sample("Try Hotel Borges.", "A walk?"),
        sample("Stay at the Ritz. Ready?", "Hotels are outside what I can recommend. Sea?"),
        sample("", "Book a flight with Ryanair."),
    ]
    found = compare("\n".join(lines).encode())
    assert vars(found.base) == {
        "answers": 3, "breaking_the_rule": 2, "ending_with_a_question": 1,
        "equal_to_reference": 0, "empty": 1,
    }  # fmt: skip
    assert vars(found.tuned) == {
        "answers": 3, "breaking_the_rule": 1, "ending_with_a_question": 2,
        "equal_to_reference": 1, "empty": 0,
    }  # fmt: skip


def test_a_row_shows_its_last_question_and_each_breach() -> None:
    document = compare(sample("Try Hotel Borges.", "A walk?").encode()).document()
    row = json.loads(json.dumps(document))["rows"][0]
    assert row["question"] == "A hotel?" and len(row["messages"]) == 4
    assert row["base"]["breaches"] == [{"topic": "hotels", "text": "Try Hotel Borges."}]
    assert row["tuned"] == {"text": "A walk?", "ends_with_question": True, "breaches": []}


def test_no_samples_give_an_empty_comparison() -> None:
    assert compare(b"\n").rows == ()


@pytest.mark.parametrize(
    "line", ["nope", "[]", "{}", '{"messages": []}', sample("a", "b").replace('"b"', "null")]
)
def test_what_the_job_does_not_write_is_named_by_its_line(line: str) -> None:
    with pytest.raises(UserError, match=r"samples\.jsonl, line 2"):
        compare(f"{sample('a', 'b')}\n{line}\n".encode())
