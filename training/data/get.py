"""Bring training data here: our own sample, the GPT-4 tutorial's file, the own-GPU tutorial's set.

Each lands as `<folder>/<name>/train.jsonl` and `validation.jsonl`. A file put by hand into
`<folder>/<name>/source/` is taken instead of the network.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import PrerequisiteError, SettingsError
from training.data.convert import convert
from training.data.formats.form import Row
from training.data.formats.parquet import parquet_rows, path_rows
from training.data.formats.source import source_of
from training.data.publishing import publish
from training.data.remote import NoRanges, RemoteFile
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
            made = {Path(work) / file: target / file for file in (TRAIN, VALIDATION)}
            publish(made, force=force, otherwise="choose another --folder")
    except OSError as error:
        raise SettingsError(f"{target}: cannot write there: {error.strerror}.") from error
    return Fetched(name, target / TRAIN, target / VALIDATION, origin, notes)


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
    _split(path, work, seed=seed)
    return ()


def _fill_ultrachat(
    work: Path, source: Path, seed: int, client: "httpx.Client | None"
) -> tuple[str, ...]:
    """Read the tutorial's one percent of UltraChat, drop what is no chat, and split 80 to 20."""
    by_hand = source / ULTRACHAT_URL.rpartition("/")[2]
    whole = work / "ultrachat.jsonl"
    try:
        opened = source_of(ULTRACHAT_URL, _ultrachat_rows(by_hand, client), "chat", "parquet")
        made = convert(opened, whole, limit=ULTRACHAT_ROWS, skip_bad=True)
    except SettingsError as error:
        raise _unreachable(ULTRACHAT_URL, by_hand, str(error)) from error
    _split(whole, work, seed=seed, share=0.2)
    dropped = len(made.left_out)
    said = f"{dropped} of {ULTRACHAT_ROWS} records were no chats and were left out"
    return (said,) * bool(dropped)


def _ultrachat_rows(by_hand: Path, client: "httpx.Client | None") -> Iterator[Row]:
    if by_hand.is_file():
        yield from path_rows(by_hand, columns=["messages"])
        return
    try:
        file = RemoteFile(ULTRACHAT_URL, _client(client))
        yield from parquet_rows(file, ULTRACHAT_URL, columns=["messages"])
    except (NoRanges, _http_errors()) as error:
        raise _unreachable(ULTRACHAT_URL, by_hand, str(error)) from error


def _split(path: Path, work: Path, *, seed: int, share: float = 0.2) -> None:
    split = split_file(path, work / "split", share=share, seed=seed)
    split.train.replace(work / TRAIN)
    split.validation.replace(work / VALIDATION)


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
