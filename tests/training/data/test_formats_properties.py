"""For any bytes and any chat: only errors that a person can read, and no word lost."""

import contextlib
import functools
import io
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UserError
from training.data import formats
from training.data.convert import convert
from training.data.records import faults, kind_of

pytest.importorskip("pyarrow")
pytest.importorskip("ijson")

NAMES = ("in.jsonl", "in.json", "in.csv", "in.tsv", "in.parquet", "in")
words = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=":"), min_size=1
).map(str.strip).filter(bool)  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["role", "content", "from", "value", "type", "text"]), inner,
                      max_size=3),
    max_leaves=6,
)  # fmt: skip
KEYS = (
    "messages", "prompt", "completion", "instruction", "input", "output", "history", "system",
    "conversations", "chosen", "rejected", "preferred_output", "non_preferred_output", "user",
    "assistant", "id",
)  # fmt: skip
documents = st.lists(st.dictionaries(st.sampled_from(KEYS), values, max_size=4), max_size=4)


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """Bytes of all kinds: noise, records of every form with any values, and these broken."""
    kind = draw(st.sampled_from(["noise", "lines", "list", "table"]))
    if kind == "noise":
        marks = st.sampled_from(
            [b"", b"PAR1", b"[", b"[{", b"{", b"\xef\xbb\xbf", b'"', b"\xff\xfe"]
        )
        return draw(marks) + draw(st.binary(max_size=60))
    if kind == "table":
        header = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3))
        rows = draw(st.lists(st.text(max_size=20), max_size=4))
        whole = "\n".join([",".join(header), *rows]).encode("utf-8", "replace")
    else:
        made = draw(documents)
        whole = json.dumps(made).encode() if kind == "list" else b"\n".join(
            json.dumps(record).encode() for record in made
        )  # fmt: skip
    place = draw(st.integers(0, len(whole)))
    return whole[:place] + draw(st.binary(max_size=2)) + whole[place + draw(st.integers(0, 3)) :]


def turns(*texts: str) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [{"role": roles[number % 2], "content": text} for number, text in enumerate(texts)]


def read_back(content: bytes, name: str = "in.jsonl", **options: Any) -> list[Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        lines = list(formats.read(path, **options))
    assert not [line.fault for line in lines if line.fault]
    return [json.loads(line.content) for line in lines]


def as_lines(*records: Any) -> bytes:
    return b"\n".join(json.dumps(record).encode() for record in records)


@settings(max_examples=300, deadline=None)
@given(contents(), st.sampled_from(NAMES), st.sampled_from(("auto", *formats.FORMATS)))
def test_whatever_the_bytes_nothing_but_our_errors_comes_out(
    content: bytes, name: str, form: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / name, Path(folder) / "out" / "x.jsonl"
        path.write_bytes(content)
        try:
            made = convert(formats.open_source(path, format=form), out, skip_bad=True)
        except UserError:
            assert not out.exists()
            return
        lines = out.read_bytes().splitlines()
        assert len(lines) == made.rows
        for line in lines:
            record = json.loads(line)
            assert not list(faults(record, Counter(), Counter(), kind_of(record)))


@functools.cache
def whole_parquet() -> bytes:
    import pyarrow
    from pyarrow import parquet

    rows = [{"messages": turns("Schön?", "x" * number), "id": number} for number in range(1, 40)]
    file = io.BytesIO()
    parquet.write_table(
        pyarrow.Table.from_pylist(rows), file, row_group_size=15, compression="none"
    )
    return file.getvalue()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_broken_parquet_file_gives_our_errors_alone(data: st.DataObject) -> None:
    content = bytearray(whole_parquet())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.parquet"
        path.write_bytes(content[: data.draw(st.integers(4, len(content)))])
        with contextlib.suppress(UserError):
            for line in formats.read(path):
                assert bool(line.content) is not bool(line.fault)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(words, min_size=2, max_size=6), min_size=1, max_size=3), st.booleans())
def test_a_chat_file_is_the_same_in_meaning(texts: list[list[str]], escaped: bool) -> None:
    chats = [{"messages": turns(*one), "id": number} for number, one in enumerate(texts)]
    content = b"\n".join(json.dumps(one, ensure_ascii=escaped).encode() for one in chats)
    assert read_back(content) == chats
    assert read_back(json.dumps(chats, ensure_ascii=escaped).encode(), "in.json") == chats


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3).flatmap(lambda n: st.lists(words, min_size=2 * n, max_size=2 * n)))
def test_every_form_keeps_every_word(texts: list[str]) -> None:
    chat = {"messages": turns(*texts)}
    *before, last = chat["messages"]
    told = "\n".join(f"{'User' if m['role'] == 'user' else 'Assistant'}: {m['content']}"
                     for m in before)  # fmt: skip
    pairs = [texts[number : number + 2] for number in range(0, len(texts) - 2, 2)]
    sharegpt = [{"from": "human" if m["role"] == "user" else "gpt", "value": m["content"]}
                for m in chat["messages"]]  # fmt: skip
    records = [
        {"prompt": before, "completion": last["content"]},
        {"prompt": f"{told}\nAssistant:", "completion": last["content"]},
        {"instruction": texts[-2], "input": "", "output": texts[-1], "history": pairs},
        {"conversations": sharegpt},
    ]
    for record in records:
        assert read_back(as_lines(record)) == [chat]


@settings(max_examples=60, deadline=None)
@given(words, words, words)
def test_every_preference_form_keeps_every_word(asked: str, good: str, bad: str) -> None:
    prompt, chosen, rejected = turns(asked), turns("", good)[1:], turns("", bad)[1:]
    expected = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
    records: list[Any] = [
        expected,
        {"prompt": asked, "chosen": good, "rejected": bad},
        {"chosen": prompt + chosen, "rejected": prompt + rejected},
        {"input": {"messages": prompt}, "preferred_output": chosen,
         "non_preferred_output": rejected},
    ]  # fmt: skip
    for record in records[: 4 if good != bad else 2]:
        assert read_back(as_lines(record)) == [expected]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(words, words), min_size=1, max_size=4), st.sampled_from(",;\t|"))
def test_a_table_keeps_every_word(rows: list[tuple[str, str]], delimiter: str) -> None:
    def quoted(cell: str) -> str:
        return '"' + cell.replace('"', '""') + '"'

    text = "\n".join(delimiter.join(map(quoted, row)) for row in [("user", "assistant"), *rows])
    made = read_back(b"\xef\xbb\xbf" + text.encode(), "in.csv")
    assert [[one["content"] for one in record["messages"]] for record in made] == list(
        map(list, rows)
    )
