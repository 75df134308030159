"""Latencies of two days: kept answers beside fresh ones are told, others are not."""

from commands.evaluate.answers.same_load import asked_apart
from evaluation.replies import Reply


def replies(*moments: str) -> dict[str, Reply]:
    return {
        str(number): Reply(case=str(number), side="s", decoding="d", text="t", asked=moment)
        for number, moment in enumerate(moments)
    }


def told(base: dict[str, Reply], tuned: dict[str, Reply]) -> list[str]:
    return list(asked_apart(["base", "tuned"], {"base": base, "tuned": tuned}))


def test_sides_that_were_asked_days_apart_are_told() -> None:
    base = replies(*["2026-11-10T10:00:00+00:00"] * 3)
    tuned = replies(*["2026-11-22T10:00:00+00:00"] * 3)
    (note,) = told(base, tuned)
    assert note.startswith("base and tuned were asked 12 days apart")
    (note,) = told(tuned, replies(*["2026-11-22T13:30:00+00:00"] * 3))
    assert "3.5 h apart" in note


def test_a_side_by_side_run_is_not_told_even_where_one_answer_is_older() -> None:
    base = replies("2026-11-22T10:00:00+00:00", *["2026-11-22T12:00:00+00:00"] * 2)
    assert told(base, replies(*["2026-11-22T12:05:00+00:00"] * 3)) == []


def test_nodes_and_files_say_no_time_and_are_not_told() -> None:
    assert told(replies("", ""), replies("2026-11-22T12:05:00+00:00", "")) == []
    assert told({}, {}) == []
    assert list(asked_apart([], {})) == []
