"""Which chats of a file were seen: the table that tells exact copies."""

from array import array
from collections.abc import Iterator


class SeenRecords:
    """Which chats were seen, and on which line first: 12 bytes a slot, at least half of them free.

    An open-addressing table in two arrays; a dict would take five times the memory.
    """

    def __init__(self) -> None:
        self._resize(1 << 12)
        self._count = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Give each chat's key and first line."""
        return ((key, line) for key, line in zip(self._keys, self._lines, strict=True) if line)

    def add(self, key: int, line: int) -> int:
        """Remember a chat; give the line of the first one like it, or 0."""
        keys, lines, mask = self._keys, self._lines, self._mask
        slot = key & mask
        while first := lines[slot]:
            if keys[slot] == key:
                return first
            slot = (slot + 1) & mask
        keys[slot], lines[slot] = key, line
        self._count += 1
        if self._count * 2 > mask:
            self._grow()
        return 0

    def find(self, key: int) -> int:
        """Give the line of the first chat with this key, or 0."""
        return self._lines[self._slot(key)]

    def _slot(self, key: int) -> int:
        keys, lines, mask = self._keys, self._lines, self._mask
        slot = key & mask
        while lines[slot] and keys[slot] != key:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        entries = iter(self)  # over the old arrays: it has bound them already
        self._resize(len(self._keys) * 2)
        keys, lines, mask = self._keys, self._lines, self._mask
        for key, line in entries:  # all different, so the first free slot is theirs
            slot = key & mask
            while lines[slot]:
                slot = (slot + 1) & mask
            keys[slot], lines[slot] = key, line

    def _resize(self, size: int) -> None:
        self._mask = size - 1
        self._keys = array("Q", bytes(8 * size))
        self._lines = array("I", bytes(array("I").itemsize * size))
