"""Files and answers that nobody means well: refused with a sentence, or read in no time."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from core import documents
from core.errors import SettingsError
from evaluation.cases import Case, Decoding, Message
from evaluation.metrics.overlap import in_same_order
from evaluation.questions.reading import read_cases
from evaluation.replies import Reply
from evaluation.results import Evaluation
from evaluation.rules.kinds import rule_of
from evaluation.sides import Side
from evaluation.store import AnswerStore
from evaluation.suites.suite import load_suite, parse_suite
from tests.evaluation.example import judged

NINE = range(9)
BOMB = "k0: &k0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"k{n + 1}: &k{n + 1} [{', '.join([f'*k{n}'] * 9)}]\n" for n in NINE
)
"""Ten lines that stand for 9 to the 10th values."""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"name: x\n{BOMB}rules: *k9", "rules.0: a rule has a name and one of"),
        (f"name: x\n{BOMB}*k9 : y", "found unhashable key"),
        ("name: x\nrules: &all [*all]", "rules.0: a rule has a name and one of"),
        ("a: &a {x: 1}\nb: {<<: *a}", "line 2: `<<` is not read: write the keys out"),
        ("x: " + "[" * 1_000, "nested deeper than can be read"),
        ("1: a\n1: b", "line 2: 1 is given twice"),
        ('name: "\\ud83d"', "line 1: holds half a character"),
        ("limit: !!int ''", "a tag (!!"),
        ('name: "\\UFFFFFFFF"', "an escape"),
        ("name: x\nlimit: .inf", "limit: Input should be a finite number"),
        ("name: x\nmargins: {chrf: .nan}", "margins.chrf: Input should be"),
    ],
)
def test_yaml_that_is_meant_to_break_a_reader_is_refused_in_no_time(text: str, told: str) -> None:
    started = time.perf_counter()
    with pytest.raises(SettingsError) as caught:
        parse_suite(text, "x.yaml")
    assert told in str(caught.value)
    assert time.perf_counter() - started < 5


def test_a_file_that_nobody_writes_by_hand_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    started = time.perf_counter()
    with pytest.raises(SettingsError, match="more than 1,000 kB"):
        load_suite(str(path))
    assert time.perf_counter() - started < 1


def test_of_very_many_findings_the_first_are_told_and_the_rest_counted() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_suite("name: x\n" + "".join(f"k{n}: 1\n" for n in range(150)), "x.yaml")
    lines = str(caught.value).splitlines()
    assert len(lines) == documents.MOST_TOLD + 1
    assert lines[-1] == "x.yaml: and 50 findings more"


def test_tens_of_thousands_of_lines_are_cases_within_seconds(tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    turn = '{"messages": [{"role": "user", "content": "q%d"}]}\n'
    path.write_text("".join(turn % n for n in range(20_000)))
    started = time.perf_counter()
    assert len(read_cases(path, limit=200)) == 200
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize("piece", ["A-", "A'A&", "Stay at the Big-", "leave a ", "hotel: "])
def test_the_travel_rule_reads_a_long_answer_but_once(piece: str) -> None:
    answer = (piece * 64_000)[:64_000]
    case = Case(messages=(Message(role="user", content="Where?"),))
    started = time.perf_counter()
    rule_of({"name": "it", "built_in": "travel"}).check(answer, case)
    assert time.perf_counter() - started < 4  # a name without an end took minutes


def test_words_in_order_are_counted_in_the_memory_of_the_shorter_text() -> None:
    import tracemalloc

    long, short = [f"w{n}" for n in range(50_000)], ["w7", "other", "w9"]
    tracemalloc.start()
    try:
        assert in_same_order(long, short) == in_same_order(short, long) == 2
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("said", "kept"),
    [("\ud83d\ude00", "\U0001f600"), ("half \ud83d", "half \ufffd"), ("\0\x1b[31m\u2028", None)],
)
def test_an_answer_of_any_characters_is_kept_and_found(
    tmp_path: Path, said: str, kept: str | None
) -> None:
    side, greedy = Side(name="s"), Decoding()
    case = Case(messages=(Message(role="user", content=said),), reference=said)
    AnswerStore(tmp_path).add(Reply(case=case.id, side=side.key, decoding=greedy.id, text=said))
    found = AnswerStore(tmp_path).replies(side, greedy, [case])
    assert found[case.id].text == (kept or said)


def test_a_note_of_several_lines_is_kept_once(tmp_path: Path) -> None:
    for _ in range(2):
        AnswerStore(tmp_path).note(Side(name="s"), Decoding(), "one\ntwo\u2028three")
    assert AnswerStore(tmp_path).notes(Side(name="s"), Decoding()) == ("one two three",)


@pytest.mark.parametrize(
    ("edits", "told"),
    [
        ({"resamples": 10**9}, "resamples: Input should be less than or equal to"),
        ({"confidence": 95}, "confidence: Input should be less than 1"),
        ({"sides": []}, "sides: Tuple should have at least 1 item"),
        ({"made": "yesterday"}, "made: Value error, Invalid isoformat string"),
        ({"sides": [{"name": "tuned"}, {"name": "tuned"}]}, "two sides are called tuned"),
        ({"sides": [{"name": "base"}]}, "there are replies of tuned, who is no side"),
    ],
)
def test_an_evaluation_edited_by_hand_is_refused_where_its_parts_do_not_fit(
    edits: dict[str, Any], told: str
) -> None:
    document = json.loads(judged().model_dump_json())
    with pytest.raises(ValueError) as caught:
        Evaluation.model_validate_json(json.dumps({**document, **edits}))
    first = caught.value.errors()[0]  # type: ignore[attr-defined]
    assert told in f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
