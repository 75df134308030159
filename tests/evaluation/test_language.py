"""Which language an answer is in: told where it is sure, left open where it is not."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import training.data.get as get
from evaluation.cases import Case, Message
from evaluation.rules.kinds import rule_of
from evaluation.rules.language import NAMES, SURE, language_of

SENTENCES = {
    "en": "The best time for a visit is spring, when it is not too hot yet.",
    "de": "Die beste Zeit ist der Frühling, wenn es noch nicht so heiß ist.",
    "fr": "La meilleure période est le printemps, quand il ne fait pas encore trop chaud.",
    "es": "La mejor época es la primavera, cuando todavía no hace tanto calor.",
    "it": "Il periodo migliore è la primavera, quando non fa ancora troppo caldo.",
    "pl": "Najlepiej pojechać tam wiosną, kiedy nie jest jeszcze gorąco.",
    "ru": "Лучше всего поехать туда весной, когда ещё не жарко.",
    "zh": "最好的季节是春天，天气还不太热。",
    "ja": "一番いい季節は春です。まだ暑くありません。",
}


def check(language: str, answer: str, question: str = "When?", **more: Any) -> list[str]:
    """Give what the rule finds."""
    case = Case(messages=(Message(role="user", content=question),))
    rule = rule_of({"name": "language", "language": language, **more})
    return [found.text for found in rule.check(answer, case)]


@pytest.mark.parametrize("wanted", SENTENCES)
def test_an_answer_in_another_language_breaks_the_rule(wanted: str) -> None:
    assert check(wanted, SENTENCES[wanted]) == []
    for spoken in SENTENCES.keys() - {wanted}:
        (found,) = check(wanted, SENTENCES[spoken])
        assert found.startswith(f"{NAMES[spoken]}, not {NAMES[wanted]}: {SENTENCES[spoken][:9]}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Ok.",
        "Buongiorno a tutti!",
        "42 + 17 = 59",
        "Kyoto, Nara, Osaka",
        "!!!",
        "🌞🌞🌞🌞🌞",
        "\udc80",
    ],
)
def test_what_is_too_short_or_without_words_tells_nothing(text: str) -> None:
    assert language_of(text) is None
    assert check("en", text) == check("pl", text) == []


def test_code_and_addresses_are_in_no_language() -> None:
    code = "```python\nfor zeile in datei:\n    drucke(zeile, ende, anfang, mitte)\n```"
    assert language_of(code) is None
    answer = f"{SENTENCES['pl']}\n{code}\nhttps://example.com/the/best/time/for/a/visit"
    assert language_of(answer) == "pl"


def test_no_english_answer_of_the_sample_is_taken_for_another_language() -> None:
    chats = (get.SAMPLES / "train.jsonl").read_text(encoding="utf-8").splitlines()
    answers = [json.loads(chat)["messages"][-1]["content"] for chat in chats]
    told = [language_of(answer) for answer in answers]
    assert len(told) > 150 and set(told) <= {"en", None}
    assert told.count("en") / len(told) > 0.95


def test_the_questions_language_is_the_answers() -> None:
    polish = "Kiedy najlepiej pojechać do Rzymu, żeby nie było gorąco?"
    assert check("question", SENTENCES["pl"], polish) == []
    assert len(check("question", SENTENCES["en"], polish)) == 1
    asks_for_it = f"{polish} Proszę odpowiedzieć po angielsku."
    assert check("question", SENTENCES["en"], asks_for_it, unless="po angielsku") == []


def test_a_question_in_no_language_that_can_be_told_judges_no_answer() -> None:
    case = Case(messages=(Message(role="user", content="Kyoto?"),))
    rule = rule_of({"name": "language", "language": "question"})
    assert not rule.applies(case)
    assert rule.check(SENTENCES["pl"], case) == ()


def test_close_relatives_pass_for_each_other() -> None:
    danish = "Det bedste tidspunkt er foråret, hvor det endnu ikke er for varmt i byen."
    assert check("no", danish) == check("da", danish) == []
    assert check("sv", danish) != []


def test_the_same_text_is_always_told_alike() -> None:
    assert len({language_of(SENTENCES["it"]) for _ in range(20)}) == 1
    assert 0.5 < SURE < 1


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=200))
def test_any_text_is_told_or_left_open(text: str) -> None:
    assert language_of(text) in {None, *NAMES}
