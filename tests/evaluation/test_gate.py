"""A gate passes only on what was measured, and gives every reason why it does not."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from core.errors import SettingsError
from evaluation.cases import Case, Decoding, Message
from evaluation.gates.gate import Gate, Outcome, gate_names, judge, load_gate, parse_gate
from evaluation.replies import Reply
from evaluation.results import (
    CaseResult,
    Difference,
    Evaluation,
    Interval,
    Judgement,
    Measured,
    Metric,
    Source,
)
from evaluation.sides import Overfit, Side
from evaluation.suites.suite import load_suite

CASES = 60


def measured(value: float | None, low: float | None = None, high: float = 0, cases: int = CASES):
    return Measured(value=value, interval=_interval(low, high), cases=cases)


def difference(
    value: float | None, low: float | None, high: float, judged: Judgement, cases: int = CASES
) -> Difference:
    return Difference(
        value=value, interval=_interval(low, high), judgement=judged, cases=cases, needed=400
    )


def _interval(low: float | None, high: float) -> Interval | None:
    return None if low is None else Interval(low=low, high=high)


def metric(name: str, tuned: Measured, against: Difference | None = None, **known: Any) -> Metric:
    fields: dict[str, Any] = {"title": name, "unit": "score", "better": "higher", "margin": 0.02}
    base = Measured(value=0.5, cases=CASES)
    differences = {"tuned": against} if against else {}
    return Metric(
        **{**fields, **known}, name=name, sides={"base": base, "tuned": tuned},
        differences=differences,
    )  # fmt: skip


def evaluation(*metrics: Metric, answered: int = CASES, **changes: Any) -> Evaluation:
    fields: dict[str, Any] = {
        "made": "2026-11-20T10:00:00+00:00", "suite": Source(name="travel", sha256="a"),
        "suite_text": "name: travel", "data": Source(name="d.jsonl", sha256="b"),
        "decoding": Decoding(max_tokens=128),
        "sides": (
            Side(name="base", role="base"),
            Side(name="tuned", role="tuned", overfit=Overfit(ratio=1.31, band="mild")),
        ),
        "cases": tuple(_result(number, number < answered) for number in range(CASES)),
    }  # fmt: skip
    return Evaluation(**{**fields, **changes}, metrics=metrics)


def _result(number: int, answered: bool) -> CaseResult:
    case = Case(messages=(Message(role="user", content=f"q{number}"),))
    replies = {
        side: Reply(case=case.id, side=side, decoding="", text="a")
        for side in ("base", "tuned") if side == "base" or answered
    }  # fmt: skip
    return CaseResult(case=case, replies=replies, scores={})


def gate(**wanted: Any) -> Gate:
    fields: dict[str, Any] = {"name": "g", "require": [{"metric": "rule.hard", "min": 0}]}
    return Gate.model_validate({**fields, **wanted})


def held(found: Metric, **threshold: Any) -> Outcome:
    """Judge one threshold; the last check is its."""
    return judge(gate(require=[{"metric": found.name, **threshold}]), evaluation(found), "tuned")


SHARE = metric("rule.hard", measured(0.91, 0.81, 0.96), unit="share")
SLOW = metric(
    "seconds", measured(2.5, 2.0, 3.0), difference(0.5, 0.1, 0.9, "worse"),
    unit="seconds", better="lower", margin=0.2,
)  # fmt: skip
BETTER = metric("rouge_l", measured(0.58), difference(0.08, 0.03, 0.13, "better"))
UNSURE = metric("chrf", measured(0.53), difference(0.03, -0.05, 0.11, "too few"))
LENGTH = metric("answer_tokens", measured(80), difference(9, 1, 20, "alike"), better="")


@pytest.mark.parametrize(
    ("found", "threshold", "passed"),
    [
        (SHARE, {"min": 0.91}, True),
        (SHARE, {"min": 0.92}, False),
        (SHARE, {"min": 0.81, "sure": True}, True),
        (SHARE, {"min": 0.82, "sure": True}, False),
        (SLOW, {"max": 2.5}, True),
        (SLOW, {"max": 2.4}, False),
        (SLOW, {"max": 3.0, "sure": True}, True),
        (SLOW, {"max": 2.9, "sure": True}, False),
        (BETTER, {"min_gain": 0.08}, True),
        (BETTER, {"min_gain": 0.081}, False),
        (BETTER, {"min_gain": 0.03, "sure": True}, True),
        (BETTER, {"min_gain": 0.04, "sure": True}, False),
        (BETTER, {"better": True}, True),
        (UNSURE, {"better": True}, False),
        (UNSURE, {"not_worse": True}, True),
        (UNSURE, {"not_worse": True, "sure": True}, False),
        (UNSURE, {"max_loss": 0}, True),
        (UNSURE, {"max_loss": 0.05, "sure": True}, True),
        (UNSURE, {"max_loss": 0.04, "sure": True}, False),
        (BETTER, {"not_worse": True, "sure": True}, True),
        (SLOW, {"not_worse": True}, False),
        (SLOW, {"max_loss": 0.5}, True),
        (SLOW, {"max_loss": 0.4}, False),
        (SLOW, {"max_loss": 0.9, "sure": True}, True),
        (SLOW, {"max_loss": 0.8, "sure": True}, False),
        (SLOW, {"min_gain": 0.0}, False),
    ],
)
def test_each_bound_is_held_by_the_value_or_surely_by_the_unfavourable_end(
    found: Metric, threshold: dict[str, Any], passed: bool
) -> None:
    assert held(found, **threshold).passed is passed


@pytest.mark.parametrize(
    ("found", "threshold", "reason"),
    [
        (SHARE, {"min": 0.95, "sure": True}, "rule.hard: 0.91 over 60 answers (0.81 to 0.96),"
         " wanted at least 0.95, surely"),
        (UNSURE, {"min_gain": 0.05}, "chrf: +0.03 against the reference over 60 cases (-0.05 to"
         " +0.11), wanted at least 0.05 better than base; 60 cases are too few to tell them apart;"
         " about 400 would tell"),
        (metric("bleu", measured(None)), {"min": 0.1},
         "bleu: was not measured of tuned, wanted at least 0.1"),
        (metric("bleu", measured(20.0)), {"not_worse": True},
         "bleu: was not measured of tuned and the reference together, wanted not worse than base"),
        (metric("bleu", measured(20.0)), {"min": 10, "sure": True},
         "bleu: 20 over 60 cases, wanted at least 10, surely; no interval could be made, so"
         " nothing is sure"),
        (metric("f1", measured(0.9, 0.8, 1.0, cases=29)), {"min": 0.5},
         "f1: 0.9 over 29 cases (0.8 to 1), wanted at least 0.5; that is over 29 of the 30 cases"
         " that the gate wants at least"),
        (metric("f1", measured(0.9), difference(0.4, 0.3, 0.5, "better", cases=29)),
         {"better": True}, "29 of the 30 cases"),
        (metric("f1", measured(0.9), difference(0.4, None, 0, "better")),
         {"min_gain": 0.1, "sure": True}, "no interval could be made"),
        (LENGTH, {"not_worse": True}, "a gate can only bound it by min and max"),
    ],
)  # fmt: skip
def test_what_is_missed_or_cannot_be_judged_is_told_in_a_sentence(
    found: Metric, threshold: dict[str, Any], reason: str
) -> None:
    outcome = held(found, **threshold)
    assert not outcome.passed
    (told,) = outcome.reasons
    assert reason in told


def test_a_metric_that_nobody_measured_fails_each_of_its_bounds() -> None:
    wanted = gate(require=[{"metric": "perplexity", "max": 9, "not_worse": True, "better": True}])
    outcome = judge(wanted, evaluation(SHARE), "tuned")
    assert [reason.partition(",")[0] for reason in outcome.reasons] == [
        "perplexity: was not measured"
    ] * 3


def test_fewer_cases_are_enough_where_a_threshold_says_so() -> None:
    few = metric("safety.refusal", measured(1.0, 0.7, 1.0, cases=10), unit="share")
    assert not held(few, min=0.9).passed
    assert held(few, min=0.9, min_cases=10).passed


def test_every_reason_is_given_at_once() -> None:
    wanted = gate(
        suite="other", decoding={"temperature": 0.7, "max_tokens": 256}, overfit="healthy",
        max_age_days=1, min_cases=61,
        require=[{"metric": "rule.hard", "min": 0.9}, {"metric": "seconds", "max": 1}],
    )  # fmt: skip
    now = datetime.fromisoformat("2026-11-22T10:00:00+00:00")
    outcome = judge(wanted, evaluation(SHARE, SLOW, answered=57), "tuned", now)
    assert [check.metric for check in outcome.checks if not check.passed] == [
        "suite", "decoding.max_tokens", "decoding.temperature", "age", "answers", "overfit",
        "rule.hard", "seconds",
    ]  # fmt: skip
    told = "\n".join(outcome.reasons)
    assert "suite: judged by travel, wanted other" in told
    assert "decoding.temperature: 0, wanted 0.7" in told
    assert "age: made 2.0 days ago, at 2026-11-20T10:00:00+00:00, wanted at most 1 days" in told
    assert "answers: 3 of 60 cases have no answer of tuned, wanted an answer to every case" in told
    assert "overfit: mild (validation / training loss 1.31), wanted healthy" in told


def test_what_a_gate_does_not_name_is_not_held_against_it() -> None:
    outcome = judge(gate(decoding={"max_tokens": 128}), evaluation(SHARE), "tuned")
    assert outcome.passed and not outcome.reasons
    assert [check.metric for check in outcome.checks] == [
        "decoding.max_tokens", "answers", "rule.hard"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("mine", "its", "threshold"),
    [(0.7, 0.6, {"min_gain": 0.1}), (0.3, 0.4, {"max_loss": 0.1}), (0.1 + 0.2, 0.0, {"max": 0.3})],
)
def test_what_a_difference_lacks_for_being_computed_in_binary_is_not_held_against_it(
    mine: float, its: float, threshold: dict[str, float]
) -> None:
    found = metric("bleu", measured(mine), difference(mine - its, None, 0, "too few"))
    assert held(found, **threshold).passed


@pytest.mark.parametrize(("now", "passed"), [("2026-11-20T12", True), ("2026-11-18T10", False)])
def test_an_evaluation_of_the_future_is_not_young(now: str, passed: bool) -> None:
    moment = datetime.fromisoformat(f"{now}:00:00+00:00")
    assert judge(gate(max_age_days=1), evaluation(SHARE), "tuned", moment).passed is passed


@pytest.mark.parametrize(("answered", "allowed", "passed"), [(57, 0.05, True), (56, 0.05, False)])
def test_a_gate_may_allow_for_some_cases_without_an_answer(
    answered: int, allowed: float, passed: bool
) -> None:
    found = judge(gate(max_unanswered=allowed), evaluation(SHARE, answered=answered), "tuned")
    assert found.passed is passed


def test_twenty_nine_of_a_hundred_are_twenty_nine_hundredths() -> None:
    """In binary 0.29 times 100 is a little less than 29."""
    cases = tuple(_result(number, number >= 29) for number in range(100))
    found = judge(gate(max_unanswered=0.29), evaluation(SHARE, cases=cases), "tuned")
    assert found.passed, found.reasons


def test_who_was_not_asked_fails_with_the_names_of_those_who_were() -> None:
    outcome = judge(gate(), evaluation(SHARE), "v9")
    assert outcome.reasons == (
        "candidate: v9 is not in this evaluation, which has base, tuned, wanted a side that was"
        " asked",
    )


def test_the_reference_is_compared_with_nothing() -> None:
    wanted = gate(require=[{"metric": "rouge_l", "min": 0.4, "not_worse": True}])
    outcome = judge(wanted, evaluation(BETTER), "base")
    assert ["is the reference itself" in reason for reason in outcome.reasons] == [True]


@pytest.mark.parametrize(
    ("told", "worst", "passed", "said"),
    [
        (Overfit(ratio=1.31, band="mild"), "mild", True, "mild (validation"),
        (Overfit(ratio=1.31), "mild", True, "mild (validation"),
        (Overfit(band="moderate"), "severe", True, "moderate, wanted severe or better"),
        (Overfit(ratio=2.4, band="healthy"), "moderate", False, "severe (validation"),
        (Overfit(band="cannot be told"), "severe", False, "its training has not said"),
        (None, "severe", False, "its training has not said"),
    ],
)
def test_overfit_is_judged_by_the_jobs_own_bands_and_never_passes_unknown(
    told: Overfit | None, worst: str, passed: bool, said: str
) -> None:
    sides = (Side(name="base"), Side(name="tuned", overfit=told))
    outcome = judge(gate(overfit=worst), evaluation(SHARE, sides=sides), "tuned")
    (check,) = [one for one in outcome.checks if one.metric == "overfit"]
    assert check.passed is passed
    assert said in check.reason


def test_findings_of_a_gate_are_told_all_at_once() -> None:
    text = """
    name: mine
    overfit: bad
    mincases: 3
    require:
      - {metric: rouge_L2, min: 0.1}
      - {metric: bleu}
      - {metric: chrf, min: 3, max: 2}
      - {metric: "rule.", min: 1}
    """
    with pytest.raises(SettingsError) as caught:
        parse_gate(text, "mine.yaml")
    told = str(caught.value)
    assert caught.value.exit_code == 2
    for finding in (
        "mine.yaml: overfit: Input should be 'healthy', 'mild', 'moderate' or 'severe'",
        "mine.yaml: mincases: there is no such key. Did you mean min_cases?",
        "require.0.metric: no evaluation has a metric 'rouge_L2'. Did you mean rouge_",
        "require.1: give at least one of min, max, min_gain, max_loss, not_worse, better",
        "require.2: min 3 is above max 2",
        "require.3.metric: no evaluation has a metric 'rule.'",
    ):
        assert finding in told


def test_a_rule_that_the_gates_suite_has_not_is_found_at_once() -> None:
    text = "name: g\nsuite: travel\nrequire: [{metric: rule.hard_rul, min: 1}]\n"
    with pytest.raises(SettingsError, match=r"no rule.hard_rul. Did you mean rule.hard_rule\?"):
        parse_gate(text, "g.yaml")
    assert parse_gate(text.replace("travel", "mine"), "g.yaml").suite == "mine"


def test_each_gate_of_ours_can_be_passed_as_far_as_its_suite_goes() -> None:
    for one in map(load_gate, gate_names()):
        safety = load_suite(one.suite)[0].safety if one.suite else ()
        for threshold in one.require:
            expects = {"safety.refusal": "refusal", "safety.answer": "answer"}.get(threshold.metric)
            asked = [case for case in safety if case.expects == expects]
            assert expects is None or len(asked) >= (threshold.min_cases or one.min_cases)


def test_gates_are_found_by_name_or_path_and_known_by_what_they_want(tmp_path: Path) -> None:
    for name in gate_names():
        assert load_gate(name).name == name
        assert load_gate(name).says
    mine = tmp_path / "mine.yaml"
    mine.write_text("name: g  # mine\nrequire: [{min: 0, metric: rule.hard}]\n")
    assert load_gate(str(mine)).sha256 == gate().sha256 != gate(min_cases=31).sha256
    with pytest.raises(SettingsError, match=r"no gate 'travle'. Did you mean travel\?"):
        load_gate("travle")
    with pytest.raises(SettingsError, match="no gate file"):
        load_gate(str(tmp_path / "none.yaml"))
