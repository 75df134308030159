"""Where a file's records lie, told by its first bytes and, where these leave it open, its name."""

from pathlib import Path

from core.errors import SettingsError
from training.data.formats.form import Container
from training.data.records import BOM, BadLine, parse

_BY_NAME: dict[str, Container] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}
_HEAD = 64 * 1024


def file_container(path: Path) -> Container:
    """Tell what kind of file this is; its content counts for more than its name.

    Raises:
        SettingsError: it cannot be read, or is nothing that is known here.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD).removeprefix(BOM)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}.") from error
    by_name = _BY_NAME.get(path.suffix.lower())
    if head.startswith(b"PAR1"):
        return "parquet"
    if by_name == "csv":
        return by_name
    text = head.lstrip()
    if text.startswith(b"["):
        return "json" if text[1:].lstrip()[:1] in (b"{", b"]", b"") else by_name or "jsonl"
    if text.startswith(b"{"):
        _refuse_one_object(path, text)
        return "jsonl"
    if by_name is None:
        raise _unknown(path, head)
    return by_name


def _refuse_one_object(path: Path, text: bytes) -> None:
    """Refuse one object over many lines: none of its lines would be a record."""
    first, end, _ = text.partition(b"\n")
    if not end or path.suffix.lower() != ".json":
        return
    try:
        parse(first)
    except BadLine as fault:
        raise SettingsError(
            f"{path}: no list of records, nor a record a line: {fault} (line 1).",
            hint="Cut a list out of an object, for example: jq .data FILE > records.json",
        ) from fault


def _unknown(path: Path, head: bytes) -> SettingsError:
    hint = "Give it the ending that it should have: .jsonl, .json, .csv, .tsv or .parquet."
    if head.startswith(b"PK"):
        hint = "Save a workbook as CSV UTF-8; unpack an archive."
    elif head.startswith(b"\x1f\x8b"):
        hint = "Unpack it first: gunzip FILE"
    return SettingsError(f"{path}: neither its name nor its first bytes tell its kind.", hint=hint)
