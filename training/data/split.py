"""Split a file into training and validation by a stable hash of each chat.

Where a chat goes depends on the chat and the seed alone: adding records moves none of the
others, and equal chats always land on the same side. Lines are copied byte for byte.

Records can be grouped by a key of theirs (a customer, a document): a group stays on one side.
Groups are of different size, so a first pass counts them; a new record can then move the group
at the border. Near duplicates are not held together: one new chat between two others would move
both. `data check TRAIN VALIDATION` names those that were parted.
"""

import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

import orjson

from core.errors import SettingsError
from training.data.check import check_file, require_good
from training.data.findings import Report
from training.data.records import stable_hash

TRAIN, VALIDATION = "train.jsonl", "validation.jsonl"


@dataclass(frozen=True)
class Split:
    """The two files and how many records each got."""

    train: Path
    validation: Path
    train_rows: int
    validation_rows: int
    report: Report
    """The check of the file that was split."""


def split_file(
    path: Path, folder: Path, *, share: float = 0.2, seed: int = 0, group_by: str = ""
) -> Split:
    """Check a file and write `train.jsonl` and `validation.jsonl` to `folder`, in one pass.

    About `share` of the chats go to validation; neither side is ever left empty. With `group_by`
    records that have the same value under that key stay on one side; that takes two passes and
    some 100 bytes a group.

    Raises:
        SettingsError: the file has faults (all are named), holds fewer than two chats or groups,
            or would be overwritten by its own split; a record lacks the key.
    """
    if not 0 < share < 1:
        raise SettingsError(f"share: {share} is not between 0 and 1; for example 0.2")
    if path.resolve() in ((folder / TRAIN).resolve(), (folder / VALIDATION).resolve()):
        raise SettingsError(
            f"{path} would be overwritten by its own split.", hint="Choose another --folder."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".split-") as work:
            return _split(path, Path(work), folder, share, seed, group_by)
    except OSError as error:
        raise SettingsError(f"{folder}: cannot write there: {error.strerror}.") from error


def _split(path: Path, work: Path, folder: Path, share: float, seed: int, group_by: str) -> Split:
    salt = seed.to_bytes(8, "little", signed=True)
    place_of, is_validation = _by_chat(salt, share)
    if group_by:
        place_of, is_validation = _by_group(path, group_by, salt, share)
    sides = [Side(work / name, keeps_edges=not group_by) for name in (TRAIN, VALIDATION)]
    with sides[0] as train, sides[1] as validation:

        def keep(line: bytes, key: int, record: dict[str, Any]) -> None:
            place = place_of(key, record)
            (validation if is_validation(place) else train).write(line, place)

        report = check_file(path, keep=keep)
        require_good(report)
        if not (train.rows and validation.rows):
            _share_out(path, train, validation)
    for name in (TRAIN, VALIDATION):
        (work / name).replace(folder / name)
    return Split(folder / TRAIN, folder / VALIDATION, train.rows, validation.rows, report)


PlaceOf = Callable[[int, dict[str, Any]], int]
"""Gives a record's place, by its identity or by what it holds."""
IsValidation = Callable[[int], bool]


def _by_chat(salt: bytes, share: float) -> tuple[PlaceOf, IsValidation]:
    limit = int(share * 2**64)
    return lambda key, record: _place(key, salt), lambda place: place < limit


def _by_group(path: Path, name: str, salt: bytes, share: float) -> tuple[PlaceOf, IsValidation]:
    """Count the groups and choose those whose records together are about the share.

    Raises:
        SettingsError: the file has faults, a record lacks the key, or there is one group only.
    """

    def place_of(key: int, record: dict[str, Any]) -> int:
        value = orjson.dumps(record[name], option=orjson.OPT_SORT_KEYS)
        return _place(stable_hash(value), salt)

    sizes: Counter[int] = Counter()
    lacking: list[bytes] = []

    def count(line: bytes, key: int, record: dict[str, Any]) -> None:
        if record.get(name) is None:
            lacking.append(line[:60])
        else:
            sizes[place_of(key, record)] += 1

    require_good(check_file(path, keep=count))
    if lacking:
        raise SettingsError(
            f"{path}: {len(lacking)} records have no `{name}`; the first begins with"
            f" {lacking[0].decode(errors='replace')}",
            hint="Give every record the key, or split without --group-by.",
        )
    if len(sizes) < 2:
        raise SettingsError(
            f"{path}: one group of `{name}` holds every record; a split needs two.",
            hint="Choose another key, or split without --group-by.",
        )
    chosen = _about(sizes, share)
    return place_of, chosen.__contains__


def _about(sizes: Counter[int], share: float) -> set[int]:
    """Choose groups in the order of their places, each that brings the sum nearer to the share."""
    wanted = share * sizes.total()
    chosen: set[int] = set()
    together = 0
    for place in sorted(sizes):
        if abs(together + sizes[place] - wanted) < abs(together - wanted):
            chosen.add(place)
            together += sizes[place]
    if not chosen:  # every group is more than twice the share
        chosen.add(min(sizes, key=lambda place: (sizes[place], place)))
    if len(chosen) == len(sizes):
        chosen.remove(min(sizes, key=lambda place: (sizes[place], place)))
    return chosen


def place_of_chat(key: int, seed: int = 0) -> int:
    """Give a chat's place by its identity, as `split_file` with that seed does."""
    return _place(key, seed.to_bytes(8, "little", signed=True))


def _place(key: int, salt: bytes) -> int:
    """Put a chat in the order that the seed makes: an even spread over 64 bits."""
    digest = blake2b(key.to_bytes(8, "little"), digest_size=8, key=salt).digest()
    return int.from_bytes(digest, "little")


@dataclass
class Side:
    """One of the two files while it is written."""

    path: Path
    rows: int = 0
    edges: dict[int, list[bytes]] = field(default_factory=dict)
    """The chats with the lowest and the highest place, one of which an empty side gets."""
    keeps_edges: bool = True
    """False where no side can stay empty."""
    _low: int = 0
    _high: int = 0
    _file: IO[bytes] | None = None

    def __enter__(self) -> "Side":
        self._file = self.path.open("wb", buffering=1 << 20)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._file
        self._file.close()

    def write(self, line: bytes, place: int) -> None:
        """Add a line as it is; only a missing line end is put in."""
        assert self._file
        whole = line if line.endswith(b"\n") else line + b"\n"
        self._file.write(whole)
        self.rows += 1
        if self.keeps_edges and not self._low < place < self._high:
            self._keep_edge(whole, place)

    def _keep_edge(self, line: bytes, place: int) -> None:
        self.edges.setdefault(place, []).append(line)
        for inner in sorted(self.edges)[1:-1]:
            del self.edges[inner]
        if len(self.edges) == 2:
            self._low, self._high = sorted(self.edges)

    def give(self, place: int, to: "Side") -> None:
        """Move the chat at `place`, all its copies, to the other side."""
        assert self._file
        moved = self.edges.pop(place)
        self._file.close()
        rest = self.path.with_suffix(".rest")
        with self.path.open("rb") as whole, rest.open("wb") as kept:
            kept.writelines(line for line in whole if line not in moved)
        rest.replace(self.path)
        self._file = self.path.open("ab")
        self.rows -= len(moved)
        for line in moved:
            to.write(line, place)


def _share_out(path: Path, train: Side, validation: Side) -> None:
    """Give the empty side the chat nearest to it in the order of hashes."""
    full, empty = (train, validation) if train.rows else (validation, train)
    if len(full.edges) < 2:
        raise SettingsError(f"{path}: holds one chat only; a split needs two different ones.")
    full.give(min(full.edges) if empty is validation else max(full.edges), empty)
