"""Measure 2,000 cases of two sides with the chat suite, by part; beside it sacrebleu's own way.

    python bench/evaluation.py [CASES]

Ours is `measure` as `evaluate` calls it: all metrics of the suite (rules, safety, losses, F1,
ROUGE, BLEU, chrF, lengths, times, prices) with 10,000 paired resamples each, intervals, tests, and
the record of every case. sacrebleu's is `PairedTest` of BLEU and chrF alone over the same answers,
with its default of 1,000 resamples, which gives a p and an interval to each of the two. Each runs
three times in one process, in turn, and the best counts; imports and models are loaded before.
Beside the seconds stands the processor's time, which says more on a machine that does other work.
"""

import os
import platform
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from evaluation.cases import Case, Message
from evaluation.metrics.catalogue import metrics
from evaluation.metrics.conduct import CONDUCT, RuleBook, rule_metrics
from evaluation.metrics.likelihood import LIKELIHOOD
from evaluation.metrics.overlap import OVERLAP
from evaluation.metrics.service import SERVICE
from evaluation.numbers.columns import draw, read
from evaluation.numbers.measuring import measure
from evaluation.replies import Reply
from evaluation.results import Evaluation, Source
from evaluation.sides import Price, Side
from evaluation.suites.suite import Suite, load_suite

ROUNDS = 3
CASES = 2_000
GOAL = 15.0
MADE = "2026-11-22T08:00:00Z"
RESAMPLES = 10_000
PEER_RESAMPLES = 1_000
ANSWER_WORDS = (40, 140)
TEXT = (
    "the a of to and in for with on at from by you your it is are was will can could should visit "
    "see walk take bring find enjoy plan start morning evening afternoon early late before after "
    "old town harbour market castle museum garden river bridge square church tower park beach hill "
    "valley train bus ferry ticket price time hour day week season summer winter rain sun weather "
    "warm cold quiet busy famous local small large beautiful easy long short view street path gate "
    "music food coffee bread history art people family children friend guide map bag shoes camera "
    "visa passport border custom language word question answer help know think want like need"
)
WORDS = TEXT.split()


def texts(count: int, seed: int) -> list[str]:
    """Write so many answers of sentences."""
    dice = random.Random(seed)
    return [_answer(dice) for _ in range(count)]


def _answer(dice: random.Random) -> str:
    words = dice.choices(WORDS, k=dice.randint(*ANSWER_WORDS))
    for place in range(11, len(words), 12):
        words[place] += "."
        words[place - 1] = words[place - 1].capitalize()
    return " ".join(words) + dice.choice([".", "?"])


def near(text: str, kept: float, dice: random.Random) -> str:
    """Write an answer that keeps so many of a reference's words."""
    said = (word if dice.random() < kept else dice.choice(WORDS) for word in text.split())
    return " ".join(said)


def asked(count: int) -> tuple[list[Case], list[Side], dict[str, dict[str, Reply]]]:
    """Make cases, two sides and their replies, the same every time."""
    dice = random.Random(1)
    cases = [
        Case(
            messages=(Message(role="user", content=f"{number}: {near(text[:120], 0.9, dice)}?"),),
            reference=text,
        )
        for number, text in enumerate(texts(count, 2))
    ]
    sides = [
        Side(name=name, identity={"m": name}, price=Price(per_hour_usd=1.2))
        for name in ("base", "tuned")
    ]
    replies = {
        side.name: {case.id: _reply(case, side, kept, dice) for case in cases}
        for side, kept in zip(sides, (0.5, 0.55), strict=True)
    }
    return cases, sides, replies


def _reply(case: Case, side: Side, kept: float, dice: random.Random) -> Reply:
    text = near(case.reference, kept, dice)
    length = len(text.split())
    return Reply(
        case=case.id, side=side.key, decoding="d", text=text, finish="stop", tokens=length,
        prompt_tokens=30, seconds=dice.uniform(0.5, 4), first_token_seconds=dice.uniform(0.1, 0.5),
        nll=dice.uniform(1, 3) * length, scored_tokens=len(case.reference), correct_tokens=20,
    )  # fmt: skip


@dataclass(frozen=True)
class Took:
    """What a call took: seconds on the clock, and of the processor."""

    seconds: float
    processor: float

    def __str__(self) -> str:
        return f"{self.seconds:6.2f} s ({self.processor:.2f} s of processor)"


def parts(
    suite: Suite, cases: Sequence[Case], sides: Sequence[Side],
    replies: dict[str, dict[str, Reply]],
) -> dict[str, Took]:  # fmt: skip
    """Time what `measure` is made of, a part at a time."""
    answers = [(case, {side.name: replies[side.name][case.id] for side in sides}) for case in cases]
    families = {
        "reading rules": rule_metrics(RuleBook(suite.rules)),
        **{f"reading {one.title}": (one,) for one in OVERLAP if one.name != "rouge_2"},
        "reading the rest": (*CONDUCT, *LIKELIHOOD, *SERVICE),
    }
    took = {name: timed(partial(read, some, answers, sides)) for name, some in families.items()}
    columns = [one for one in read(metrics(suite), answers, sides) if not one.is_empty]
    took[f"{RESAMPLES:,} resamples"] = timed(partial(draw, columns, RESAMPLES, 0))
    return took


def sacrebleu_way(cases: Sequence[Case], replies: dict[str, dict[str, Reply]]) -> None:
    """Test two systems by sacrebleu's paired bootstrap, in BLEU and chrF."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.significance import PairedTest

    references = [[case.reference for case in cases]]
    systems = [(name, [by[case.id].text for case in cases]) for name, by in replies.items()]
    metrics = {"BLEU": BLEU(references=references), "chrF": CHRF(references=references)}
    PairedTest(systems, metrics, references, "bs", n_samples=PEER_RESAMPLES)()


def timed(work: Callable[[], object]) -> Took:
    """Do it once."""
    start, busy = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - start, time.process_time() - busy)


def best(rounds: Sequence[Took]) -> Took:
    """Give the quickest round."""
    return min(rounds, key=lambda one: one.seconds)


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else CASES
    cases, sides, replies = asked(count)
    suite, text = load_suite("chat")

    def ours(some: Sequence[Case] = cases) -> Evaluation:
        data = Source(name="bench", sha256="0")
        return measure(suite, text, some, sides, replies, data=data, made=MADE, resamples=RESAMPLES)

    ours(cases[:30])  # imports, and the model that tells languages
    sacrebleu_way(cases[:30], replies)
    rounds = [(timed(ours), timed(partial(sacrebleu_way, cases, replies))) for _ in range(ROUNDS)]
    mine, peer = (best([one[place] for one in rounds]) for place in (0, 1))
    count_of_metrics = len(ours(cases[:30]).metrics)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
          f"{time.strftime('%Y-%m-%d')}; {count:,} cases, two sides, best of {ROUNDS}")  # fmt: skip
    for name, took in parts(suite, cases, sides, replies).items():
        print(f"  {name:24} {took}")
    print(f"measure: {mine} for {count_of_metrics} metrics, {RESAMPLES:,} resamples"
          f" (goal at {CASES:,} cases: {GOAL:g})")  # fmt: skip
    print(f"PairedTest: {peer} for 2 metrics, {PEER_RESAMPLES:,} resamples; ours takes"
          f" {mine.processor / peer.processor:.2f} times its processor time")  # fmt: skip


if __name__ == "__main__":
    main()
