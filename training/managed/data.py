"""Make of a person's files what a managed service takes: checked, in its form, split.

A file is read once, line by line: checked as every training file is (`training.data.check`),
looked at by the service's own rules, and written as the service wants it. Some 20 bytes a record
stay in memory. Where no validation file is given, a share of the training file becomes one, by a
hash of each record: the same file is always split alike, and copies stay together.
"""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from core.errors import SettingsError, check_all
from core.managed_recipe import AnyManaged
from training.data.check import FEWEST, check_file, leaks, require_good, require_kind
from training.data.findings import Finding, Report, found
from training.data.other_forms import other_form
from training.data.records import BOM, LONGEST_LINE, BadLine, parse
from training.data.rules import EVERY
from training.data.split import TRAIN, VALIDATION, place_of_chat
from training.managed.contract import Prepared, Tell
from training.managed.money import expected_epochs
from training.managed.record_forms import OUTPUTS, Former, is_plain
from training.managed.sent_file import SentFile
from training.managed.text_tokens import example_tokens

MOST_BYTES = 512 * 10**6
"""Of a file that either service takes (azure-ai-docs: below 512 MB)."""

MOST_EXAMPLE_TOKENS = 64_536
"""Of one example (azure-ai-docs, quotas-limits, gpt-4o-mini); no page names it for Phi."""

MOST_JOB_TOKENS = 2 * 10**9
"""Tokens times epochs of one job of Azure OpenAI (azure-ai-docs, quotas-limits)."""

LINE_ENDS = b"\r\n"


def prepare(
    recipe: AnyManaged,
    train: Path,
    validation: Path | None,
    folder: Path,
    tell: Tell = lambda line: None,
) -> tuple[Prepared, Prepared | None]:
    """Check the files and write them to `folder` as the recipe's service takes them.

    What should be known and stops nothing is told, a line each. The second of the pair is None
    where the recipe holds nothing out, or the file is too small to hold out anything.

    Raises:
        SettingsError: every finding of both files that the service would refuse.
    """
    _refuse_overwriting(folder, train, validation)
    files: list[_File] = []

    def read(path: Path, name: str, is_training: bool) -> None:
        files.append(_read(recipe, path, folder / name, is_training=is_training))

    try:
        checks = [lambda: read(train, "checked-train.jsonl", True)]
        if validation is not None:
            checks.append(lambda: read(validation, "checked-validation.jsonl", False))
        check_all(*checks, lambda: _refuse(recipe, files))
        for line in _warnings(files):
            tell(line)
        is_marked = recipe.route == "openai"
        if validation is None:
            return _split(files[0], recipe.validation_share, folder, is_marked, tell)
        sent = files[0].write(folder / TRAIN, is_marked)
        return sent, files[1].write(folder / VALIDATION, is_marked)
    finally:
        for name in ("checked-train.jsonl", "checked-validation.jsonl"):
            (folder / name).unlink(missing_ok=True)


def findings(recipe: AnyManaged, path: Path, *, is_training: bool = True) -> Report:
    """Check one file for a recipe's service without keeping anything of it.

    Raises:
        SettingsError: the file cannot be read, or is of another form than JSONL.
    """
    return _read(recipe, path, None, is_training=is_training).report


@dataclass
class _File:
    """A file that was read: what was found, and its records as they are to be sent."""

    report: Report
    written: Path
    keys: "array[int]" = field(default_factory=lambda: array("Q"))
    """The identity of each good record, in their order."""
    tokens: "array[int]" = field(default_factory=lambda: array("I"))
    size: int = 0
    """Bytes as they are sent, but for the mark."""

    def lines(self) -> Iterator[tuple[int, int, bytes]]:
        """Give key, tokens and line of each record."""
        with self.written.open("rb", buffering=1 << 20) as file:
            yield from zip(self.keys, self.tokens, file, strict=True)

    def write(self, path: Path, is_marked: bool) -> Prepared:
        """Write all records to a file."""
        with SentFile(path, is_marked) as target:
            for _, tokens, line in self.lines():
                target.add(line, tokens)
        return target.prepared()


def _read(
    recipe: AnyManaged, path: Path, written: Path | None, *, is_training: bool = False
) -> _File:
    """Check a file in one pass and write what is to be sent of it."""
    _require_jsonl(path)
    file = _File(Report(path), written or Path())
    own: list[Finding] = []
    with written.open("wb", buffering=1 << 20) if written else _Nowhere() as target:
        file.report = check_file(
            path,
            fewest=1,
            rules=EVERY,
            base=recipe.base.id,
            keep=lambda line, key, record: file.keys.append(key),
            lines=_formed(Former(recipe), path, file, own, target.write),
        )
    file.report.path = path
    report = file.report
    moot = ("routes.openai", "json.mark") if recipe.route == "openai" else ("routes.openai",)
    report.findings = [one for one in report.findings if one.rule not in moot] + own
    report.findings += _of_whole(recipe, file, is_training)
    report.findings.sort(key=lambda finding: finding.line)
    return file


class _Nowhere:
    """Takes what is written and keeps nothing."""

    def __enter__(self) -> "_Nowhere":
        return self

    def __exit__(self, *_: object) -> None:
        """Close nothing."""

    def write(self, content: bytes) -> int:
        """Forget it."""
        return len(content)


def _formed(
    former: Former,
    path: Path,
    file: _File,
    own: list[Finding],
    write: Callable[[bytes], Any],
) -> Iterator[tuple[int, bytes, str]]:
    """Give each record as the check reads it; write it as it is sent."""
    for number, line in _lines(path):
        bare = line.removeprefix(BOM) if number == 1 else line
        try:
            record = parse(bare)
        except BadLine:
            yield number, line, ""  # the check says why
            continue
        fault, checked = "", line
        if is_plain(record):
            sent = bare
        else:
            formed = former.form(number, record)
            own += formed.findings
            checked, sent, fault = _dump(formed.checked), _dump(formed.sent), formed.fault
        tokens = example_tokens(record)
        if tokens > MOST_EXAMPLE_TOKENS:
            told = f"about {tokens:,} tokens; an example may have {MOST_EXAMPLE_TOKENS:,}"
            own.append(found("routes.tokens", number, told))
        file.tokens.append(min(tokens, 2**32 - 1))
        file.size += write(sent + b"\n")
        yield number, checked, fault


def _dump(record: Any) -> bytes:
    return orjson.dumps(record)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Give the lines without their ends; empty ones too, for the check to tell of."""
    try:
        with path.open("rb", buffering=1 << 20) as file:
            number = 0
            while line := file.readline(LONGEST_LINE):
                number += 1
                yield number, line.rstrip(LINE_ENDS)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}.") from error


def _of_whole(recipe: AnyManaged, file: _File, is_training: bool) -> Iterator[Finding]:
    """Yield what the service would say of the file as a whole."""
    rows, route = file.report.rows, recipe.route
    if is_training and 0 < rows < FEWEST:
        yield found("routes.few", 0, f"{rows} examples; the route {route} takes {FEWEST} or more")
    if file.size + len(BOM) >= MOST_BYTES:
        told = f"{file.size / 1e6:,.0f} MB as it is sent; a file must be below 512 MB"
        yield found("routes.size", 0, told)
    tokens = sum(file.tokens) * expected_epochs(recipe, rows)
    if is_training and route == "openai" and tokens > MOST_JOB_TOKENS:
        told = f"about {tokens:,} tokens over all epochs; a job may train on {MOST_JOB_TOKENS:,}"
        yield found("routes.tokens", 0, told)


def _require_jsonl(path: Path) -> None:
    """Refuse a file of another form, but Azure's own pairs of answers.

    Raises:
        SettingsError: names the command that converts it.
    """
    source = other_form(path)
    if source is None or _has_outputs(path):
        return
    raise SettingsError(
        f"{path} is {source.format}; the training reads JSONL of chats.",
        hint=f"tunestack data convert {path}",
    )


def _has_outputs(path: Path) -> bool:
    for _, line in _lines(path):
        try:
            return any(name in parse(line.removeprefix(BOM)) for name in OUTPUTS)
        except BadLine:
            return False
    return False


def _refuse_overwriting(folder: Path, *given: Path | None) -> None:
    targets = {(folder / name).resolve() for name in (TRAIN, VALIDATION)}
    wrong = [path for path in given if path is not None and path.resolve() in targets]
    if wrong:
        raise SettingsError(f"{wrong[0]} would be overwritten by what is made of it.")
    folder.mkdir(parents=True, exist_ok=True)


def _refuse(recipe: AnyManaged, files: list[_File]) -> None:
    reports = [file.report for file in files]
    with_records = [report for report in reports if report.rows]
    check_all(lambda: require_good(*reports), lambda: require_kind(recipe.objective, *with_records))


def _warnings(files: list[_File]) -> Iterator[str]:
    """Yield what should be known of the files, leaks between the two included."""
    for file in files:
        yield from (f"{file.report.path}: {one}" for one in file.report.warnings)
    if len(files) == 2:
        train, validation = (file.report for file in files)
        yield from (f"{validation.path}: {one}" for one in leaks(train, validation))


def _split(
    file: _File, share: float, folder: Path, is_marked: bool, tell: Tell
) -> tuple[Prepared, Prepared | None]:
    """Hold out about a share of the records; at least ten stay for training."""
    places = array("Q", map(place_of_chat, file.keys))
    limit = _limit(places, share)
    if not limit:
        if share:
            tell(f"{file.report.path}: too few different records to hold any out for validation")
        return file.write(folder / TRAIN, is_marked), None
    with (
        SentFile(folder / TRAIN, is_marked) as train,
        SentFile(folder / VALIDATION, is_marked) as validation,
    ):
        for place, (_, tokens, line) in zip(places, file.lines(), strict=True):
            (validation if place < limit else train).add(line, tokens)
    tell(f"{file.report.path}: {validation.rows} of its {len(places)} records are held out")
    return train.prepared(), validation.prepared()


def _limit(places: "array[int]", share: float) -> int:
    """Give the place below which records are held out; 0: none are.

    The share's own place where it leaves ten records and holds out one; else the nearest that
    does. Equal records have one place and stay together.
    """
    limit = int(share * 2**64)
    held = sorted(place for place in places if place < limit)
    room = len(places) - FEWEST
    if not share or room <= 0:
        return 0
    if not held:
        lowest = min(places)
        return lowest + 1 if places.count(lowest) <= room else 0
    if len(held) <= room:
        return limit
    return held[room] if held[room] > held[0] else 0
