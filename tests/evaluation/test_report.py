"""The page of an evaluation: it says what the numbers say, fetches nothing, keeps words as text."""

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from browsed_page import Page

import evaluation.report.page as written
from evaluation.cases import Case, Message
from evaluation.gates.gate import Outcome
from evaluation.gates.thresholds import checked
from evaluation.report.numbers import difference_of, interval_of, p_of, value_of
from evaluation.report.page import page
from evaluation.report.pairs import best, declared, pairs, worst
from evaluation.report.plots import over_sides, step_of
from evaluation.report.verdicts import verdict
from evaluation.results import Evaluation, Found, Interval
from tests.evaluation.example import evaluation

EVIL = "</script><script>alert('x')</script><img src=https://example.org/x onerror=alert(1)>\"'&$x$"

HARD = "1 of 3 measures (Recommends no hotels or restaurants)"


@pytest.fixture(scope="module")
def example() -> Evaluation:
    return evaluation()


@pytest.fixture(scope="module")
def shown(example: Evaluation) -> Page:
    gate = Outcome(
        gate="release", sha256="ef" * 32, candidate="tuned", passed=False,
        checks=(checked("rouge_l", "at least 0.5", "0.42", False),
                checked("rule.hard", "at least 0.95", "1", True)),
    )  # fmt: skip
    return Page(page(example, gate))


def test_the_headline_says_which_is_better_and_how_sure_that_is(example: Evaluation) -> None:
    said = verdict(example, "tuned")
    assert said.short == f"tuned is better than base in {HARD}, worse in none."
    assert [(one.kind, one.text) for one in said.sentences] == [
        ("better", "Recommends no hotels or restaurants: tuned is better, 100 % against 72 % over"
         " 60 cases (difference +28 points, 95 % interval +16 to +40; McNemar (exact) p < 0.001)."),
        ("not sure", "Seconds an answer: tuned looks worse, 1.98 s against 1.61 s over 60 cases"
         " (difference +0.37 s, 95 % interval +0.02 to +0.61; sign test p = 0.04, corrected"
         " p = 0.12). That may be chance; about 140 cases would tell."),
        ("different", "Length: tuned gives 30.5 tokens against 41.0 tokens over 60 cases"
         " (difference -10.5 tokens, 95 % interval -12.2 to -8.7)."),
        ("alike", "Alike: F1 (within 0.050)."),
        ("too few", "Too few cases to tell: ROUGE-L (about 340 would)."),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("judgements", "short"),
    [
        ({}, f"tuned is better than base in {HARD}, worse in none."),
        ({"rule.hard": "worse"}, f"tuned is worse than base in {HARD}, better in none."),
        ({"rule.hard": "alike", "rouge_l": "alike"},
         "tuned and base are alike in all that was measured."),
        ({"rule.hard": "too few"}, "Too few cases to tell tuned from base; about 340 might."),
        ({"rule.hard": "alike"}, "Too few cases to tell tuned from base; about 340 might."),
        ({"f1": "worse"}, f"tuned is better than base in {HARD}, and worse in 1 (F1)."),
        ({"seconds": "worse"}, f"tuned is better than base in {HARD}, worse in none."),
        ({"rule.hard": "too few", "seconds": "better"},
         "Too few cases to tell tuned from base; about 340 might."),
    ],
)  # fmt: skip
def test_what_an_answer_takes_makes_no_model_the_better_one(
    example: Evaluation, judgements: dict[str, str], short: str
) -> None:
    changed = [
        one.model_copy(update={"differences": {
            "tuned": one.differences["tuned"].model_copy(
                update={"judgement": judgements.get(one.name) or one.differences["tuned"].judgement}
            )}})
        for one in example.metrics
    ]  # fmt: skip
    found = example.model_copy(update={"metrics": tuple(changed)})
    assert verdict(found, "tuned").short == short


def test_the_page_tells_all_of_it(shown: Page) -> None:
    for part in (
        "tuned is better than base in 1 of 3", "tuned failed the gate release",
        "rouge_l: 0.42, wanted at least 0.5", "1 of 2 checks met",
        "66 to 78 · 60 cases", "McNemar (exact) p < 0.001 (< 0.001 corrected)",
        "too few (about 340)", "Longest common run of words with the reference. Higher is better",
        "Where tuned lost most", "Where tuned gained most", "1. largest loss",
        "ordered by rules kept and broken, then ROUGE-L", "✗ Not kept: Recommends no hotels",
        "travel-tuned:3", "ab" * 32, "cd" * 32, "greedy, at most 256 tokens", "10,000 paired",
        "training $0.42", "deployment: v3-0f", "1 case has no reply of tuned.",
        "Rules read words, not meaning", "You are a travel assistant.",
    ):  # fmt: skip
        assert part in shown.words, part
    assert shown.words.count("You are a travel assistant.") == 1, "once, not in every case"


def test_nothing_is_fetched_and_one_script_of_ours_runs(shown: Page) -> None:
    assert not {"link", "img", "iframe", "object", "base", "embed"} & set(shown.tags)
    assert shown.tags.count("script") == 1
    assert all(one.startswith("#") for one in shown.values("src", "href", "xlink:href", "action"))
    assert not any(name.startswith("on") for name, _ in shown.attributes)
    [script] = re.findall(r"<script>(.*?)</script>", shown.text, re.DOTALL)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in (
        shown.text
    )


def test_every_id_stands_once_and_every_reference_has_one(shown: Page) -> None:
    ids = shown.values("id")
    assert len(ids) == len(set(ids))
    used = re.findall(r"(?:href=\"#|url\(#)([^\")]+)", shown.text)
    assert used and set(used) <= set(ids)


def test_what_anybody_says_stays_text(example: Evaluation) -> None:
    case = Case(
        messages=tuple(Message(role=role, content=EVIL) for role in ("system", "user", "user")),
        reference=EVIL, name=EVIL,
    )  # fmt: skip
    first = example.cases[0]
    result = first.model_copy(update={
        "case": case, "found": {"tuned": (Found(rule=EVIL, text=EVIL[9:30]),)},
        "replies": {name: reply.model_copy(update={"text": EVIL, "finish": "length"})
                    for name, reply in first.replies.items()},
    })  # fmt: skip
    sides = (example.sides[0], example.sides[1].model_copy(update={"model": EVIL}))
    metrics = tuple(one.model_copy(update={"title": EVIL, "note": EVIL}) for one in example.metrics)
    found = Page(page(example.model_copy(update={
        "cases": (result, *example.cases[1:]), "sides": sides, "metrics": metrics,
        "suite_text": EVIL, "notes": (EVIL,), "stack": EVIL,
    })))  # fmt: skip
    assert found.tags.count("script") == 1 and "img" not in found.tags
    assert found.words.count(EVIL) >= 12


def test_a_breach_is_marked_where_it_stands(shown: Page, example: Evaluation) -> None:
    broken = [one for one in example.cases if one.found.get("base")]
    texts = re.findall(r"<mark>(.*?)</mark>", shown.text)
    assert broken and {one.found["base"][0].text for one in broken} <= set(texts)


def test_worst_and_best_go_by_rules_and_then_by_score(example: Evaluation) -> None:
    found = pairs(example, "tuned")
    lost, gained = worst(found, 5), best(found, 100)
    assert [one.rules for one in lost] == sorted(one.rules for one in lost)
    assert all(one.gain < (0, 0) for one in lost) and all(one.gain > (0, 0) for one in gained)
    mended = [one for one in example.cases if one.scores["rule.hard"] == {"base": 0, "tuned": 1}]
    first = gained[: len(mended)]
    assert {one.result.case.id for one in first} == {one.case.id for one in mended}
    assert [one.score for one in first] == sorted((one.score for one in first), reverse=True)
    assert declared(example) == "rules kept and broken, then ROUGE-L"


def test_a_side_alone_and_no_cases_have_a_page_all_the_same(example: Evaluation) -> None:
    alone = evaluation(3, ("base",))
    found = Page(page(alone))
    assert "base, measured alone." in found.words
    assert {one.removeprefix("#") for one in found.values("href")} <= set(found.values("id"))
    empty = example.model_copy(update={"cases": (), "metrics": ()})
    assert "Nothing was measured on both base and tuned." in Page(page(empty)).words


def test_a_missing_answer_is_told(example: Evaluation) -> None:
    first = example.cases[0].model_copy(update={"replies": {}})
    found = Page(page(example.model_copy(update={"cases": (first, *example.cases[1:])})))
    assert "no tuned" in found.words and "No answer." in found.words


def test_checkpoints_are_drawn_along_their_steps() -> None:
    names = ("base", "job@10", "job@30")
    found = evaluation(12, names)
    [metric] = [one for one in found.metrics if one.name == "rouge_l"]
    drawn = over_sides(found, metric)
    assert drawn is not None and ">step<" in drawn.svg and ">base<" in drawn.svg
    assert over_sides(evaluation(12), metric) is None, "two sides are in the table"
    assert [step_of(name) for name in ("job@30", "base", "m:3", "a@b")] == [30, None, None, None]
    shown = Page(page(found))
    assert shown.words.count("Where job@30 lost most") == 1
    assert len(shown.values("id")) == len(set(shown.values("id")))


def test_the_page_is_light_and_dark_and_the_plots_with_it(shown: Page) -> None:
    used = set(re.findall(r"var\((--[a-z0-9-]+)\)", shown.text))
    light, dark = shown.text.split("prefers-color-scheme: dark", 1)
    assert all(f"{name}:" in light and f"{name}:" in dark.split("}")[0] for name in used)
    assert "@media print" in shown.text and "max-width: 40rem" in shown.text


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ((0.7251, "share"), "72.5 %"), ((1.0, "share"), "100 %"), ((0.41349, "score"), "0.413"),
        ((1.848, "seconds"), "1.85 s"), ((0.0021, "USD"), "$0.0021"), ((12.5, "USD"), "$12.50"),
        ((12_345.6, "ratio"), "12,346"), ((None, "score"), "–"), ((31.04, "points"), "31.0"),
    ],
)  # fmt: skip
def test_values_are_written_as_people_read_them(given: tuple[Any, str], text: str) -> None:
    assert value_of(*given) == text


def test_differences_have_signs_and_nought_has_none() -> None:
    assert difference_of(0.28, "share") == "+28 points"
    assert difference_of(-0.0004, "score") == "0.000"
    assert difference_of(-0.5, "USD") == "-$0.5"
    assert interval_of(Interval(low=-0.04, high=0.16), "share") == "-4 to +16"
    assert (p_of(0.00004), p_of(0.031), p_of(None)) == ("p < 0.001", "p = 0.031", "")


def test_a_page_of_two_thousand_cases_is_of_a_size_to_open(tmp_path: Path) -> None:
    text = page(evaluation(2000, words=400))
    assert text.count('<details class="case') == 2000
    assert len(text) < 12_000_000


def test_what_is_over_the_limit_is_left_to_the_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(written, "MAX_CASES_BYTES", 20_000)
    found = Page(page(evaluation(60)))
    listed = found.text.count('<details class="case')
    assert 0 < listed < 60
    assert f"{60 - listed} more cases are in the JSON file" in found.words
