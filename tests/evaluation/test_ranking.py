"""The best of several: who is in, who cannot be told from it, and who is taken then."""

import random
from typing import Any

import pytest

from evaluation.cases import Case, Message
from evaluation.gates.gate import Gate
from evaluation.gates.ranking import CURSE, Ranking, rank
from evaluation.numbers.measuring import measure
from evaluation.replies import Reply
from evaluation.results import Evaluation, Measured, Source
from evaluation.sides import Overfit, Side
from evaluation.suites.suite import parse_suite

SUITE = "name: brief\nrules:\n- {name: polite, says: Says please, required: ['please']}\n"
WORDS = ("red", "green", "blue", "gold", "grey", "pink", "teal", "plum", "rust", "sand")


def evaluation(losses: dict[str, float], count: int = 40, **known: Any) -> Evaluation:
    """Make one in which a side's loss per token is its own, give or take what a case adds."""
    dice = random.Random(3)
    cases = [
        Case(messages=(Message(role="user", content=f"q{number}"),), reference=" ".join(WORDS))
        for number in range(count)
    ]
    noise = {case.id: dice.gauss(0, 0.3) for case in cases}
    own = known.get("own_noise", 0.0)
    replies = {
        name: {
            case.id: Reply(
                case=case.id, side=name, decoding="d",
                text="please " * (name not in known.get("rude", ())),
                nll=10 * (1.5 + loss + noise[case.id] + dice.gauss(0, own)), scored_tokens=10,
            )
            for case in cases
            if (name, case.id) != (known.get("misses", ""), cases[0].id)
        }
        for name, loss in losses.items()
    }  # fmt: skip
    sides = [
        Side(name=name, identity={"name": name}, overfit=Overfit(ratio=1.1)) for name in losses
    ]
    data = Source(name="d.jsonl", sha256="d")
    return measure(
        parse_suite(SUITE, "brief"), SUITE, cases, sides, replies, data=data,
        made="2026-11-22T08:00:00+00:00", resamples=400,
    )  # fmt: skip


def standings(ranking: Ranking) -> dict[str, str]:
    return {row.side: row.standing for row in ranking.rows}


def test_the_best_is_taken_where_it_is_sure() -> None:
    found = rank(evaluation({"base": 1.0, "j@1": 0.6, "j@2": 0.1, "j@3": 0.4}))
    assert (found.metric, found.best, found.chosen) == ("perplexity", "j@2", "j@2")
    assert standings(found) == {"j@2": "best", "j@3": "worse", "j@1": "worse"}
    assert list(standings(found)) == ["j@2", "j@3", "j@1"]
    assert found.notes == (CURSE,)


def test_of_those_that_cannot_be_told_apart_the_earliest_is_taken() -> None:
    found = rank(evaluation({"base": 1.0, "j@1": 0.21, "j@2": 0.2, "j@3": 0.9}, own_noise=0.4))
    assert found.best == "j@2"
    assert found.chosen == "j@1"
    assert standings(found)["j@1"] == "not told from the best"
    assert standings(found)["j@3"] == "worse"
    assert "j@1 cannot be told from j@2 by perplexity: j@1 is taken, the first." in found.notes


def test_the_more_there_are_to_choose_from_the_more_it_takes_to_be_worse() -> None:
    pair = {"base": 1.0, "j@1": 0.35, "j@2": 0.2}
    many = {**pair, **{f"j@{number}": 0.9 for number in range(3, 20)}}
    alone = rank(evaluation(pair, own_noise=0.22))
    among = rank(evaluation(many, own_noise=0.22))
    assert standings(alone)["j@1"] == "worse"
    (row,) = [row for row in among.rows if row.side == "j@1"]
    assert row.against_best is not None
    assert row.against_best.p is not None and row.against_best.p_corrected is not None
    assert row.against_best.p_corrected == min(1.0, row.against_best.p * 18)
    assert row.standing == "not told from the best" and among.chosen == "j@1"


def test_who_fails_the_gate_is_out_with_its_reasons_however_good_it_is() -> None:
    gate = Gate.model_validate(
        {"name": "g", "min_cases": 10, "require": [{"metric": "rule.polite", "min": 0.9}]}
    )
    found = rank(evaluation({"base": 1.0, "j@1": 0.6, "j@2": 0.1}, rude=("j@2",)), gate)
    assert (found.gate, found.best, found.chosen) == ("g", "j@1", "j@1")
    assert standings(found) == {"j@1": "best", "j@2": "out"}
    assert found.rows[-1].reasons[0].startswith("rule.polite: 0 over 40 answers (0 to ")
    nobody = rank(evaluation({"base": 1.0, "j@1": 0.6}, rude=("j@1",)), gate)
    assert (nobody.best, nobody.chosen) == ("", "")
    assert nobody.notes == ("Nobody is left to choose from.",)


def test_who_was_not_asked_all_is_out() -> None:
    found = rank(evaluation({"base": 1.0, "j@1": 0.6, "j@2": 0.1}, misses="j@2"))
    assert found.chosen == "j@1"
    assert found.rows[-1].reasons == ("1 of 40 cases have no answer of it",)


def test_who_is_out_for_missing_answers_takes_the_metric_from_nobody() -> None:
    whole = evaluation({"base": 1.0, "j@1": 0.6, "j@2": 0.1})
    cases = tuple(
        one.model_copy(
            update={"replies": {name: r for name, r in one.replies.items() if name != "j@2"}}
        )
        for one in whole.cases
    )
    metrics = tuple(
        one.model_copy(update={"sides": {**one.sides, "j@2": Measured(value=None)}})
        for one in whole.metrics
    )
    found = rank(whole.model_copy(update={"cases": cases, "metrics": metrics}))
    assert (found.metric, found.chosen) == ("perplexity", "j@1")
    assert standings(found) == {"j@1": "best", "j@2": "out"}


def test_the_choice_is_not_called_an_improvement_that_it_is_not() -> None:
    found = rank(evaluation({"base": 0.2, "j@1": 0.2}, own_noise=0.4))
    assert found.chosen == "j@1"
    assert found.notes == ("j@1 is not known to be better than base by perplexity.",)


@pytest.mark.parametrize(
    ("by", "metric", "best"),
    [
        (("rule.polite", "perplexity"), "rule.polite", "j@1"),
        (("seconds", "perplexity"), "perplexity", "j@2"),
        (("answer_tokens",), "", ""),
    ],
)
def test_the_first_metric_that_all_have_decides(
    by: tuple[str, ...], metric: str, best: str
) -> None:
    found = rank(evaluation({"base": 1.0, "j@1": 0.6, "j@2": 0.1}, rude=("j@2",)), by=by)
    assert (found.metric, found.best) == (metric, best)


def test_a_ranking_does_not_depend_on_the_order_of_the_cases() -> None:
    one = evaluation({"base": 1.0, "j@1": 0.35, "j@2": 0.2}, own_noise=0.2)
    other = one.model_copy(update={"cases": one.cases[::-1]})
    assert rank(one) == rank(other)
