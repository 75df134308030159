"""What `data get` promises, with a network that answers, and with one that does not."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from core.errors import PrerequisiteError, SettingsError
from training.data import get
from training.data.check import check_file, leaks

CHATS = [
    {
        "messages": [
            {"role": "user", "content": f"Question {number}"},
            {"role": "assistant", "content": f"Answer {number}"},
        ]
    }
    for number in range(10)
]
JSONL = b"\n".join(json.dumps(chat).encode() for chat in CHATS)


def client(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(answer))


def offline(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("Name or service not known", request=request)


def test_the_sample_needs_no_network_and_is_fit_for_training(tmp_path: Path) -> None:
    fetched = get.get_data("sample", tmp_path, client=client(offline))
    train, validation = check_file(fetched.train), check_file(fetched.validation)
    assert train.findings == validation.findings == []
    assert train.rows >= 150 and validation.rows == 20
    assert leaks(train, validation) == []


def test_the_tutorials_file_is_fetched_and_split(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == get.TRAVEL_URL
        return httpx.Response(200, content=JSONL)

    fetched = get.get_data("travel", tmp_path, client=client(answer))
    lines = fetched.train.read_text().splitlines() + fetched.validation.read_text().splitlines()
    assert sorted(map(json.loads, lines), key=str) == sorted(CHATS, key=str)
    assert fetched.validation.stat().st_size > 0


@pytest.mark.parametrize("name", ["travel", "ultrachat"])
@pytest.mark.parametrize(
    "answer", [offline, lambda request: httpx.Response(404, request=request)], ids=["down", "404"]
)
def test_without_a_network_every_way_round_is_named(
    tmp_path: Path, name: str, answer: Callable[[httpx.Request], httpx.Response]
) -> None:
    if name == "ultrachat":
        pytest.importorskip("pyarrow")
    with pytest.raises(PrerequisiteError) as refused:
        get.get_data(name, tmp_path, client=client(answer))
    origin, _ = get.SOURCES[name]
    assert origin in str(refused.value)
    for way in ("data get sample", str(tmp_path / name / "source"), "HTTPS_PROXY"):
        assert way in refused.value.hint
    assert not list((tmp_path / name).iterdir())


def test_a_file_put_there_by_hand_is_taken(tmp_path: Path) -> None:
    source = tmp_path / "travel" / "source" / "travel-finetune-hotel.jsonl"
    source.parent.mkdir(parents=True)
    source.write_bytes(JSONL)
    fetched = get.get_data("travel", tmp_path, client=client(offline))
    assert check_file(fetched.train).rows + check_file(fetched.validation).rows == 10


def test_a_second_get_changes_nothing_and_a_changed_file_is_kept(tmp_path: Path) -> None:
    fetched = get.get_data("sample", tmp_path)
    get.get_data("sample", tmp_path)
    fetched.train.write_text("mine\n")
    with pytest.raises(SettingsError, match=r"train\.jsonl would be overwritten"):
        get.get_data("sample", tmp_path)
    assert fetched.train.read_text() == "mine\n"
    get.get_data("sample", tmp_path, force=True)
    assert check_file(fetched.train).is_good


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="known: sample, travel, ultrachat"):
        get.get_data("nope", tmp_path)


class Ranges:
    """A server of one file that honours ranges and counts what it gives."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.given = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert str(request.url) == get.ULTRACHAT_URL
        first, last = request.headers["Range"].removeprefix("bytes=").split("-")
        piece = self.content[int(first) : int(last) + 1]
        self.given += len(piece)
        span = f"bytes {first}-{int(first) + len(piece) - 1}/{len(self.content)}"
        return httpx.Response(206, content=piece, headers={"Content-Range": span})


def ultrachat(rows: int) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    chats = [[*CHATS[0]["messages"], {"role": "user", "content": f"Go on {n}"},
              {"role": "assistant", "content": f"{n} " * 200}] for n in range(rows)]  # fmt: skip
    chats[3] = chats[3][:3]
    table = pyarrow.table({"prompt": ["x" * 900] * rows, "messages": chats})
    file = io.BytesIO()
    parquet.write_table(table, file, row_group_size=1000, compression="none")
    return file.getvalue()


def test_ultrachat_is_the_tutorials_percent_read_from_the_head_of_the_file(tmp_path: Path) -> None:
    server = Ranges(ultrachat(9000))
    fetched = get.get_data("ultrachat", tmp_path, client=client(server))
    train, validation = check_file(fetched.train), check_file(fetched.validation)
    assert train.rows + validation.rows == get.ULTRACHAT_ROWS - 1
    assert 0.15 < validation.rows / get.ULTRACHAT_ROWS < 0.25
    assert fetched.notes == ("1 of 2079 records were no chats and were left out",)
    assert server.given < len(server.content) / 2


def test_a_server_without_ranges_is_refused_rather_than_downloaded(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises(PrerequisiteError, match="only as a whole"):
        get.get_data(
            "ultrachat", tmp_path, client=client(lambda _: httpx.Response(200, content=b"PAR1"))
        )


def test_the_real_tutorial_file_passes(tmp_path: Path) -> None:
    real = Path(__file__).parents[4] / "shared" / "data" / "travel-finetune-hotel.jsonl"
    if not real.is_file():
        pytest.skip("../shared/data is not here")
    answer = httpx.Response(200, content=real.read_bytes())
    fetched = get.get_data("travel", tmp_path, client=client(lambda _: answer))
    train, validation = check_file(fetched.train), check_file(fetched.validation)
    assert train.is_good and validation.is_good
    assert train.rows + validation.rows == 10
