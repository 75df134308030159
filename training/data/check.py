"""Check a training file in one streaming pass: every finding by its line.

The memory does not grow with the text, only by some 30 bytes a record to know copies, and by 44
more where near copies are looked for. How many tokens a chat has takes the model's tokenizer:
`measure` is given by who has it.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from orjson import JSONDecodeError, loads

from core.errors import SettingsError
from training.data.checks import Conversation, RecordCheck, checks_for
from training.data.findings import Finding, Kind, Report, found
from training.data.records import (
    BOM,
    LONGEST_LINE,
    BadLine,
    Shape,
    count_shapes,
    faults,
    identity,
    is_plain,
    kind_of,
    parse,
    remember_shape,
)
from training.data.rules import QUICK

BLOCK = 1 << 20
"""Bytes that are read at a time."""
__all__ = [
    "FEWEST", "Finding", "Measure", "Report", "check_file", "leaks", "require_good",
    "require_kind",
]  # fmt: skip

FEWEST = 10
"""Records below which a training file draws a warning; Azure OpenAI refuses fewer."""

Keep = Callable[[bytes, int, dict[str, Any]], None]
"""Takes a good record: its line byte for byte, its identity, and what the line says."""

Measure = Callable[[dict[str, Any]], int]
"""Takes a good record; gives the tokens by which it is longer than the training's max_length, so
how many truncation would cut off its end. 0: it fits."""

Lines = Iterable[tuple[int, bytes, str]]
"""Number, content and, where it could not be read, why: of each record of another form."""


def check_file(
    path: Path,
    *,
    fewest: int = FEWEST,
    rules: frozenset[str] = QUICK,
    base: str = "",
    measure: Measure | None = None,
    keep: Keep | None = None,
    lines: Lines | None = None,
) -> Report:
    """Read a file once and report all that is wrong with it.

    Args:
        path: the file.
        fewest: records below which a warning is due.
        rules: which rules to look at, from `rules.choose`; the quick ones where not given.
        base: id of the base model where it is known; its template decides on some rules.
        measure: counts the tokens that are too many for the training.
        keep: is called for each record without a fault, so that a split needs no second pass.
        lines: the records, where the file is of another form (`training.data.formats`).

    Raises:
        SettingsError: the file cannot be read at all.
    """
    checking = _Pass(Report(path), rules, base, measure, keep)
    if lines is None:
        checking.read(_blocks(path))
    else:
        checking.read_other(lines)
    checking.end(fewest)
    return checking.report


def _blocks(path: Path) -> Iterator[list[bytes]]:
    """Read whole lines, each with its end, a megabyte of them at a time."""
    rest = b""
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(BLOCK):
                lines = BytesIO(rest + block).readlines()
                is_whole = lines[-1].endswith(b"\n") or len(lines[-1]) >= LONGEST_LINE
                rest = b"" if is_whole else lines.pop()
                yield lines
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}.") from error
    if rest:
        yield [rest]


class _Pass:
    """One pass over one file."""

    def __init__(
        self,
        report: Report,
        rules: frozenset[str],
        base: str,
        measure: Measure | None,
        keep: Keep | None,
    ) -> None:
        self.report, self.rules, self.measure, self.keep = report, rules, measure, keep
        self.checks: list[RecordCheck] = checks_for(rules, base, report)
        self.extras: Counter[str] = Counter()
        self.shapes: dict[Shape, int] = {}
        self.kind: Kind | None = None
        self.tells_copies = "duplicates.exact" in rules

    def read(self, blocks: Iterator[list[bytes]]) -> None:
        """Check the lines of a file that is trained on as it is."""
        report, digest, before = self.report, hashlib.sha256(), 0
        shapes, good = self.shapes, self.good
        for lines in blocks:
            digest.update(b"".join(lines))
            report.bytes += sum(map(len, lines))
            report.longest = max(report.longest, max(map(len, lines), default=0))
            for number, line in enumerate(lines, before + 1):
                # The common line first; whatever it is not is looked at from the start again.
                if self.kind == "chat":
                    try:
                        record = loads(line)
                    except JSONDecodeError:
                        record = None
                    if is_plain(record, shapes):
                        report.rows += 1
                        good(number, line, record)
                        continue
                self.line(number, line)
            before += len(lines)
        report.sha256 = digest.hexdigest()

    def read_other(self, lines: Lines) -> None:
        """Check records that are read from another form; the hash is of what they become."""
        digest = hashlib.sha256()
        for number, content, fault in lines:
            if fault:
                self.report.rows += 1
                self.say("json.source", number, fault)
                continue
            digest.update(content + b"\n")
            self.report.bytes += len(content) + 1
            self.report.longest = max(self.report.longest, len(content))
            self.line(number, content)
        self.report.sha256 = digest.hexdigest()

    def line(self, number: int, line: bytes) -> None:
        """Check one line."""
        if number == 1 and line.startswith(BOM):
            self.say("json.mark", 1, "a byte order mark (BOM) is before the text; it is left out")
            line = line[len(BOM) :]
        if line.isspace() or not line:
            self.say("json.blank", number, "an empty line; it is left out")
            return
        self.report.rows += 1
        try:
            record = parse(line)
        except BadLine as fault:
            self.say(fault.rule, number, str(fault))
            return
        if self._is_good(number, record):
            self.good(number, line, record)

    def _is_good(self, number: int, record: dict[str, Any]) -> bool:
        kind = kind_of(record)
        if self.kind is None:
            self.kind = self.report.kind = kind
        if kind != self.kind:
            self.say("file.mixed", number, f"a {kind} in a file of {self.kind}s")
            return False
        is_good = True
        for fault in faults(record, self.report.roles, self.extras, kind):
            self.say(fault.rule, number, fault.reason)
            is_good = False
        if is_good:
            remember_shape(record, self.shapes)
        return is_good

    def good(self, number: int, line: bytes, record: dict[str, Any]) -> None:
        """Look at what a record without a fault says."""
        report = self.report
        key = identity(record)
        first = report.seen.add(key, number)
        if first:
            report.duplicates += 1
            if self.tells_copies:
                self.say("duplicates.exact", number, f"the same {report.kind} as line {first}")
        if self.measure and (cut := self.measure(record)):
            what = f"{cut} tokens too long: truncation would cut off the end of the answer"
            self.say("length.tokens", number, what)
        if self.checks:
            conversation = Conversation(number, record, report.kind, is_copy=bool(first))
            for check in self.checks:
                check.look(conversation)
        if self.keep:
            self.keep(line, key, record)

    def say(self, rule: str, line: int, reason: str) -> None:
        """Add a finding."""
        self.report.findings.append(found(rule, line, reason))

    def end(self, fewest: int) -> None:
        """Add what can be said of the file as a whole; put the findings in their order."""
        report = self.report
        count_shapes(self.shapes, report.roles, self.extras)
        if not report.rows:
            self.say("file.empty", 0, "the file holds no record")
        elif report.rows < fewest:
            few = f"{report.rows} records are few; {fewest} is a sensible least"
            self.say("file.few", 0, few)
        for key, count in sorted(self.extras.items()):
            told = f"key `{key}` in {count} places is not used in training"
            self.say("file.keys", 0, told)
        for check in self.checks:
            check.end()
        report.findings.sort(key=lambda finding: finding.line)


def require_good(*reports: Report) -> None:
    """Refuse to go on with faulty files, naming every fault of all of them.

    Raises:
        SettingsError: one line for each error, `path: line N: reason`.
    """
    reasons = [f"{report.path}: {finding}" for report in reports for finding in report.errors]
    if reasons:
        raise SettingsError("\n".join(reasons), hint="Nothing was sent.")


def require_kind(objective: str, *reports: Report) -> None:
    """Refuse chats for a recipe that learns from preferences, and the other way round.

    Raises:
        SettingsError: names each file of the wrong kind.
    """
    wanted: Kind = "preference" if objective == "dpo" else "chat"
    wrong = [report for report in reports if report.kind != wanted]
    if wrong:
        raise SettingsError(
            "\n".join(
                f"{report.path} holds {report.kind}s; the recipe's objective {objective} learns"
                f" from {wanted}s."
                for report in wrong
            ),
            hint="Take the file that belongs to it, or --set objective="
            + ("sft" if objective == "dpo" else "dpo"),
        )


def leaks(train: Report, validation: Report) -> list[Finding]:
    """Find records of the validation file that the training file holds too, by validation line.

    A leaked chat makes the validation loss a lie. Near copies are found where both files were
    checked for them.
    """
    same = []
    for key, line in validation.seen:
        first = train.seen.find(key)
        if first:
            reason = f"this {validation.kind} is in the training file too, line {first}"
            same.append(found("leakage.exact", line, reason))
    if train.sketches and validation.sketches:
        told = {finding.line for finding in same}
        same += [
            found("leakage.near", line, f"nearly the same as line {first} of the training file")
            for line, first in validation.sketches.near_to(train.sketches)
            if line not in told
        ]
    return sorted(same, key=lambda finding: finding.line)
