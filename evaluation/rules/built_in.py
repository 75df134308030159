"""Rules that no pattern can say: read by code of ours, named in a suite."""

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from pydantic import Field

from evaluation.cases import Case
from evaluation.rules.rule import Rule
from evaluation.rules.travel import breaches


def _travel(answer: str) -> Iterator[str]:
    for breach in breaches(answer):
        yield f"{breach.topic}: {breach.text}"


CHECKS: Mapping[str, Callable[[str], Iterator[str]]] = {"travel": _travel}


class BuiltIn(Rule):
    """`travel`: recommends no hotels, flights, rental cars or restaurants (rules/travel.py)."""

    built_in: Literal["travel"] = Field(examples=["travel"])

    def breaches(self, answer: str, case: Case) -> Iterator[str]:
        """Yield each breach's topic and sentence."""
        yield from CHECKS[self.built_in](answer)
