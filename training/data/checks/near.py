"""Near duplicates: chats that share most of their words in the same order.

Two chats are near where about four fifths of their rows of three words are the same (Jaccard).
That is estimated by MinHash: of each chat 40 smallest hashes are kept, one byte each, so 44 bytes
a chat with its line. Chats with four hashes in a row alike (of ten rows) are compared; where 32
of the 40 are alike they are near. So at nine tenths nearly all are found, at eight tenths a
little more than half, at seven one in nine. System messages do not count, and chats below twelve
words are left to the check for exact copies.
"""

from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import rensa  # type: ignore[import-untyped]

from training.data.checks.conversation import Conversation
from training.data.findings import Report, found

if TYPE_CHECKING:
    import numpy

    Numbers = numpy.ndarray[Any, numpy.dtype[Any]]

HASHES, BAND = 40, 4
NEAR = 32
"""Hashes of 40 that are alike in near duplicates: an estimate of 0.8."""
FEWEST_WORDS = 12
CHUNK = 1024
"""Chats whose words are held until they are hashed together."""
PAIRS = 1 << 16
"""Pairs that are compared at a time; bounds the memory of the comparison."""


class Sketches:
    """The sketches of a file's chats and their lines, in the order of the file."""

    def __init__(self) -> None:
        self.hashes = bytearray()
        self.lines = array("I")
        self._words: list[list[str]] = []

    def add(self, line: int, text: str) -> None:
        """Remember a chat by its words."""
        words = text.lower().split()
        if len(words) < FEWEST_WORDS:
            return
        self.lines.append(line)
        self._words.append([*map(" ".join, zip(words, words[1:], words[2:], strict=False))])
        if len(self._words) == CHUNK:
            self.flush()

    def flush(self) -> None:
        """Hash what is held."""
        if self._words:
            rows = rensa.RMinHash.digest_matrix_from_token_sets(self._words, HASHES, 1).to_rows()
            self.hashes += bytes([value & 255 for row in rows for value in row])
            self._words.clear()

    def near_duplicates(self) -> Iterator[tuple[int, int]]:
        """Yield the line of each chat that is near an earlier one, and that one's line."""
        import numpy

        if len(self.lines) < 2:
            return
        table = self._table()
        first = numpy.arange(len(table), dtype=numpy.uint32)
        for band in range(HASHES // BAND):
            order, keys = self._in_order(band)
            for step in (1, 2):  # each is compared with the two before it that are alike
                alike = numpy.flatnonzero(keys[step:] == keys[:-step])
                _keep_nearest(table, table, order[alike + step], order[alike], first)
        places = numpy.arange(len(table), dtype=numpy.uint32)
        for place in numpy.flatnonzero(first != places):
            yield self.lines[place], self.lines[first[place]]

    def near_to(self, others: "Sketches") -> Iterator[tuple[int, int]]:
        """Yield the line of each chat that is near one of the others, and that one's line."""
        import numpy

        if not self.lines or not others.lines:
            return
        table, theirs = self._table(), others._table()
        none = numpy.uint32(len(theirs))
        first = numpy.full(len(table), none, dtype=numpy.uint32)
        for band in range(HASHES // BAND):
            wanted = self._keys(band)
            order, keys = others._in_order(band)
            begin = numpy.searchsorted(keys, wanted, side="left")
            end = numpy.searchsorted(keys, wanted, side="right")
            for step in range(4):  # of many that are alike the first ones stand for the rest
                here = numpy.flatnonzero(begin + step < end)
                _keep_nearest(table, theirs, here, order[begin[here] + step], first)
        for place in numpy.flatnonzero(first != none):
            yield self.lines[place], others.lines[first[place]]

    def _table(self) -> "Numbers":
        import numpy

        self.flush()
        return numpy.frombuffer(self.hashes, dtype=numpy.uint8).reshape(-1, HASHES)

    def _in_order(self, band: int) -> tuple["Numbers", "Numbers"]:
        """Give the places of the chats in the order of their keys, and the keys in that order."""
        import numpy

        keys = self._keys(band)
        order = numpy.argsort(keys, kind="stable").astype(numpy.uint32)
        return order, keys[order]

    def _keys(self, band: int) -> "Numbers":
        import numpy

        rows = numpy.frombuffer(self.hashes, dtype=numpy.uint32).reshape(-1, HASHES // BAND)
        return rows[:, band].copy()


def _keep_nearest(
    table: "Numbers", theirs: "Numbers", later: "Numbers", earlier: "Numbers", first: "Numbers"
) -> None:
    """Note for each pair that is near its earlier chat, the earliest one of several."""
    import numpy

    for begin in range(0, len(later), PAIRS):
        mine, other = later[begin : begin + PAIRS], earlier[begin : begin + PAIRS]
        near = (table[mine] == theirs[other]).sum(axis=1) >= NEAR
        numpy.minimum.at(first, mine[near], other[near].astype(numpy.uint32))


class Near:
    """Sketches each chat; compares them at the end."""

    def __init__(self, rules: frozenset[str], report: Report) -> None:
        self._rules, self._report = rules, report
        self._sketches = report.sketches = Sketches()

    def look(self, conversation: Conversation) -> None:
        """Sketch one record, unless it is an exact copy."""
        if not conversation.is_copy:
            self._sketches.add(conversation.line, conversation.spoken)

    def end(self) -> None:
        """Name the near duplicates of the file."""
        if "duplicates.near" in self._rules:
            for line, first in self._sketches.near_duplicates():
                reason = f"nearly the same {self._report.kind} as line {first}"
                self._report.findings.append(found("duplicates.near", line, reason))
        self._sketches.flush()
