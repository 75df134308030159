"""Make of a person's files what a managed service takes: checked, in its form, split.

A file is read once, line by line: checked as every training file is (`training.data.check`),
looked at by the service's own rules, and written as the service wants it. Some 20 bytes a record
stay in memory. Where no validation file is given, a share of the training file becomes one, by a
hash of each record: the same file is always split alike, and copies stay together.
"""

import os
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
from training.data.formats import Source
from training.data.other_forms import other_form, source_lines
from training.data.records import BOM, LONGEST_LINE, BadLine, parse
from training.data.rules import EVERY
from training.data.split import TRAIN, VALIDATION, place_of_chat
from training.managed.contract import Prepared, Tell
from training.managed.held_out import limit_of, why_none
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
CHECKED = ("checked-train.jsonl", "checked-validation.jsonl")
"""Files that stand in the folder between the check and the split."""

SHOWN = 3
"""Warnings of a file that are told; `data check` shows them all."""

Lines = Iterator[tuple[int, bytes, str]]
"""Number, content and, where it could not be read, why: of each record."""


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
    for path in filter(None, (train, validation)):
        _require_jsonl(path)
    files: list[_File] = []

    def read(path: Path, name: str, is_training: bool) -> None:
        files.append(_read(recipe, path, folder / name, is_training=is_training))

    try:
        checks = [lambda: read(train, CHECKED[0], True)]
        if validation is not None:
            checks.append(lambda: read(validation, CHECKED[1], False))
        check_all(*checks, lambda: _refuse(recipe, files))
        for line in _warnings(recipe, files):
            tell(line)
        is_marked = recipe.route == "openai"
        if validation is None:
            return _split(files[0], recipe.validation_share, folder, is_marked, tell)
        sent = files[0].write(folder / TRAIN, is_marked)
        return sent, files[1].write(folder / VALIDATION, is_marked)
    finally:
        for name in CHECKED:
            (folder / name).unlink(missing_ok=True)


def findings(
    recipe: AnyManaged,
    path: Path,
    *,
    is_training: bool = True,
    rules: frozenset[str] = EVERY,
) -> Report:
    """Check one file for a recipe's service without keeping anything of it.

    A file of another form is checked as what `data convert` makes of it. Size and hash in the
    report are those of the records as they were read.

    Raises:
        SettingsError: the file cannot be read.
    """
    source = _other_form(path)
    return _read(
        recipe, path, Path(os.devnull), is_training=is_training, rules=rules, source=source
    ).report


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
    recipe: AnyManaged,
    path: Path,
    written: Path,
    *,
    is_training: bool,
    rules: frozenset[str] = EVERY,
    source: Source | None = None,
) -> _File:
    """Check a file in one pass and write what is to be sent of it."""
    file, own = _File(Report(path), written), list[Finding]()
    lines = source_lines(source) if source else _lines(path)
    with written.open("wb", buffering=1 << 20) as target:
        report = file.report = check_file(
            path,
            fewest=1,
            rules=rules,
            base=recipe.base.id,
            keep=lambda line, key, record: file.keys.append(key),
            lines=_formed(Former(recipe), lines, file, own, target.write),
        )
    report.form = str(source.format) if source else ""
    report.findings += [*own, *_of_whole(recipe, file, is_training)]
    moot = ("routes.openai", "json.mark") if recipe.route == "openai" else ("routes.openai",)
    report.findings = [one for one in report.findings if one.rule not in moot]
    report.findings.sort(key=lambda finding: finding.line)
    return file


def _formed(
    former: Former,
    lines: Lines,
    file: _File,
    own: list[Finding],
    write: Callable[[bytes], Any],
) -> Lines:
    """Give each record as the check reads it; write it as it is sent."""
    for number, line, unread in lines:
        bare = line.removeprefix(BOM) if number == 1 else line
        try:
            record = {} if unread else parse(bare)
        except BadLine:
            record = {}  # the check says why
        if not record:
            yield number, line, unread
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


def _lines(path: Path) -> Lines:
    """Give the lines without their ends; empty ones too, for the check to tell of."""
    try:
        with path.open("rb", buffering=1 << 20) as file:
            number = 0
            while line := file.readline(LONGEST_LINE):
                number += 1
                yield number, line.rstrip(LINE_ENDS), ""
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
    """Refuse to send a file of another form.

    Raises:
        SettingsError: names the command that converts it.
    """
    if (source := _other_form(path)) is not None:
        raise SettingsError(
            f"{path} is {source.format}; the training reads JSONL of chats.",
            hint=f"tunestack data convert {path}",
        )


def _other_form(path: Path) -> Source | None:
    """Open a file of another form; Azure's own pairs of answers are none to these routes."""
    source = other_form(path)
    return None if source is None or _has_outputs(path) else source


def _has_outputs(path: Path) -> bool:
    for _, line, _ in _lines(path):
        try:
            return any(name in parse(line.removeprefix(BOM)) for name in OUTPUTS)
        except BadLine:
            return False
    return False


def _refuse_overwriting(folder: Path, *given: Path | None) -> None:
    targets = {(folder / name).resolve() for name in (TRAIN, VALIDATION, *CHECKED)}
    wrong = [path for path in given if path is not None and path.resolve() in targets]
    if wrong:
        raise SettingsError(f"{wrong[0]} would be overwritten by what is made of it.")
    folder.mkdir(parents=True, exist_ok=True)


def _refuse(recipe: AnyManaged, files: list[_File]) -> None:
    reports = [file.report for file in files]
    with_records = [report for report in reports if report.rows]
    check_all(lambda: require_good(*reports), lambda: require_kind(recipe.objective, *with_records))


def _warnings(recipe: AnyManaged, files: list[_File]) -> Iterator[str]:
    """Yield what should be known of the files, leaks between the two included."""
    reports = [file.report for file in files]
    told = [report.warnings for report in reports]
    if len(reports) == 2:
        told[1] = [*told[1], *leaks(*reports)]
    given = " ".join(str(report.path) for report in reports)
    for report, warnings in zip(reports, told, strict=True):
        yield from (f"{report.path}: {one}" for one in warnings[:SHOWN])
        if (more := len(warnings) - SHOWN) > 0:
            command = f"tunestack data check {given} --recipe {recipe.name}"
            yield f"{report.path}: and {more} more; all of them: {command}"


def _split(
    file: _File, share: float, folder: Path, is_marked: bool, tell: Tell
) -> tuple[Prepared, Prepared | None]:
    """Hold out about a share of the records; at least ten stay for training."""
    places = array("Q", map(place_of_chat, file.keys))
    limit = limit_of(places, share)
    if not limit:
        if share:
            tell(f"{file.report.path}: {why_none(len(places))}")
        return file.write(folder / TRAIN, is_marked), None
    with (
        SentFile(folder / TRAIN, is_marked) as train,
        SentFile(folder / VALIDATION, is_marked) as validation,
    ):
        for place, (_, tokens, line) in zip(places, file.lines(), strict=True):
            (validation if place < limit else train).add(line, tokens)
    tell(f"{file.report.path}: {validation.rows} of its {len(places)} records are held out")
    return train.prepared(), validation.prepared()
