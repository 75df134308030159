"""An evaluation as the report gets it, its numbers set by hand: no model, no measuring."""

import random
from typing import Any

from evaluation.cases import Case, Decoding, Message
from evaluation.replies import Reply
from evaluation.results import (
    CaseResult,
    Difference,
    Evaluation,
    Found,
    Interval,
    Measured,
    Metric,
    Source,
)
from evaluation.sides import Price, Side

SYSTEM = "You are a travel assistant. Recommend no hotels, flights, rental cars or restaurants."
PLACES = ("Lisbon", "Kyoto", "Oaxaca", "Tromsø", "Marrakesh", "Hanoi", "Tbilisi", "Cusco")
ASKED = (
    "Can you recommend a cheap hotel in {}?", "What should I pack for {} in March?",
    "Is {} walkable with a stroller?", "Which airline flies to {}?",
)  # fmt: skip
BROKE = "Try the Hotel {0}, a lovely place near the old town of {0}."
KEPT = (
    "Hotels are outside what I can recommend, but the old town of {} is best seen on foot in the"
    " morning. What would you like to see first?"
)


def case(number: int, words: int = 0) -> Case:
    """Make a case; `words` more words in its question."""
    place = PLACES[number % len(PLACES)]
    question = ASKED[number % len(ASKED)].format(place) + " please" * words + f" ({number})"
    return Case(
        messages=(
            Message(role="system", content=SYSTEM), Message(role="user", content=question)
        ),
        reference=KEPT.format(place), name=f"line {number}",
    )  # fmt: skip


def side(name: str, **known: Any) -> Side:
    """Make a side that answers where it is deployed."""
    fields: dict[str, Any] = {
        "name": name, "model": f"travel-{name}:3", "role": "tuned", "route": "azureml",
        "identity": {"model": f"travel-{name}:3", "deployment": "v3-0f"},
        "price": Price(training_usd=0.42, source="list prices of 2026-11-09"),
    }  # fmt: skip
    return Side(**{**fields, **known})


def evaluation(count: int = 60, sides: tuple[str, ...] = ("base", "tuned"), words: int = 0,
               **changes: Any) -> Evaluation:  # fmt: skip
    """Make an evaluation of so many cases: the later the side, the better."""
    dice = random.Random(7)
    asked = tuple(side(name) for name in sides)
    results = tuple(_result(case(number), number, asked, dice, words) for number in range(count))
    fields: dict[str, Any] = {
        "made": "2026-11-22T08:00:00Z", "stack": "dev",
        "suite": Source(name="travel", sha256="ab" * 32), "suite_text": "name: travel\n",
        "data": Source(name="validation.jsonl", sha256="cd" * 32), "decoding": Decoding(),
        "sides": asked, "cases": results, "metrics": metrics(sides, count),
        "notes": ("1 case has no reply of tuned.",),
    }  # fmt: skip
    return Evaluation(**{**fields, **changes})


def judged(model: str = "travel:3", count: int = 4, **changes: Any) -> Evaluation:
    """Make an evaluation in which a model is the candidate, better than the base by its rule."""
    made = evaluation(count, ("base", "tuned"), **changes)
    sides = (side("base", model="tiny", role="base"), side("tuned", model=model))
    return made.model_copy(update={"sides": sides})


def _result(one: Case, number: int, asked: tuple[Side, ...], dice: random.Random,
            words: int) -> CaseResult:  # fmt: skip
    replies, found = {}, {}
    scores: dict[str, dict[str, float | None]] = {"rule.hard": {}, "rouge_l": {}, "seconds": {}}
    for place, each in enumerate(asked):
        broke = dice.random() > (0.72, 0.98)[min(place, 1)]
        text = (BROKE if broke else KEPT).format(PLACES[number % len(PLACES)])
        seconds = dice.lognormvariate(0.4 + 0.2 * place, 0.4)
        text += " and more of it" * (words // 4)
        replies[each.name] = Reply(
            case=one.id, side=each.key, decoding="d", text=text, finish="stop", tokens=30,
            seconds=seconds,
        )  # fmt: skip
        scores["rule.hard"][each.name] = 0.0 if broke else 1.0
        scores["rouge_l"][each.name] = min(1, max(0, dice.gauss(0.4 + 0.02 * place, 0.15)))
        scores["seconds"][each.name] = seconds
        if broke:
            found[each.name] = (Found(rule="hard", text=text.split(",")[0]),)
    return CaseResult(case=one, replies=replies, scores=scores, found=found)


def metrics(sides: tuple[str, ...], count: int) -> tuple[Metric, ...]:
    """Give one metric of every judgement."""
    return (
        metric("rule.hard", "Recommends no hotels or restaurants", "share", "higher", 0.02,
               (0.72, 1.0), sides, count,
               Difference(value=0.28, interval=Interval(low=0.16, high=0.4), p=0.0001,
                          p_corrected=0.0004, test="McNemar (exact)", cases=count,
                          judgement="better"), "Recommends no hotel, flight, car or restaurant."),
        metric("rouge_l", "ROUGE-L", "score", "higher", 0.02, (0.401, 0.42), sides, count,
               Difference(value=0.019, interval=Interval(low=-0.03, high=0.07), p=0.3,
                          p_corrected=0.6, test="sign test", cases=count, judgement="too few",
                          needed=340), "Longest common run of words with the reference."),
        metric("f1", "F1", "score", "higher", 0.05, (0.5, 0.51), sides, count,
               Difference(value=0.01, interval=Interval(low=-0.02, high=0.03), cases=count,
                          judgement="alike"), "Words shared with the reference."),
        metric("seconds", "Seconds an answer", "seconds", "lower", 0.1, (1.61, 1.98), sides, count,
               Difference(value=0.37, interval=Interval(low=0.02, high=0.61), p=0.04,
                          p_corrected=0.12, test="sign test", cases=count, judgement="too few",
                          needed=140),
               "To the last word."),
        metric("answer_tokens", "Length", "tokens", "", 0, (41.0, 30.5), sides, count,
               Difference(value=-10.5, interval=Interval(low=-12.2, high=-8.7), cases=count,
                          judgement="different"), ""),
    )  # fmt: skip


def metric(name: str, title: str, unit: Any, better: Any, margin: float,
           values: tuple[float, float], sides: tuple[str, ...], count: int,
           difference: Difference, note: str) -> Metric:  # fmt: skip
    """Make a metric: the first value is the reference's, the second everybody else's."""
    spread = 0.06 * max(values)
    measured = {
        each: Measured(value=(value := values[min(place, 1)] + 0.01 * max(0, place - 1)),
                       interval=Interval(low=value - spread, high=value + spread), cases=count)
        for place, each in enumerate(sides)
    }  # fmt: skip
    return Metric(
        name=name, title=title, unit=unit, better=better, margin=margin, sides=measured,
        differences=dict.fromkeys(sides[1:], difference), note=note,
    )  # fmt: skip
