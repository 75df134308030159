"""Each kind of declared rule: kept, broken with the words that break it, and nearly broken."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.cases import Case, Message
from evaluation.rules.kinds import KINDS, rule_of
from evaluation.rules.repetition import repeated
from evaluation.rules.rule import MOST_FOUND, MOST_TEXT
from evaluation.rules.words import sentences, words

ASKED = Case(messages=(Message(role="user", content="What do I need for a week in Rome?"),))
CIRCLE = "I love the old town and its quiet lanes. "


def broken(rule: dict[str, Any], answer: str, case: Case = ASKED) -> list[str]:
    """Give what a rule finds in an answer."""
    found = rule_of({"name": "it", **rule}).check(answer, case)
    assert {one.rule for one in found} <= {"it"}
    return [one.text for one in found]


KEPT = [
    ({"forbidden": ["as an ai", r"\$\d"]}, "Nothing of the kind: 5 dollars."),
    ({"forbidden": ["Rome"], "ignore_case": False}, "Take the tram in rome."),
    ({"forbidden": ["^Well"]}, "Oh. Well, yes."),
    ({"required": ["passport", "sun"]}, "Sunscreen and a PASSPORT."),
    ({"required": ["passport", "visa"], "match": "any"}, "A visa."),
    ({"length": {"max_words": 4}}, "Don't forget well-known sights."),
    ({"length": {"min_words": 4, "max_words": 4}}, "一路平安"),
    ({"length": {"max_sentences": 2}}, "It costs 3.50 euros at example.com. Shall we?"),
    ({"length": {"min_sentences": 3}}, "One\n- two\n- three"),
    ({"length": {"max_characters": 5}}, "  ciao!\n"),
    ({"ends_with_question": True}, "Sunscreen. Ready? 🌞"),
    ({"ends_with_question": False}, "Ready? Then go."),
    ({"ends_with_question": False}, ""),
    ({"not_empty": True}, "7"),
    ({"json": True}, ' [1, {"a": null}]\n'),
    ({"json": True, "keys": ["city"]}, '{"city": "Rome", "days": 3}'),
    ({"no_repetition": True}, CIRCLE * 2 + "And you?"),
    ({"no_repetition": True}, "No, no, no, no, no: very, very good. Ha ha ha ha ha ha ha!"),
    ({"no_repetition": True}, "| a | b |\n|---|---|\n" + "-" * 300 + "\n" + " " * 200 + "x"),
    ({"no_repetition": True}, "Yes. Yes. Yes."),
    ({"built_in": "travel"}, "Hotels are outside what I can recommend. Do you like walks?"),
    ({"language": "en"}, "Say 'grazie mille' to thank people, and 'prego' when they thank you."),
    ({"language": "en"}, "Ciao, bella Roma!"),
    ({"language": "en"}, ""),
]
BROKEN = [
    ({"forbidden": ["as an ai"]}, "Well, as an AI I see.", ["Well, as an AI I see."]),
    ({"forbidden": ["a", "b"]}, "a\nb", ["a", "b"]),
    ({"required": ["passport", "visa"]}, "A visa.", ["nothing matches passport"]),
    (
        {"required": ["passport", "visa"], "match": "any"},
        "No.",
        ["nothing matches passport or visa"],
    ),
    ({"required": ["Rome"], "ignore_case": False}, "rome", ["nothing matches Rome"]),
    ({"length": {"max_words": 1}}, "Two words", ["2 words, at most 1: Two words"]),
    ({"length": {"max_words": 3}}, "一路平安", ["4 words, at most 3: 一路平安"]),
    ({"length": {"min_words": 1}}, "…", ["0 words, at least 1: …"]),
    ({"length": {"max_sentences": 1}}, "Yes! Go.", ["2 sentences, at most 1: Yes! Go."]),
    ({"length": {"max_characters": 4}}, "ciao!", ["5 characters, at most 4: ciao!"]),
    ({"ends_with_question": True}, "Ready? Then go.", ["Then go."]),
    ({"ends_with_question": True}, " ", ["(no text)"]),
    ({"ends_with_question": False}, "Go. Ready?", ["Ready?"]),
    ({"not_empty": True}, " \n", ["(no text)"]),
    ({"not_empty": True}, "...", ["..."]),
    ({"json": True}, "", ["(no text)"]),
    ({"json": True}, "[NaN]", ["NaN is no JSON: [NaN]"]),
    ({"json": True, "keys": ["city", "days"]}, '{"city": 1}', ['no days: {"city": 1}']),
    ({"json": True, "keys": ["city"]}, "[]", ["no city: []"]),
    (
        {"no_repetition": True},
        CIRCLE * 3,
        [
            "3 times: i love the old town and its quiet lanes",
            "3 times in a row: i love the old town and its quiet lanes",
        ],
    ),
    ({"no_repetition": True}, "so " * 8, ["8 times in a row: so"]),
    ({"no_repetition": True}, "Go. " + "!" * 100, ["100 times in a row: !"]),
    (
        {"no_repetition": True},
        "我喜欢罗马。你呢？我喜欢罗马。好吗？我喜欢罗马。",
        ["3 times: 我 喜 欢 罗 马"],
    ),
    (
        {"built_in": "travel"},
        "Walk. Stay at the Ritz!",
        ["hotels: Stay at the Ritz!"],
    ),
    (
        {"language": "en"},
        "Najlepiej pojechać tam wiosną, kiedy nie jest gorąco.",
        ["Polish, not English: Najlepiej pojechać tam wiosną, kiedy nie jest gorąco."],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "answer"), KEPT)
def test_an_answer_that_keeps_a_rule_breaks_nothing(rule: dict[str, Any], answer: str) -> None:
    assert broken(rule, answer) == []


@pytest.mark.parametrize(("rule", "answer", "found"), BROKEN)
def test_a_breach_quotes_what_breaks_the_rule(
    rule: dict[str, Any], answer: str, found: list[str]
) -> None:
    assert broken(rule, answer) == found


def test_every_kind_is_kept_and_broken_above() -> None:
    for rules in ([rule for rule, _ in KEPT], [rule for rule, _, _ in BROKEN]):
        assert {kind for rule in rules for kind in KINDS if kind in rule} == set(KINDS)


def test_no_json_is_quoted_where_it_goes_wrong() -> None:
    (found,) = broken({"json": True}, 'Sure! {"city": "Rome"}')
    assert 'Sure! {"city"' in found
    (found,) = broken({"json": True}, '{"city": Rome}')
    assert found.endswith(": Rome}")
    assert broken({"json": True}, "[" * 100_000) != []


def test_a_rule_may_be_about_some_questions_alone() -> None:
    visa = Case(messages=(Message(role="user", content="Do I need a VISA?"),))
    rule = {"required": ["embassy"], "when": "visa", "unless": "transit"}
    assert broken(rule, "No.", visa) == ["nothing matches embassy"]
    assert broken(rule, "No.") == []
    transit = Case(messages=(Message(role="user", content="A visa for transit?"),))
    assert not rule_of({"name": "it", **rule}).applies(transit)


def test_safety_prompts_are_not_held_to_the_rules() -> None:
    case = Case(messages=ASKED.messages, kind="safety", expects="refusal")
    assert broken({"required": ["x"]}, "", case) == []


def test_a_match_is_quoted_with_what_stands_beside_it_on_its_line() -> None:
    answer = "First line\n" + "a" * 60 + " $5 " + "b" * 60 + "\nlast"
    assert broken({"forbidden": [r"\$5"]}, answer) == [f"…{'a' * 39} $5 {'b' * 39}…"]


def test_findings_are_few_and_short() -> None:
    many = "\n".join(f"no {number}" for number in range(50))
    assert len(broken({"forbidden": ["no"]}, many)) == MOST_FOUND
    (found,) = broken({"length": {"max_words": 1}}, "word " * 1000)
    assert len(found) == MOST_TEXT and found.endswith("…")


def test_words_and_sentences_are_counted_in_languages_without_spaces() -> None:
    assert words("Don't go: 3.5 km, well-known_x") == [
        "Don't",
        "go",
        "3",
        "5",
        "km",
        "well-known",
        "x",
    ]
    assert words("我爱Rome的café") == ["我", "爱", "Rome", "的", "café"]
    assert sentences("好的。走吧！") == ["好的。", "走吧！"]
    assert sentences('He said "go!" Then? ... - \n* Yes') == ['He said "go!', "Then?", "* Yes"]


ALL = [rule_of({"name": f"rule{place}", **rule}) for place, (rule, _) in enumerate(KEPT)]


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=300), st.integers(1, 40))
def test_any_text_can_be_held_to_any_rule(text: str, times: int) -> None:
    answer = text * times
    for rule in ALL:
        for found in rule.check(answer, ASKED):
            assert found.rule == rule.name and len(found.text) <= MOST_TEXT


@settings(max_examples=100, deadline=None)
@given(st.text("abcdefghij", min_size=1, max_size=5), st.integers(1, 12))
def test_a_word_said_often_enough_is_a_circle(word: str, times: int) -> None:
    assert bool(list(repeated(" ".join([word] * times)))) is (times >= 8)


@pytest.mark.parametrize(
    "piece", ["!", " ", "1 ", "a", "a'", "hotel ", ": ", "ก", ". ", '."', "\n"]
)
def test_a_models_loop_is_read_in_no_time(piece: str) -> None:
    answer = (piece * 20_000)[:20_000] + "x"
    started = time.perf_counter()
    for rule in ALL:
        rule.check(answer, ASKED)
    assert time.perf_counter() - started < 4  # quadratic reading took minutes


def test_a_persons_pattern_cannot_hang() -> None:
    rule = rule_of({"name": "it", "forbidden": ["(a+)+$x", "(x|x|x)*y"]})
    started = time.perf_counter()
    assert rule.check("a" * 50_000 + "x" * 50_000, ASKED) == ()
    assert time.perf_counter() - started < 2
