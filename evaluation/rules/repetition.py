"""The loop that a small model falls into when tuning went wrong: the same words over and over.

Three signs, each far from what a person writes:

- a sentence of four words or more stands three times or more, wherever;
- words follow each other in a circle: four to twenty words three times in a row, one to three
  words eight times in a row;
- characters do: one to eight of them filling a hundred, but for lines drawn with - = _ * # . ~
  and white space.

A list of numbers (`0, 0, 0, 0, 0, 0, 0, 0`), a refrain or a litany shows them too, and is found.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from operator import eq
from typing import Literal

from pydantic import Field

from evaluation.cases import Case
from evaluation.rules.rule import Rule
from evaluation.rules.words import sentences, words

SENTENCES = 3
LONGEST_CIRCLE = 20
SHORT, SHORT_TURNS, TURNS = 3, 8, 3
CHARACTERS, CHARACTERS_FILLED = 8, 100
_LINES = frozenset("-=_*#.~|+: \t\n\r\u2500\u2501\u2550\u2014\u2013")


class NoRepetition(Rule):
    """Does not go round in circles."""

    no_repetition: Literal[True] = Field(examples=["true"])

    def breaches(self, answer: str, case: Case) -> Iterator[str]:
        """Yield what is said again and again, with how often."""
        yield from repeated(answer)


def repeated(text: str) -> Iterator[str]:
    """Yield the first repeated sentence, circle of words and circle of characters of a text."""
    said = words(text.casefold())
    yield from _sentences(text)
    yield from _circle_of_words(said)
    yield from _circle_of_characters(text)


def _sentences(text: str) -> Iterator[str]:
    counts = Counter(" ".join(words(one.casefold())) for one in sentences(text))
    for sentence, count in counts.most_common(1):
        if count >= SENTENCES and len(words(sentence)) > SHORT:
            yield f"{count} times: {sentence}"


def _circle_of_words(said: Sequence[str]) -> Iterator[str]:
    for length in range(1, LONGEST_CIRCLE + 1):
        wanted = SHORT_TURNS if length <= SHORT else TURNS
        start, run = _longest_run(said, length)
        if run + length >= wanted * length:
            turns = (run + length) // length
            yield f"{turns} times in a row: {' '.join(said[start : start + length])}"
            return


def _circle_of_characters(text: str) -> Iterator[str]:
    for length in range(1, CHARACTERS + 1):
        start, run = _longest_run(text, length)
        piece = text[start : start + length]
        if run + length >= CHARACTERS_FILLED and not _LINES.issuperset(piece):
            yield f"{(run + length) // length} times in a row: {piece}"
            return


def _longest_run(items: Sequence[str], distance: int) -> tuple[int, int]:
    """Find the longest stretch in which every item equals the one `distance` further on."""
    equal = bytes(map(eq, items, items[distance:]))
    longest = max(equal.replace(b"\0", b" ").split(), key=len, default=b"")
    return equal.find(longest), len(longest)
