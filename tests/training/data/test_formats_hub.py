"""A data set on the hub: pinned, read by ranges, and every way it can be refused.

The hub is a real HTTP server on the loopback that plays the routes as the hub's own client asks
them; the hub itself was not reached from here.
"""

import io
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.errors import PrerequisiteError, SettingsError
from tests.training.data.hub_server import Commit, Hub, running_hub
from training.data import formats
from training.data.convert import convert

pyarrow = pytest.importorskip("pyarrow")
TOKEN = "hf_secretsecretsecret"
SHA, OLD, CONVERTED = "a" * 40, "b" * 40, "c" * 40


def table(*answers: str) -> bytes:
    from pyarrow import parquet

    question = {"role": "user", "content": "Where?"}
    rows = [{"messages": [question, {"role": "assistant", "content": one}]} for one in answers]
    file = io.BytesIO()
    parquet.write_table(
        pyarrow.Table.from_pylist(rows), file, row_group_size=100, compression="none"
    )
    return file.getvalue()


def answers(lines: Iterator[formats.SourceLine]) -> list[str]:
    return [json.loads(line.content)["messages"][1]["content"] for line in lines]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address + "/")
        shards = {
            "README.md": b"",
            "data/train_sft-00000-of-00002-a3ecf92756993583.parquet": table("one", "two"),
            "data/train_sft-00001-of-00002-0123456789abcdef.parquet": table("three"),
            "data/test_sft-00000-of-00001-a3ecf92756993583.parquet": table("test"),
        }
        hub.commits = {SHA: Commit(shards), OLD: Commit({"train.parquet": table("old")})}
        hub.branches = {"main": SHA, "v1": OLD}
        yield hub


def test_a_split_is_read_over_its_files_and_says_its_commit(hub: Hub) -> None:
    opened = formats.open_source("hub:owner/name:train_sft")
    assert (opened.format.name, opened.format.container) == ("chat", "hub")
    assert opened.revision == SHA
    assert opened.name == f"hub:owner/name@{SHA}:default/train_sft"
    lines = list(opened.lines())
    assert answers(iter(lines)) == ["one", "two", "three"]
    assert [line.number for line in lines] == [1, 2, 3]


def test_the_name_that_is_told_reads_the_same_after_the_branch_moved(hub: Hub) -> None:
    pinned = formats.open_source("hub:owner/name:train_sft").name
    hub.branches["main"] = OLD
    assert answers(formats.read(pinned)) == ["one", "two", "three"]
    assert answers(formats.read("hub:owner/name")) == ["old"]
    assert formats.open_source("hub:owner/name@v1").revision == OLD


def test_the_card_says_which_files_make_a_split(hub: Hub) -> None:
    entries = [{"split": "train", "path": "a/*.parquet"}, {"split": "test", "path": ["b.parquet"]}]
    files = {"a/1.parquet": table("one"), "a/2.parquet": table("two"), "b.parquet": table("test")}
    card = {"configs": [{"config_name": "big", "data_files": entries}]}
    hub.commits[SHA] = Commit(files, card)
    assert answers(formats.read("hub:owner/name:big/train")) == ["one", "two"]
    assert answers(formats.read("hub:owner/name:test")) == ["test"]
    opened = formats.open_source("hub:owner/name")
    assert opened.notes == ("read big/train, one of 2 splits",)


def test_a_choice_of_splits_is_listed_as_it_is_written(hub: Hub) -> None:
    for name, says in (("", "several splits fit"), (":nope", "no split nope")):
        with pytest.raises(SettingsError, match=says) as refused:
            formats.detect(f"hub:owner/name{name}")
        for split in ("test_sft", "train_sft"):
            assert f"  hub:owner/name:default/{split}" in refused.value.hint


def test_without_parquet_the_hubs_conversion_is_read_at_its_commit(hub: Hub) -> None:
    hub.commits[SHA] = Commit({"train.json": b"[]"})
    hub.commits[CONVERTED] = Commit({
        "default/train/0000.parquet": table("one"), "default/train/0001.parquet": table("two"),
        "other/partial-train/0000.parquet": table("other"),
    })  # fmt: skip
    with pytest.raises(SettingsError, match="the hub has converted none"):
        formats.detect("hub:owner/name")
    hub.branches["refs/convert/parquet"] = CONVERTED
    opened = formats.open_source("hub:owner/name")
    assert opened.revision == CONVERTED
    assert opened.notes[0] == "read from the hub's Parquet conversion (refs/convert/parquet)"
    assert answers(opened.lines()) == ["one", "two"]
    assert answers(formats.read("hub:owner/name:other/train")) == ["other"]
    assert answers(formats.read(opened.name)) == ["one", "two"]
    with pytest.raises(SettingsError, match=r"@main holds no Parquet"):
        formats.detect("hub:owner/name@main")


def test_only_what_is_wanted_is_fetched(hub: Hub, tmp_path: Path) -> None:
    path = "data/train_sft-00000-of-00002-a3ecf92756993583.parquet"
    hub.commits[SHA].files[path] = table(*(f"{number} " * 100 for number in range(2000)))
    opened = formats.open_source("hub:owner/name:train_sft")
    made = convert(opened, tmp_path / "out.jsonl", limit=50)
    assert made.rows == 50
    assert hub.given < len(hub.commits[SHA].files[path]) / 4


def test_the_token_goes_to_the_hub_and_to_nobody_else(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.needs_token = TOKEN
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert answers(formats.read("hub:owner/name:train_sft")) == ["one", "two", "three"]
    sent = {host: {token for asked, token in hub.asked if asked == host} for host, _ in hub.asked}
    assert sent == {"127.0.0.1": {f"Bearer {TOKEN}"}, "localhost": {""}}


def test_gated_data_says_what_opens_it(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.needs_token = "another"
    for token in ("", TOKEN):
        monkeypatch.setenv("HF_TOKEN", token)
        with pytest.raises(PrerequisiteError, match="owner/name is gated") as refused:
            formats.detect("hub:owner/name")
        assert "HF_TOKEN" in refused.value.hint
        assert TOKEN not in str(refused.value) + refused.value.hint + str(refused.value.__cause__)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("hub:owner/other", "no data set owner/other, or it is private"),
        ("hub:owner/name@nope", "owner/name has no revision 'nope'"),
        ("hub:name", "does not name a data set: hub:OWNER/NAME"),
        ("hub:owner/name:a/b/c", "does not name a data set"),
        ("hub:owner/../x", "does not name a data set"),
    ],
)
def test_what_is_not_there_is_said(hub: Hub, name: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        formats.detect(name)


def test_a_token_without_rights_is_told_from_a_missing_name(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(PrerequisiteError, match="does not let the HF_TOKEN that is set") as refused:
        formats.detect("hub:owner/other")
    assert TOKEN not in str(refused.value) + refused.value.hint


def test_offline_says_every_way_round(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody answers there
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        with pytest.raises(PrerequisiteError, match="could not be read from") as refused:
            formats.detect("hub:owner/name")
    for way in ("HTTPS_PROXY", "HF_ENDPOINT", "data convert FILE"):
        assert way in refused.value.hint
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(PrerequisiteError, match="HF_HUB_OFFLINE is set"):
        formats.detect("hub:owner/name")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hub_that_fails_is_named_with_its_answer(status: int) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, request=request)

    client: Any = httpx.Client(transport=httpx.MockTransport(answer))
    with pytest.raises(PrerequisiteError, match=r"too many requests|it answered 50"):
        formats.open_source("hub:owner/name", client=client)


def test_what_is_no_answer_of_a_hub_is_said(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    page: Any = httpx.MockTransport(lambda _: httpx.Response(200, text="<html>Sign in</html>"))
    with pytest.raises(PrerequisiteError, match="the answer is not JSON"):
        formats.open_source("hub:owner/name", client=httpx.Client(transport=page))
    monkeypatch.setenv("HF_ENDPOINT", "http://[nonsense")
    with pytest.raises(PrerequisiteError, match="could not be read from"):
        formats.detect("hub:owner/name")
    monkeypatch.setenv("HF_TOKEN", "hf_gehe\nim")
    with pytest.raises(SettingsError, match="HF_TOKEN holds characters") as refused:
        formats.detect("hub:owner/name")
    assert "gehe" not in str(refused.value)


def test_a_hub_that_stops_in_the_middle_leaves_nothing_behind(hub: Hub, tmp_path: Path) -> None:
    path = "data/train_sft-00000-of-00002-a3ecf92756993583.parquet"
    hub.commits[SHA].files[path] = table(*(f"{number} " * 100 for number in range(2000)))
    opened = formats.open_source("hub:owner/name:train_sft")
    hub.dies_after = 3
    with pytest.raises(PrerequisiteError, match="could not be read from"):
        convert(opened, tmp_path / "out.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_gives_whole_files_only_is_refused(hub: Hub) -> None:
    hub.has_ranges = False
    with pytest.raises(PrerequisiteError, match="only as a whole"):
        formats.detect("hub:owner/name:train_sft")
