"""The model hub, as a recipe uses it: one question about one pinned revision.

`HF_ENDPOINT` and `HF_TOKEN` are read as the hub's own client reads them
(huggingface.co/docs/huggingface_hub, environment variables).
"""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    import httpx

DEFAULT = "https://huggingface.co"
SECONDS = 5.0


@dataclass(frozen=True)
class Answer:
    """What the hub said of a revision."""

    hub: str
    status: int
    """HTTP; 0 where nothing answered."""
    reason: str = ""
    is_gated: bool = False
    """True where its weights take a licence to be accepted, and a token."""

    @property
    def is_reached(self) -> bool:
        """Say whether the hub works: a refusal is an answer, a fault of its own is none."""
        return 0 < self.status < 500


def hub_address() -> str:
    """Give the hub's address."""
    return (os.environ.get("HF_ENDPOINT") or DEFAULT).rstrip("/")


def ask_hub(id: str, revision: str) -> Answer:
    """Ask the hub for a revision of a model; never an error."""
    import httpx

    hub = hub_address()
    token = os.environ.get("HF_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    address = f"{hub}/api/models/{quote(id)}/revision/{quote(revision)}"
    try:
        found = httpx.get(address, headers=headers, timeout=SECONDS, follow_redirects=True)
    except httpx.HTTPError as error:
        return Answer(hub, 0, f"{type(error).__name__}: {error}")
    return Answer(hub, found.status_code, found.reason_phrase, _is_gated(found))


def _is_gated(found: "httpx.Response") -> bool:
    """Read `gated`, which is false, "auto" or "manual"."""
    try:
        document = found.json()
    except ValueError:
        return False
    return isinstance(document, dict) and bool(document.get("gated"))
