"""JSON lists, CSV and Parquet: what lies in them is read as it would be from JSONL."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from core.errors import PrerequisiteError, SettingsError
from training.data import formats
from training.data.formats.csv_table import LONGEST_CELL

ROW = {"instruction": "Where to?", "input": "", "output": "To the sea.", "id": "7"}
MADE = {
    "messages": [
        {"role": "user", "content": "Where to?"},
        {"role": "assistant", "content": "To the sea."},
    ],
    "id": "7",
}
FAQ = {"user": "question", "assistant": "answer"}


def made(path: Path, **options: Any) -> list[Any]:
    lines = list(formats.read(path, **options))
    assert not [line.fault for line in lines if line.fault]
    return [json.loads(line.content) for line in lines]


def parquet(path: Path, rows: list[dict[str, Any]], **options: Any) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(rows), path, **options)
    return path


def test_a_json_list_is_read_record_by_record(tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps([ROW, ROW], indent=2).encode())
    found = formats.detect(path)
    assert (found.name, found.container) == ("alpaca", "json")
    assert made(path) == [MADE, MADE]


def test_what_comes_before_a_fault_in_a_json_list_is_read(tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_text(json.dumps([ROW, 3, ROW])[:-1] + ', {"instruction": nope}]')
    lines = list(formats.read(path))
    assert [(line.number, bool(line.content)) for line in lines] == [
        (1, True), (2, False), (3, True), (4, False),
    ]  # fmt: skip
    assert lines[1].fault == "not a JSON object but a number"
    assert "cannot be read from here on" in lines[3].fault


def test_jsonl_is_known_by_its_content_whatever_its_name(tmp_path: Path) -> None:
    for name in ("in.json", "in.txt", "in"):
        path = tmp_path / name
        path.write_text(json.dumps(ROW) + "\n" + json.dumps(ROW))
        assert made(path) == [MADE, MADE]


@pytest.mark.parametrize(
    ("name", "content", "says", "hint"),
    [
        ("in.json", b'{\n"data": []\n}', "no list of records", "jq .data"),
        ("in.json", b'{"data": []}', "its records have the keys data", "--columns"),
        ("in.xlsx", b"PK\x03\x04", "neither its name", "CSV UTF-8"),
        ("in.bin", b"\x00\x01", "neither its name", ".parquet"),
        ("in.jsonl.gz", b"\x1f\x8b", "neither its name", "gunzip"),
        ("in.jsonl", b"", "holds no record", ""),
        ("in.jsonl", b"nope\n{\n", "line 1: not JSON", ""),
        ("in.csv", "a,b\n".encode("utf-16"), "UTF-16", "CSV UTF-8"),
        ("in.csv", b"a,a\n1,2\n", "names 'a' twice", ""),
        ("in.csv", b"question,answer\n1,2\n", "question, answer", "user=question,assistant=answer"),
        ("in.parquet", b"PAR1nonsense", "Parquet", ""),
        ("in.parquet", b"", "Parquet", ""),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_so_and_what_to_do(
    tmp_path: Path, name: str, content: bytes, says: str, hint: str
) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsError, match=says) as refused:
        formats.detect(tmp_path / name)
    assert hint in refused.value.hint


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nope.csv", tmp_path):
        with pytest.raises(SettingsError, match=str(path)):
            formats.detect(path)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_with_mark_quoted_line_ends_and_any_delimiter(tmp_path: Path, delimiter: str) -> None:
    rows = ["question", "answer", '"id, or; key"'], ['"Where\r\nto?"', '"To ""the"" sea"', "7"]
    text = "\r\n".join(delimiter.join(row) for row in rows) + "\r\n\r\n"
    text += delimiter.join(("a", "b", "8"))
    (tmp_path / "in.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    first, last = formats.read(tmp_path / "in.csv", columns=FAQ)
    record = json.loads(first.content)
    assert [one["content"] for one in record["messages"]] == ["Where\r\nto?", 'To "the" sea']
    assert record["id, or; key"] == "7"
    assert (first.number, last.number) == (2, 5)


def test_a_bad_csv_row_spoils_no_other(tmp_path: Path) -> None:
    rows = (b"question,answer", b"a,b", b"only one", b"\xe4,b", b'"a"x,b', b"c,d")
    (tmp_path / "in.csv").write_bytes(b"\n".join(rows))
    lines = list(formats.read(tmp_path / "in.csv", columns=FAQ))
    assert [line.number for line in lines] == [2, 3, 4, 5, 6]
    assert [line.fault.split(":")[0].split(";")[0] for line in lines] == [
        "", "1 cells under 2 columns", "not UTF-8", "not CSV", "",
    ]  # fmt: skip


def test_a_quote_that_is_never_closed_does_not_fill_the_memory(tmp_path: Path) -> None:
    text = "question,answer\na,b\n" + '"open,' + "x" * 1000 + "\n"
    (tmp_path / "in.csv").write_text(text + "y" * 79 * 10 + "\n" * 100)
    faults = [line.fault for line in formats.read(tmp_path / "in.csv", columns=FAQ)]
    assert faults[0] == "" and "not CSV" in faults[1]
    (tmp_path / "in.csv").write_text(text + "x" * (LONGEST_CELL + 10) + "\nc,d\n")
    lines = list(formats.read(tmp_path / "in.csv", columns=FAQ))
    assert "field larger than field limit" in lines[1].fault
    assert lines[1].number == 3


def test_conversations_lie_in_csv_cells_as_json(tmp_path: Path) -> None:
    cell = json.dumps(MADE["messages"]).replace('"', '""')
    (tmp_path / "in.csv").write_text(f'messages,id\n"{cell}",7\n')
    assert formats.detect(tmp_path / "in.csv").name == "chat"
    assert made(tmp_path / "in.csv") == [MADE]


def test_a_frames_row_numbers_are_no_column(tmp_path: Path) -> None:
    (tmp_path / "in.tsv").write_text("\tuser\tassistant\n0\tWhere to?\tTo the sea.\n")
    assert made(tmp_path / "in.tsv") == [{"messages": MADE["messages"]}]


def test_parquet_is_read_over_its_row_groups(tmp_path: Path) -> None:
    rows = [ROW | {"id": str(number)} for number in range(1000)]
    path = parquet(tmp_path / "in.parquet", rows, row_group_size=300)
    assert formats.detect(path).container == "parquet"
    lines = list(formats.read(path))
    assert [line.number for line in lines] == list(range(1, 1001))
    assert [json.loads(line.content)["id"] for line in lines] == [row["id"] for row in rows]


def test_parquet_is_known_without_its_name(tmp_path: Path) -> None:
    parquet(tmp_path / "download", [ROW])
    assert made(tmp_path / "download") == [MADE]


def test_parquet_drops_pictures_and_the_keys_that_a_message_lacks(tmp_path: Path) -> None:
    import datetime

    messages: list[Any] = [MADE["messages"][0], MADE["messages"][1] | {"tool_calls": "x"}]  # type: ignore[index]
    day = datetime.date(2026, 11, 21)
    row = {"messages": messages, "day": day, "picture": {"bytes": b"\x00", "path": "x"}}
    (record,) = made(parquet(tmp_path / "in.parquet", [row]))
    assert record == {"messages": messages, "day": "2026-11-21"}


def test_what_cannot_be_written_is_a_fault_of_its_record(tmp_path: Path) -> None:
    deep: list[Any] = []
    for _ in range(400):
        deep = [deep]
    (tmp_path / "in.json").write_text(json.dumps([ROW, ROW | {"id": deep}, ROW]))
    lines = list(formats.read(tmp_path / "in.json"))
    assert [bool(line.fault) for line in lines] == [False, True, False]
    assert "cannot be written as JSON" in lines[1].fault


@pytest.mark.parametrize(
    ("package", "name", "content"),
    [("pyarrow", "in.parquet", b"PAR1"), ("ijson", "in.json", b"[]")],
)
def test_a_package_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, name: str, content: bytes
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PrerequisiteError, match=package) as refused:
        formats.detect(tmp_path / name)
    assert "tunestack[data]" in refused.value.hint
