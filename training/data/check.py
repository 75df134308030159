"""Check a training file in one streaming pass: every finding by its line.

The memory does not grow with the text, only by some 30 bytes a record (to know duplicates).
Not checked here: how many tokens a chat has; that takes the model's tokenizer, and the job
refuses what is too long.
"""

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from core.errors import SettingsError
from training.data.records import BOM, LONGEST_LINE, BadLine, faults, identity, parse

FEWEST = 10
"""Records below which a training file draws a warning; Azure OpenAI refuses fewer."""

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a file; line 0 is the file as a whole."""

    line: int
    severity: Severity
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}" if self.line else self.reason


@dataclass
class Report:
    """What one pass over a file found."""

    path: Path
    rows: int = 0
    """Records, faulty ones included."""
    sha256: str = ""
    bytes: int = 0
    roles: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    longest: int = 0
    """Bytes of the longest record."""
    findings: list[Finding] = field(default_factory=list)
    seen: "SeenRecords" = field(default_factory=lambda: SeenRecords(), repr=False)

    @property
    def errors(self) -> list[Finding]:
        """The findings that training cannot go on with."""
        return [finding for finding in self.findings if finding.severity == "error"]

    @property
    def is_good(self) -> bool:
        """True where the file can be trained on."""
        return not self.errors

    def document(self) -> dict[str, Any]:
        """Give the report as JSON-ready data, every finding included."""
        return {
            "path": str(self.path),
            "is_good": self.is_good,
            "rows": self.rows,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "roles": dict(self.roles),
            "duplicates": self.duplicates,
            "longest": self.longest,
            "findings": [
                {"line": finding.line, "severity": finding.severity, "reason": finding.reason}
                for finding in self.findings
            ],
        }


Keep = Callable[[bytes, int], None]
"""Takes a good record's line, byte for byte, and its identity."""


def check_file(path: Path, *, fewest: int = FEWEST, keep: Keep | None = None) -> Report:
    """Read a file once and report all that is wrong with it.

    `keep` is called for each record without a fault, so that a split needs no second pass.

    Raises:
        SettingsError: the file cannot be read at all.
    """
    report = Report(path)
    extras: Counter[str] = Counter()
    digest = hashlib.sha256()
    for number, line in _lines(path):
        digest.update(line)
        report.bytes += len(line)
        report.longest = max(report.longest, len(line))
        _check_line(report, number, line, extras, keep)
    report.sha256 = digest.hexdigest()
    _check_whole(report, extras, fewest)
    return report


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb", buffering=1 << 20) as file:
            number = 0
            while line := file.readline(LONGEST_LINE):
                number += 1
                yield number, line
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}.") from error


def _check_line(
    report: Report,
    number: int,
    line: bytes,
    extras: Counter[str],
    keep: Keep | None,
) -> None:
    if number == 1 and line.startswith(BOM):
        report.findings.append(
            Finding(1, "warning", "a byte order mark (BOM) is before the text; it is left out")
        )
        line = line[len(BOM) :]
    if line.isspace():
        report.findings.append(Finding(number, "warning", "an empty line; it is left out"))
        return
    report.rows += 1
    try:
        record = parse(line)
    except BadLine as fault:
        report.findings.append(Finding(number, "error", str(fault)))
        return
    is_good = True
    for reason in faults(record, report.roles, extras):
        report.findings.append(Finding(number, "error", reason))
        is_good = False
    if not is_good:
        return
    key = identity(record)
    first = report.seen.add(key, number)
    if first:
        report.duplicates += 1
        report.findings.append(Finding(number, "warning", f"the same chat as line {first}"))
    if keep:
        keep(line, key)


def _check_whole(report: Report, extras: Counter[str], fewest: int) -> None:
    whole: list[Finding] = []
    if not report.rows:
        whole.append(Finding(0, "error", "the file holds no record"))
    elif report.rows < fewest:
        whole.append(
            Finding(0, "warning", f"{report.rows} records are few; {fewest} is a sensible least")
        )
    for key, count in sorted(extras.items()):
        whole.append(Finding(0, "note", f"key `{key}` in {count} places is not used in training"))
    report.findings[:0] = whole


def require_good(*reports: Report) -> None:
    """Refuse to go on with faulty files, naming every fault of all of them.

    Raises:
        SettingsError: one line for each error, `path: line N: reason`.
    """
    reasons = [f"{report.path}: {finding}" for report in reports for finding in report.errors]
    if reasons:
        raise SettingsError("\n".join(reasons), hint="Nothing was sent.")


def leaks(train: Report, validation: Report) -> list[Finding]:
    """Find chats of the validation file that the training file holds too, by validation line.

    A leaked chat makes the validation loss a lie.
    """
    found = []
    for key, line in validation.seen:
        first = train.seen.find(key)
        if first:
            reason = f"this chat is in the training file too, line {first}"
            found.append(Finding(line, "warning", reason))
    return sorted(found, key=lambda finding: finding.line)


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
        slot = self._slot(key)
        if self._lines[slot]:
            return self._lines[slot]
        self._keys[slot], self._lines[slot] = key, line
        self._count += 1
        if self._count * 2 > len(self._keys):
            self._grow()
        return 0

    def find(self, key: int) -> int:
        """Give the line of the first chat with this key, or 0."""
        return self._lines[self._slot(key)]

    def _slot(self, key: int) -> int:
        keys, lines, mask = self._keys, self._lines, len(self._keys) - 1
        slot = key & mask
        while lines[slot] and keys[slot] != key:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        entries = iter(self)  # over the old arrays: it has bound them already
        self._resize(len(self._keys) * 2)
        for key, line in entries:
            slot = self._slot(key)
            self._keys[slot], self._lines[slot] = key, line

    def _resize(self, size: int) -> None:
        self._keys = array("Q", bytes(8 * size))
        self._lines = array("I", bytes(array("I").itemsize * size))
