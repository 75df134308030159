"""Bring training data here: our own sample, the GPT-4 tutorial's file, the own-GPU tutorial's set.

Each lands as `<folder>/<name>/train.jsonl` and `validation.jsonl`. A file put by hand into
`<folder>/<name>/source/` is taken instead of the network.
"""

import filecmp
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from core.errors import PrerequisiteError, SettingsError
from training.data.records import faults
from training.data.split import TRAIN, VALIDATION, split_file

if TYPE_CHECKING:
    import httpx

SAMPLES = Path(__file__).resolve().parent / "samples" / "travel"

TRAVEL_URL = (
    "https://raw.githubusercontent.com/MicrosoftLearning/mslearn-ai-studio"
    "/refs/heads/main/data/travel-finetune-hotel.jsonl"
)

ULTRACHAT_REVISION = "8049631c405ae6576f93f445c6b8166f76f5505a"
ULTRACHAT_URL = (
    "https://huggingface.co/datasets/HuggingFaceH4/ultrachat_200k/resolve/"
    f"{ULTRACHAT_REVISION}/data/train_sft-00000-of-00003-a3ecf92756993583.parquet"
)
ULTRACHAT_ROWS = 2079
"""`train_sft[:1%]` of 207,865 rows, rounded as the `datasets` library rounds."""


@dataclass(frozen=True)
class Fetched:
    """The two files, and what a person should know about them."""

    name: str
    train: Path
    validation: Path
    origin: str
    notes: tuple[str, ...] = ()


Fill = Callable[[Path, Path, int, "httpx.Client | None"], tuple[str, ...]]
"""Writes both files to a work folder, given the folder for hand-made downloads and the seed."""


def get_data(
    name: str,
    folder: Path,
    *,
    seed: int = 0,
    force: bool = False,
    client: "httpx.Client | None" = None,
) -> Fetched:
    """Make `<folder>/<name>/train.jsonl` and `validation.jsonl`.

    Raises:
        SettingsError: no such data set, or its files here were changed and `force` is not given.
        PrerequisiteError: it could not be fetched; says what failed and every way round it.
    """
    if name not in SOURCES:
        raise SettingsError(f"There is no data set {name!r}; known: {', '.join(SOURCES)}.")
    origin, fill = SOURCES[name]
    target = folder / name
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target, prefix=".get-") as work:
            notes = fill(Path(work), target / "source", seed, client)
            _publish(Path(work), target, force)
    except OSError as error:
        raise SettingsError(f"{target}: cannot write there: {error.strerror}.") from error
    return Fetched(name, target / TRAIN, target / VALIDATION, origin, notes)


def _publish(work: Path, target: Path, force: bool) -> None:
    changed = [
        str(target / name)
        for name in (TRAIN, VALIDATION)
        if (target / name).exists() and not filecmp.cmp(work / name, target / name, shallow=False)
    ]
    if changed and not force:
        raise SettingsError(
            f"{' and '.join(changed)} would be overwritten and differ from what would be written.",
            hint="Add --force, or choose another --folder.",
        )
    for name in (TRAIN, VALIDATION):
        (work / name).replace(target / name)


def _fill_sample(
    work: Path, source: Path, seed: int, client: "httpx.Client | None"
) -> tuple[str, ...]:
    """Copy the project's own chats; the held-out ones are the validation file."""
    shutil.copyfile(SAMPLES / "train.jsonl", work / TRAIN)
    shutil.copyfile(SAMPLES / "heldout.jsonl", work / VALIDATION)
    return ()


def _fill_travel(
    work: Path, source: Path, seed: int, client: "httpx.Client | None"
) -> tuple[str, ...]:
    """Fetch the GPT-4 tutorial's ten chats and split them."""
    by_hand = source / TRAVEL_URL.rpartition("/")[2]
    if by_hand.is_file():
        path = by_hand
    else:
        path = work / by_hand.name
        path.write_bytes(_fetch(TRAVEL_URL, by_hand, client))
    split = split_file(path, work / "split", seed=seed)
    split.train.replace(work / TRAIN)
    split.validation.replace(work / VALIDATION)
    return ()


def _fill_ultrachat(
    work: Path, source: Path, seed: int, client: "httpx.Client | None"
) -> tuple[str, ...]:
    """Read the tutorial's one percent of UltraChat, drop what is no chat, and split 80 to 20."""
    by_hand = source / ULTRACHAT_URL.rpartition("/")[2]
    whole = work / "ultrachat.jsonl"
    dropped = 0
    with whole.open("wb") as file:
        for messages in _ultrachat_messages(by_hand, client):
            record = {"messages": messages}
            if any(faults(record, Counter(), Counter())):
                dropped += 1
            else:
                file.write(orjson.dumps(record) + b"\n")
    split = split_file(whole, work / "split", share=0.2, seed=seed)
    split.train.replace(work / TRAIN)
    split.validation.replace(work / VALIDATION)
    return (f"{dropped} of {ULTRACHAT_ROWS} records were no chats and were left out",) * bool(
        dropped
    )


def _ultrachat_messages(
    by_hand: Path, client: "httpx.Client | None"
) -> Iterator[list[dict[str, Any]]]:
    try:
        from pyarrow import ArrowException, parquet  # type: ignore[import-untyped]
    except ImportError as error:
        raise PrerequisiteError(
            "UltraChat comes as a Parquet file, and pyarrow is not installed.",
            hint="pip install pyarrow; or use the project's own: tunestack data get sample",
        ) from error
    from training.data.remote import RemoteFile

    left = ULTRACHAT_ROWS
    try:
        is_here = by_hand.is_file()
        opened: Any = by_hand if is_here else RemoteFile(ULTRACHAT_URL, _client(client))
        file = parquet.ParquetFile(opened)
        # Group by group: reading in batches would fetch every group of the file beforehand.
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=["messages"]).slice(0, left)
            yield from table.column("messages").to_pylist()
            left -= table.num_rows
            if not left:
                return
    except (ArrowException, OSError) as error:
        raise _unreachable(ULTRACHAT_URL, by_hand, str(error)) from error
    except _http_errors() as error:
        raise _unreachable(ULTRACHAT_URL, by_hand, str(error)) from error


def _fetch(url: str, by_hand: Path, client: "httpx.Client | None") -> bytes:
    try:
        answer = _client(client).get(url)
        answer.raise_for_status()
    except _http_errors() as error:
        raise _unreachable(url, by_hand, str(error)) from error
    return answer.content


def _client(client: "httpx.Client | None") -> "httpx.Client":
    import httpx

    return client or httpx.Client(follow_redirects=True, timeout=30)


def _http_errors() -> type[Exception]:
    import httpx

    return httpx.HTTPError


def _unreachable(url: str, by_hand: Path, reason: str) -> PrerequisiteError:
    return PrerequisiteError(
        f"{url} could not be read: {reason.splitlines()[0] if reason else 'no answer'}",
        hint="One of these helps:\n"
        "  the project's own sample, no network needed: tunestack data get sample\n"
        f"  download the file in another way to {by_hand}, then run this again\n"
        "  behind a proxy: export HTTPS_PROXY=http://...",
    )


SOURCES: dict[str, tuple[str, Fill]] = {
    "sample": ("tunestack's own travel chats", _fill_sample),
    "travel": (TRAVEL_URL, _fill_travel),
    "ultrachat": (ULTRACHAT_URL, _fill_ultrachat),
}
"""Each data set's name, where it comes from and what makes its files."""
