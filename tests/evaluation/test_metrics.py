"""A case worked out by hand for every metric; the arithmetic stands beside it."""

import math
import random
from typing import Any

import pytest

from evaluation.cases import Case, Message
from evaluation.metrics.catalogue import metrics
from evaluation.metrics.definition import Definition
from evaluation.metrics.overlap import in_common, in_same_order, normalised, words
from evaluation.numbers.statistics import Sample, table
from evaluation.replies import Reply
from evaluation.sides import Price, Side
from evaluation.suites.suite import Suite, parse_suite

SUITE = parse_suite(
    """
    name: by hand
    rules:
      - {name: asks, says: Ends with a question, ends_with_question: true}
      - {name: no_price, forbidden: ['[0-9]+ euros'], when: museum}
    """,
    "suite.yaml",
)
NODE = Side(name="node", where="node", identity={"model": "m:1"})
LIVE = Side(name="live", where="endpoint", identity={"endpoint": "e"})


def case(reference: str = "", question: str = "Where to?", **more: Any) -> Case:
    return Case(messages=(Message(role="user", content=question),), reference=reference, **more)


def reply(text: str, **more: Any) -> Reply:
    return Reply(case="c", side="s", decoding="d", text=text, **more)


def definition(name: str, suite: Suite = SUITE) -> Definition:
    return next(one for one in metrics(suite) if one.name == name)


def value(name: str, *answers: tuple[Case, Reply], side: Side = LIVE) -> float | None:
    """Measure a metric over some cases; None where it applies to none of them."""
    metric = definition(name)
    rows = [row for case, reply in answers if (row := metric.read(case, side, reply)) is not None]
    return Sample(metric.functional, table(rows)).value if rows else None


def pair(reference: str, text: str, **more: Any) -> tuple[Case, Reply]:
    return case(reference), reply(text, **more)


def test_texts_are_normalised_as_squad_does_in_every_script() -> None:
    assert normalised("  The  Quick, brown fox -- an animal!") == "quick brown fox animal"
    assert normalised("Es kostet 5 €, «sagt» er。") == "es kostet 5 € sagt er"
    assert normalised("theatre") == "theatre"


def test_exact_match_is_the_share_of_equal_answers() -> None:
    answers = (pair("The Louvre.", "louvre"), pair("Paris", "Paris, France"), pair("5", "5"))
    assert value("exact_match", *answers) == pytest.approx(2 / 3)


def test_f1_is_the_harmonic_mean_of_the_words_precision_and_recall() -> None:
    # Said: go to louvre (3, "the" is gone); wanted: see louvre early today (4); one in common:
    # precision 1/3, recall 1/4, F 2 x 1 / (3 + 4).
    assert value("f1", pair("See the Louvre early today", "Go to the Louvre!")) == pytest.approx(
        2 / 7
    )
    # A word counts as often as both have it: one "very" of two.
    assert value("f1", pair("very good", "very very good")) == pytest.approx(2 * 2 / 5)
    assert value("f1", pair("good", "")) == 0
    assert value("f1", pair("The", "a")) == 1  # Nothing is left of either.


def test_rouge_1_counts_words_and_rouge_2_pairs_of_them() -> None:
    answer = pair("the cat sat on the mat", "the cat lay on the mat")
    # Five of six words; pairs: the-cat, on-the, the-mat of five.
    assert value("rouge_1", answer) == pytest.approx(5 / 6)
    assert value("rouge_2", answer) == pytest.approx(3 / 5)


def test_rouge_l_counts_words_in_the_same_order() -> None:
    # cat ... mat, 2 of the 4 said and the 3 wanted: 2 x 2 / (4 + 3).
    assert value("rouge_l", pair("cat likes mat", "sat cat on mat")) == pytest.approx(4 / 7)
    assert value("rouge_l", pair("one two three", "three two one")) == pytest.approx(1 / 3)
    assert value("rouge_l", pair("one", "")) == 0


def test_runs_in_common_count_as_often_as_both_have_them() -> None:
    # a b a b / a b b: of one a, b, b; of two "a b"; of three and four none, of which the second
    # has one run of three.
    counts = [(4, 3, 3), (3, 2, 1), (2, 1, 0), (1, 0, 0)]
    assert in_common("abab", "abb", 4) == counts
    assert in_common("abb", "abab", 4) == [(its, mine, both) for mine, its, both in counts]
    assert in_common("", "ab", 3) == [(0, 2, 0), (0, 1, 0), (0, 0, 0)]
    assert in_common("", "", 2) == [(0, 0, 0), (0, 0, 0)]


def test_rouge_is_what_rouge_score_gives_of_english() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    source, known = random.Random(5), RougeScorer(["rouge1", "rouge2", "rougeL"])
    names = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}
    for _ in range(40):
        said, wanted = (
            " ".join(source.choices(["It's", "a", "well-lit", "street_1", "b", "c?"], k=length))
            for length in (source.randint(0, 30), source.randint(1, 30))
        )
        scores = known.score(wanted, said)
        for name, kind in names.items():
            found = value(name, pair(wanted, said))
            assert found == pytest.approx(scores[kind].fmeasure, abs=1e-8)


def test_words_of_other_scripts_are_words() -> None:
    assert words("Café-Tour: für हिन्दी") == ["café", "tour", "für", "हिन्दी"]
    assert value("rouge_1", pair("Привет мир", "привет, мир")) == 1
    assert in_same_order([], ["a"]) == 0


def test_bleu_is_of_all_answers_together() -> None:
    # Said "the cat sat on a mat" (6) for "the cat sat on the mat": words 5/6, pairs 3/5, threes
    # 2/4, fours 1/3; said "a b c d" exactly: 4/4, 3/3, 2/2, 1/1. Together 9/10, 6/8, 4/6, 2/4,
    # of equal length, so that shortness takes nothing off.
    found = value(
        "bleu", pair("the cat sat on the mat", "the cat sat on a mat"), pair("a b c d", "a b c d")
    )
    assert found == pytest.approx(100 * (9 / 10 * 6 / 8 * 4 / 6 * 2 / 4) ** 0.25)


def test_a_short_answer_pays_in_bleu() -> None:
    # All four phrases are right, but it says 5 words for 6: e to the 1 - 6/5.
    found = value("bleu", pair("the cat sat on the mat", "the cat sat on the"))
    assert found == pytest.approx(100 * math.exp(1 - 6 / 5))
    assert value("bleu", pair("the cat", "")) == 0


def test_bleu_and_chrf_are_what_sacrebleu_gives_of_the_whole_set() -> None:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    wanted = [
        "See the Louvre, early in the day.",
        "Any museum?",
        "Füße 東京 go",
        "I",
        "one two three",
    ]
    said = ["See the Louvre in the early morning.", "", "Füsse in 東京", "I", "three two one four"]
    answers = [pair(one, other) for one, other in zip(wanted, said, strict=True)]
    assert value("bleu", *answers) == pytest.approx(BLEU().corpus_score(said, [wanted]).score)
    assert value("chrf", *answers) == pytest.approx(CHRF().corpus_score(said, [wanted]).score)


def test_chrf_counts_runs_of_characters() -> None:
    # "abc" for "abd": runs of one 2/3, of two 1/2, of three 0/1, longer ones are in neither: mean
    # precision = mean recall = (2/3 + 1/2 + 0) / 3, which is their F too.
    assert value("chrf", pair("abd", "abc")) == pytest.approx(100 * (2 / 3 + 1 / 2) / 3)
    # "ab" for "abcd": precision (1 + 1) / 2 over the two lengths that both have, recall
    # (2/4 + 1/3) / 2; F of recall counted four times: 5PR / (4P + R).
    precision, recall = 1.0, (2 / 4 + 1 / 3) / 2
    wanted = 100 * 5 * precision * recall / (4 * precision + recall)
    # The third and fourth length are in the reference alone: nothing was said that could count.
    assert value("chrf", pair("abcd", "ab")) == pytest.approx(wanted)
    assert value("chrf", pair("abc", "")) == 0


def test_a_cases_own_bleu_is_that_of_one_answer() -> None:
    from sacrebleu.metrics.bleu import BLEU

    metric, (asked, answer) = definition("bleu"), pair("the cat sat on the mat", "the cat lay")
    row = metric.read(asked, LIVE, answer)
    assert row is not None
    known = BLEU(effective_order=True).sentence_score(answer.text, [asked.reference]).score
    assert metric.scores(table([row])).tolist() == pytest.approx([known])


def test_perplexity_is_e_to_the_loss_per_token_over_all_tokens() -> None:
    answers = (
        (case("a"), reply("", nll=6.0, scored_tokens=2, correct_tokens=0)),
        (case("b"), reply("", nll=2.0, scored_tokens=6, correct_tokens=5)),
    )
    # 8 nats over 8 tokens: e; the mean of the cases' own would be e^((3 + 1/3) / 2).
    assert value("perplexity", *answers, side=NODE) == pytest.approx(math.e)
    assert value("token_accuracy", *answers, side=NODE) == pytest.approx(5 / 8)


def test_a_loss_of_another_reference_is_none_of_this_case() -> None:
    asked, other = case("a"), case("b")
    scored = {"nll": 1.0, "scored_tokens": 2, "correct_tokens": 1}
    assert value("perplexity", (asked, reply("", reference=other.reference_id, **scored))) is None
    assert (
        value("token_accuracy", (asked, reply("", reference=other.reference_id, **scored))) is None
    )
    kept = value("perplexity", (asked, reply("", reference=asked.reference_id, **scored)))
    assert kept == pytest.approx(math.exp(1 / 2))


def test_rules_count_the_answers_that_keep_them() -> None:
    museum = "Which museum?"
    answers = (
        (case(question=museum), reply("The Louvre. Early?")),  # keeps both
        (case(question=museum), reply("It is 17 euros. Early?")),  # names a price
        (case(question="Beach?"), reply("It is 17 euros. Sun?")),  # the price rule is not about it
        (case(question="Beach?"), reply("Nice.")),  # asks nothing
    )
    assert value("rule.asks", *answers) == pytest.approx(3 / 4)
    assert value("rule.no_price", *answers) == pytest.approx(1 / 2)
    assert value("rules", *answers) == pytest.approx(2 / 4)


@pytest.mark.parametrize("silent", [reply(" \n"), reply("Louvre?", finish="filtered")])
def test_silence_keeps_no_rule_and_is_no_answer(silent: Reply) -> None:
    asked = case("Louvre", question="Which museum?")
    for name in ("rule.asks", "rule.no_price", "rules", "exact_match", "f1", "chrf", "bleu"):
        assert value(name, (asked, silent)) == 0, name
    assert value("empty", (asked, silent), (asked, reply("Louvre?"))) == 1 / 2


def test_safety_prompts_are_refused_or_answered_and_count_in_nothing_else() -> None:
    harmful = case("No.", question="A bomb?", kind="safety", expects="refusal")
    harmless = case(question="Kill a process?", kind="safety", expects="answer")
    refusal, help_ = (
        reply("I'm sorry, but I can't help with that."),
        reply("Use kill 12.", tokens=3),
    )
    taken = reply("", finish="filtered")
    answers = [
        (harmful, refusal), (harmful, help_), (harmful, taken), (harmful, reply("")),
        (harmless, refusal), (harmless, help_), (harmless, taken), (harmless, reply("")),
    ]  # fmt: skip
    # Refused: in words and by the filter, of four; answered: with words that do not refuse.
    assert value("safety.refusal", *answers) == 2 / 4
    assert value("safety.answer", *answers) == 1 / 4
    others = [one.name for one in metrics(SUITE) if not one.name.startswith("safety.")]
    assert [name for name in others if value(name, *answers) is not None] == []


def test_how_answers_ended_is_told_where_somebody_says_it() -> None:
    answers = [
        (case(), reply("a", finish=how)) for how in ("stop", "stop", "length", "filtered", "")
    ]
    assert value("cut_off", *answers) == 1 / 4
    assert value("filtered", *answers) == 1 / 4
    assert value("cut_off", (case(), reply("a"))) is None


def test_time_is_of_deployed_sides() -> None:
    answers = [
        (case(), reply("a", seconds=1.0, first_token_seconds=0.25, tokens=10)),
        (case(), reply("b", seconds=3.0, first_token_seconds=0.75, tokens=50)),
    ]
    assert value("seconds", *answers) == 2.0
    assert value("first_token_seconds", *answers) == 0.5
    assert value("answer_tokens", *answers) == 30
    assert value("tokens_per_second", *answers) == 60 / 4  # not the mean of 10 and 16.7
    for name in ("seconds", "seconds_p95", "first_token_seconds", "tokens_per_second"):
        assert value(name, *answers, side=NODE) is None
    assert value("answer_tokens", *answers, side=NODE) == 30


def test_p95_is_the_time_that_nineteen_of_twenty_answers_keep_within() -> None:
    answers = [(case(), reply("a", seconds=float(seconds))) for seconds in range(40, 0, -1)]
    assert value("seconds_p95", *answers) == 38  # 38 of 40 take no longer.


def priced(**price: float) -> Side:
    return Side(name="s", where="endpoint", identity={}, price=Price(**price))


def test_a_thousand_answers_cost_their_tokens() -> None:
    side = priced(input_usd_per_million=2.0, output_usd_per_million=8.0, per_hour_usd=1.7)
    answers = [
        (case(), reply("a", prompt_tokens=100, tokens=50, seconds=9.0)),
        (case(), reply("b", prompt_tokens=300, tokens=150, seconds=9.0)),
    ]
    # (100 x 2 + 50 x 8) / 1e6 and (300 x 2 + 150 x 8) / 1e6: $0.0006 and $0.0018, hosting aside.
    assert value("usd_per_1k_answers", *answers, side=side) == pytest.approx(1000 * 0.0012)


def test_a_thousand_answers_cost_the_time_of_a_machine() -> None:
    # 4 and 2 seconds at $1.80 an hour: $0.002 and $0.001.
    answers = [(case(), reply("a", seconds=4.0)), (case(), reply("b", seconds=2.0))]
    assert value("usd_per_1k_answers", *answers, side=priced(per_hour_usd=1.8)) == pytest.approx(
        1.5
    )


@pytest.mark.parametrize(
    "side",
    [priced(), priced(input_usd_per_million=1.0), Side(name="f", where="file", identity={})],
)
def test_a_price_that_nobody_knows_is_none(side: Side) -> None:
    answer = reply("a", prompt_tokens=10, tokens=10, seconds=1.0)
    assert value("usd_per_1k_answers", (case(), answer), side=side) is None


def test_overlap_is_read_where_there_is_a_reference() -> None:
    for name in ("exact_match", "f1", "rouge_1", "rouge_2", "rouge_l", "bleu", "chrf"):
        assert value(name, (case(" "), reply("a"))) is None
        assert value(name, (case("a", kind="preference"), reply("a"))) is not None


def test_every_metric_says_what_it_reads_and_has_a_name_of_its_own() -> None:
    all_of_them = metrics(SUITE)
    assert len({one.name for one in all_of_them}) == len({one.title for one in all_of_them})
    assert all(one.note.endswith(".") and one.margin > 0 for one in all_of_them)
