"""Main metrics, which a suite declares beforehand: they decide, and are corrected by themselves."""

import random
from collections.abc import Sequence

import pytest

from evaluation.cases import Case, Message
from evaluation.gates.ranking import rank
from evaluation.numbers.measuring import measure, measured_again
from evaluation.replies import Reply
from evaluation.report.verdicts import verdict
from evaluation.results import Evaluation, Metric, Source
from evaluation.sides import Side
from evaluation.suites.suite import load_suite, parse_suite
from tests.evaluation.example import evaluation as example

BASE, TUNED = Side(name="base", identity={"m": "1"}), Side(name="tuned", identity={"m": "2"})
CASES = tuple(
    Case(messages=(Message(role="user", content=f"{number}?"),), reference="red green blue gold")
    for number in range(60)
)
RULES = """
rules:
  - {name: asks, says: Asks, ends_with_question: true}
  - {name: thanks, says: Thanks, required: [thanks]}
  - {name: greets, says: Greets, required: [hello]}
"""


def reply(case: Case, side: Side, text: str) -> Reply:
    return Reply(case=case.id, side=side.key, decoding="d", text=text)


def texts(asks: int, thanks: int, greets: int) -> list[str]:
    """Write an answer to each case: the first so many ask, the last so many thank and greet."""
    return [
        ("hello " if len(CASES) - place <= greets else "")
        + ("thanks " if len(CASES) - place <= thanks else "")
        + ("red?" if place < asks else "red.")
        for place in range(len(CASES))
    ]


def evaluate(
    decides: str, base: Sequence[str], tuned: Sequence[str], cases: Sequence[Case] = CASES
) -> Evaluation:
    text = f"name: main\n{decides}\n{RULES}"
    replies = {
        side.name: {
            case.id: reply(case, side, said) for case, said in zip(cases, told, strict=True)
        }
        for side, told in ((BASE, base), (TUNED, tuned))
    }
    return measure(
        parse_suite(text, "main.yaml"), text, cases, [BASE, TUNED], replies,
        data=Source(name="d", sha256="0"), made="2026-11-22T08:00:00Z", resamples=200,
    )  # fmt: skip


def p(found: Evaluation, name: str) -> tuple[float | None, float | None]:
    metric = found.metric(name)
    assert metric is not None
    difference = metric.differences["tuned"]
    return difference.p, difference.p_corrected


BEFORE, AFTER = texts(10, 0, 10), texts(18, 6, 15)
"""Eight ask that did not, six thank, five greet: p = 2/2^8, 2/2^6 and 2/2^5 by hand."""


def test_main_metrics_are_corrected_among_themselves_and_the_others_among_themselves() -> None:
    """Without a reference the rules are all there is; no answer keeps all of them."""
    bare = [case.model_copy(update={"reference": ""}) for case in CASES]
    found = evaluate("decides: [rule.asks]", BEFORE, AFTER, bare)
    assert p(found, "rule.asks") == pytest.approx((2 / 2**8, 2 / 2**8))
    # Two more, and `rules`, in which nothing changed, does not count: 2 x 2/2^6, and no less.
    assert p(found, "rule.thanks") == pytest.approx((2 / 2**6, 2 * 2 / 2**6))
    assert p(found, "rule.greets") == pytest.approx((2 / 2**5, 2 * 2 / 2**6))
    assert p(found, "rules") == (1.0, 1.0)
    found = evaluate("decides: [rule.greets, rule.asks]", BEFORE, AFTER, bare)
    assert p(found, "rule.asks") == pytest.approx((2 / 2**8, 2 * 2 / 2**8))
    assert p(found, "rule.greets") == pytest.approx((2 / 2**5, 2 / 2**5))
    assert p(found, "rule.thanks") == pytest.approx((2 / 2**6, 2 / 2**6))
    # Without a declaration they are one family of three.
    found = evaluate("", BEFORE, AFTER, bare)
    assert p(found, "rule.asks") == pytest.approx((2 / 2**8, 3 * 2 / 2**8))
    assert p(found, "rule.thanks") == pytest.approx((2 / 2**6, 2 * 2 / 2**6))
    assert p(found, "rule.greets") == pytest.approx((2 / 2**5, 2 * 2 / 2**6))


def test_what_one_family_hides_a_declared_one_shows() -> None:
    declared = evaluate("decides: [rule.asks, rule.thanks]", BEFORE, AFTER)
    together = evaluate("", BEFORE, AFTER)
    for name in ("rule.asks", "rule.thanks"):
        metric = declared.metric(name)
        assert metric is not None and metric.differences["tuned"].judgement == "better"
    first, corrected = p(together, "rule.thanks")
    assert first == p(declared, "rule.thanks")[0]
    assert corrected is not None and corrected > 0.05


def test_main_metrics_stand_first_in_the_order_declared_and_say_so() -> None:
    found = evaluate("decides: [rule.thanks, chrf]", BEFORE, AFTER)
    assert found.decides == ("rule.thanks", "chrf")
    assert [one.name for one in found.metrics][:2] == ["rule.thanks", "chrf"]
    assert [one.name for one in found.metrics if one.is_main] == ["rule.thanks", "chrf"]
    assert not any(one.is_main for one in evaluate("", BEFORE, AFTER).metrics)


def test_an_evaluation_with_main_metrics_gives_the_same_numbers_again_to_the_bit() -> None:
    found = evaluate("decides: [rule.thanks, chrf]", BEFORE, AFTER)
    saved = found.model_dump_json()
    assert measured_again(Evaluation.model_validate_json(saved)).model_dump_json() == saved


def test_the_answers_do_not_decide_which_metrics_are_main() -> None:
    found = evaluate("decides: [perplexity, rule.thanks]", BEFORE, BEFORE)
    assert found.decides == ("perplexity", "rule.thanks")
    assert [one.name for one in found.metrics if one.is_main] == ["rule.thanks"]
    assert found.notes == ("Nobody was measured in perplexity, by which the suite decides.",)


def declared(**judgements: str) -> Evaluation:
    """Give an evaluation of hand-made judgements; rule.hard and f1 are main, rouge_l is not."""
    main = ("rule.hard", "f1")
    found = example()

    def changed(one: Metric) -> Metric:
        difference = one.differences["tuned"]
        judgement = judgements.get(one.name.replace(".", "_"), difference.judgement)
        told = {"judgement": judgement, "needed": None}
        return one.model_copy(
            update={
                "is_main": one.name in main,
                "differences": {"tuned": difference.model_copy(update=told)},
            }
        )

    metrics = tuple(map(changed, found.metrics))
    return found.model_copy(update={"decides": main, "metrics": metrics})


HARD = "1 of 2 main measures (Recommends no hotels or restaurants)"


@pytest.mark.parametrize(
    ("judgements", "short"),
    [
        ({"rule_hard": "better", "f1": "alike"},
         f"tuned is better than base in {HARD}, worse in none."),
        ({"rule_hard": "better", "f1": "alike", "rouge_l": "worse"},
         f"tuned is better than base in {HARD}, worse in none."),
        ({"rule_hard": "better", "f1": "worse"},
         f"tuned is better than base in {HARD}, and worse in 1 (F1)."),
        ({"rule_hard": "alike", "f1": "alike", "rouge_l": "better"},
         "tuned and base are alike in all 2 main measures."),
        ({"rule_hard": "too few", "f1": "alike", "rouge_l": "better"},
         "Too few cases to tell tuned from base."),
    ],
)  # fmt: skip
def test_the_headline_follows_the_main_metrics_alone(
    judgements: dict[str, str], short: str
) -> None:
    assert verdict(declared(**judgements), "tuned").short == short


def test_no_main_metric_measured_is_no_reason_to_go_by_others() -> None:
    found = declared().model_copy(update={"decides": ("perplexity",)})
    others = tuple(one.model_copy(update={"is_main": False}) for one in found.metrics)
    told = verdict(found.model_copy(update={"metrics": others}), "tuned").short
    assert told == "None of the main measures was measured on both base and tuned."


def test_what_is_secondary_is_told_after_and_as_such() -> None:
    said = verdict(declared(rouge_l="better"), "tuned").sentences
    marked = [one.text.startswith("(secondary) ") for one in said]
    assert marked == sorted(marked) and marked.count(False) == 2
    assert "(secondary) ROUGE-L: tuned is better" in " ".join(one.text for one in said)


def test_candidates_are_ranked_by_the_first_main_metric_that_all_have() -> None:
    found = evaluate("decides: [perplexity, rule.thanks]", BEFORE, AFTER)
    assert rank(found).metric == "rule.thanks"
    assert rank(evaluate("", BEFORE, AFTER)).metric == "chrf"
    assert rank(found, by=("chrf",)).metric == "chrf"


@pytest.mark.parametrize(
    ("name", "decides"),
    [
        ("chat", ("perplexity", "chrf", "rules")),
        ("safety", ("safety.refusal", "safety.answer")),
        ("travel", ("perplexity", "chrf", "rule.hard_rule", "rule.ends_with_question")),
    ],
)
def test_packaged_suites_declare_what_decides(name: str, decides: tuple[str, ...]) -> None:
    assert load_suite(name)[0].decides == decides


def test_a_real_gain_among_many_kindred_metrics_is_seen_where_it_was_declared() -> None:
    """Fifteen points over sixty cases: eleven gain, two lose. p = 0.022, of twenty it is lost."""
    source = random.Random(2)
    noise = [source.choice(["red", "green", "blue", "teal", "plum"]) for _ in CASES]
    base = [f"{word}{'?' if place < 40 else '.'}" for place, word in enumerate(noise)]
    source.shuffle(noise)
    tuned = [f"{word}{'?' if 2 <= place < 51 else '.'}" for place, word in enumerate(noise)]
    first, corrected = p(evaluate("decides: [rule.asks, perplexity]", base, tuned), "rule.asks")
    # 2 x (1 + 13 + 78) / 2^13, and alone in its family: losses were not read.
    assert (first, corrected) == pytest.approx((184 / 2**13, 184 / 2**13))
    lost = p(evaluate("", base, tuned), "rule.asks")
    assert lost[0] == first and lost[1] is not None and lost[1] > 0.1
