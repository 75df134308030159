"""What an account holds besides ARM resources: documents below its id, data in a folder of its own.

`{account}/openai/{kind}/{id}` is where a record is kept, so that it goes when the account does.
"""

import hashlib
import shutil
import time
import uuid
from pathlib import Path
from typing import Any

from local.operations import Refusal
from local.state import Document, State
from local.world import World

MOST_LISTED = 100


def key(account_id: str, kind: str, id: str) -> str:
    """Give the id of a record in the state; kind is `files`, `jobs`, `uploads` or `models`."""
    return f"{account_id}/openai/{kind}/{id}"


def new_id(prefix: str) -> str:
    """Make up an identifier such as `file-` and 32 hexadecimal digits."""
    return f"{prefix}{uuid.uuid4().hex}"


def now() -> int:
    """Give the time as OpenAI's API writes it: whole seconds since 1970."""
    return int(time.time())


def all_of(state: State, account_id: str, kind: str) -> list[Document]:
    """List an account's records of a kind, oldest first."""
    return [one for _, one in state.find(f"ai/{kind}", below=f"{account_id}/openai/{kind}")]


def find(state: State, account_id: str, kind: str, id: str) -> Document | None:
    """Read a record; None where there is none."""
    return state.get(key(account_id, kind, id))


def store(state: State, account_id: str, kind: str, record: Document) -> None:
    """Write a record; its `id` says where."""
    state.put(key(account_id, kind, record["id"]), f"ai/{kind}", record)


def folder(world: World, account_id: str, kind: str = "") -> Path:
    """Give (and make) the folder of an account's data."""
    digest = hashlib.sha256(account_id.lower().encode()).hexdigest()[:16]
    path = world.folder / "ai" / digest / kind
    path.mkdir(parents=True, exist_ok=True)
    return path


def forget_account(world: World, account_id: str) -> None:
    """End what runs for an account that goes away, and drop its records and data.

    A deleted account that is restored comes back empty: whether Azure's does is not known.
    """
    world.state.delete(f"{account_id}/openai")
    world.processes.end_below(f"{account_id}/openai")
    shutil.rmtree(folder(world, account_id), ignore_errors=True)


def page(records: list[dict[str, Any]], query: dict[str, str], size: int = 20) -> dict[str, Any]:
    """Give the page of a list that `limit` and `after` (the last id seen) ask for.

    Raises:
        Refusal: 400, `limit` is no number of 1 to 100; 404, nothing has the id.
    """
    text = query.get("limit") or str(size)
    if not text.isdecimal() or not 1 <= int(text) <= MOST_LISTED:
        raise invalid(f"limit: '{text}' is not a number from 1 to {MOST_LISTED}.")
    start, after = 0, query.get("after")
    if after:
        ids = [record["id"] for record in records]
        if after not in ids:
            raise missing("item", after)
        start = ids.index(after) + 1
    end = start + int(text)
    return {"object": "list", "data": records[start:end], "has_more": end < len(records)}


def invalid(message: str) -> Refusal:
    """Make the refusal of a request that makes no sense."""
    return Refusal(400, "invalidPayload", message)


def missing(what: str, id: str) -> Refusal:
    """Make the refusal for what is not there. Azure's words are not known."""
    return Refusal(404, "notFound", f"The {what} '{id}' was not found.")


def wrong_state(message: str) -> Refusal:
    """Make the refusal of a step that something's state does not allow.

    The code is in Azure's published list; which status comes with it is not known. 409 would make
    the client send the request twice more.
    """
    return Refusal(400, "unexpectedEntityState", message)
