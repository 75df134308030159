"""A data set on the Hugging Face hub, read from its Parquet files at one commit.

The name is `hub:OWNER/NAME[@REVISION][:[CONFIG/]SPLIT]`. Asked are three of the hub's public
routes (as huggingface_hub 2.4 asks them): the revision's commit, the tree of files at that
commit, and the files by range. Where the revision itself holds no Parquet, the hub's own
conversion of it (`refs/convert/parquet`) is read, at its commit.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from core.errors import PrerequisiteError, SettingsError
from training.data.formats.form import Row
from training.data.formats.hub_splits import Split, choose, splits
from training.data.formats.parquet import parquet_rows
from training.data.remote import NoRanges, RemoteFile

if TYPE_CHECKING:
    import httpx

PREFIX = "hub:"
SYNTAX = "hub:OWNER/NAME[@REVISION][:[CONFIG/]SPLIT]"
CONVERTED = "refs/convert/parquet"
ENDPOINT = "https://huggingface.co"
_NAME = re.compile(
    r"hub:(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^:@\s]+))?"
    r"(?::(?:(?P<config>[^/:\s]+)/)?(?P<split>[^/:\s]+))?"
)


@dataclass(frozen=True)
class HubData:
    """One split of a data set, at one commit."""

    name: str
    revision: str
    """The commit that is read."""
    split: Split
    client: "httpx.Client"
    notes: tuple[str, ...] = ()

    @property
    def pinned(self) -> str:
        """The name that reads these very records again."""
        return f"{PREFIX}{self.name}@{self.revision}:{self.split.config}/{self.split.name}"

    def rows(self) -> Iterator[Row]:
        """Read the rows of all the split's files, one row group at a time.

        Raises:
            SettingsError: a file is no Parquet file.
            PrerequisiteError: the hub stopped answering, or pyarrow is not installed.
        """
        import httpx

        number = 0
        try:
            for path in self.split.files:
                url = f"{_dataset(self.name)}/resolve/{self.revision}/{quote(path)}"
                file = RemoteFile(url, self.client)
                for row in parquet_rows(file, f"{self.name}: {path}", start=number):
                    number = row.number
                    yield row
        except httpx.HTTPStatusError as error:
            raise _refused(self.name, error.response) from error
        except (httpx.HTTPError, NoRanges) as error:
            raise _no_answer(self.name, str(error)) from error


def open_hub(source: str, client: "httpx.Client | None" = None) -> HubData:
    """Find the files of a data set's split, and the commit that they are read at.

    Honours HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE.

    Raises:
        SettingsError: no such name, data set, revision or split, or there is a choice to make.
        PrerequisiteError: the hub does not answer, or not to this person.
    """
    found = _NAME.fullmatch(source)
    if not found:
        raise SettingsError(
            f"{source!r} does not name a data set: {SYNTAX}.",
            hint="For example hub:HuggingFaceH4/ultrachat_200k:train_sft",
        )
    name, revision = found["name"], found["revision"]
    asked = _Hub(name, client or _client())
    commit = asked.commit(revision or "main")
    card = commit.get("cardData") or {}
    made = splits(asked.files(commit["sha"]), card)
    notes: tuple[str, ...] = ()
    if not made:
        commit, made, notes = _converted(asked, revision)
    split, said = choose(made, found["config"], found["split"], name)
    return HubData(name, commit["sha"], split, asked.client, (*notes, *said))


def _converted(asked: "_Hub", revision: str | None) -> tuple[Any, list[Split], tuple[str, ...]]:
    """Take the hub's own Parquet conversion of what is on main; it knows no older revision."""
    advice = f"Leave the revision out to read the hub's conversion ({CONVERTED})."
    if revision:
        raise SettingsError(f"{asked.name}@{revision} holds no Parquet file.", hint=advice)
    try:
        commit = asked.commit(CONVERTED)
    except SettingsError as error:
        raise SettingsError(
            f"{asked.name} holds no Parquet file, and the hub has converted none.",
            hint="Download its files and convert these: tunestack data convert FILE",
        ) from error
    made = splits(asked.files(commit["sha"]), {})
    if not made:
        raise SettingsError(f"{asked.name}: the hub's conversion holds no Parquet file.")
    return commit, made, (f"read from the hub's Parquet conversion ({CONVERTED})",)


@dataclass
class _Hub:
    """The routes of one data set."""

    name: str
    client: "httpx.Client"

    def commit(self, revision: str) -> Any:
        """Ask which commit a branch, tag or commit is."""
        path = f"{_api(self.name)}/revision/{quote(revision, safe='')}"
        found = self._document(self._get(path, revision))
        if not isinstance(found, dict) or not isinstance(found.get("sha"), str):
            raise _no_answer(self.name, "the answer names no commit")
        return found

    def files(self, commit: str) -> list[str]:
        """List every file at a commit, page by page."""
        query = "recursive=true"
        paths: list[str] = []
        while query:
            answer = self._get(f"{_api(self.name)}/tree/{commit}?{query}", commit)
            entries = self._document(answer)
            if not isinstance(entries, list):
                raise _no_answer(self.name, "the answer is no list of files")
            paths += [entry["path"] for entry in entries if entry.get("type") == "file"]
            # Of the link only what follows the path: the token must not go where a link leads.
            query = urlsplit(answer.links.get("next", {}).get("url", "")).query
        return paths

    def _document(self, answer: "httpx.Response") -> Any:
        try:
            return answer.json()
        except ValueError as error:  # a proxy's page of its own
            raise _no_answer(self.name, "the answer is not JSON") from error

    def _get(self, url: str, revision: str) -> "httpx.Response":
        import httpx

        try:
            answer = self.client.get(url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _no_answer(self.name, str(error)) from error
        if answer.is_error:
            raise _refused(self.name, answer, revision)
        return answer


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")


def _api(name: str) -> str:
    return f"{_endpoint()}/api/datasets/{name}"


def _dataset(name: str) -> str:
    return f"{_endpoint()}/datasets/{name}"


def _client() -> "httpx.Client":
    """Make a client whose token goes to the hub alone: httpx drops it at another host."""
    import httpx

    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise PrerequisiteError(
            "HF_HUB_OFFLINE is set, so the hub is not asked.", hint="unset HF_HUB_OFFLINE"
        )
    token = os.environ.get("HF_TOKEN", "").strip()
    if not (token.isascii() and token.isprintable()):
        raise SettingsError("HF_TOKEN holds characters that no token has.")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(follow_redirects=True, timeout=30, headers=headers)


def _refused(name: str, answer: "httpx.Response", revision: str = "") -> Exception:
    code = answer.headers.get("X-Error-Code", "")
    if code == "RevisionNotFound":
        return SettingsError(f"{name} has no revision {revision!r}.")
    if code == "GatedRepo" or answer.status_code == 403:
        return PrerequisiteError(
            f"{name} is gated: its owner decides who may read it.",
            hint=f"Accept its terms on {_dataset(name)}, then: export HF_TOKEN=...",
        )
    if answer.status_code == 401 and os.environ.get("HF_TOKEN"):
        return PrerequisiteError(
            f"The hub does not let the HF_TOKEN that is set read {name}, or there is none.",
            hint="Check the name and the token; a token must have the right to read.",
        )
    if code == "RepoNotFound" or answer.status_code in (401, 404):
        return SettingsError(
            f"The hub has no data set {name}, or it is private.",
            hint="Check the name; for a private or gated data set: export HF_TOKEN=...",
        )
    if answer.status_code == 429:
        return _no_answer(name, "too many requests; try again later, or with HF_TOKEN set")
    return _no_answer(name, f"it answered {answer.status_code} {answer.reason_phrase}")


def _no_answer(name: str, reason: str) -> PrerequisiteError:
    first = reason.splitlines()[0] if reason else "no answer"
    return PrerequisiteError(
        f"{name} could not be read from {_endpoint()}: {first}",
        hint="Behind a proxy: export HTTPS_PROXY=http://...; a mirror: export HF_ENDPOINT=...\n"
        "Or download a Parquet file in another way: tunestack data convert FILE",
    )
