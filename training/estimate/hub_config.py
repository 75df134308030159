"""A hub model's config.json at the pinned revision, kept: what a commit holds never changes."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from core.home import home
from core.recipe import BaseModelSource
from training.estimate.shapes import ShapeUnknown
from training.model_hub import SECONDS, hub_address


def hub_config(base: BaseModelSource, *, asks: bool) -> dict[str, Any]:
    """Give config.json: kept from before, or from the hub where `asks`.

    Raises:
        ShapeUnknown: it is not kept, and the hub does not give it.
    """
    kept = home() / "hub" / f"{base.id.replace('/', '--')}@{base.revision}.json"
    found = _read(kept)
    if found is None and asks:
        found = _ask(base)
        _keep(kept, found)
    if found is None:
        raise ShapeUnknown(f"{base.id}: its shapes are not known here, and nobody was asked.")
    return found


def _ask(base: BaseModelSource) -> dict[str, Any]:
    import httpx

    address = f"{hub_address()}/{quote(base.id)}/resolve/{quote(base.revision)}/config.json"
    token = os.environ.get("HF_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = httpx.get(address, headers=headers, timeout=SECONDS, follow_redirects=True)
        answer.raise_for_status()
        found = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise ShapeUnknown(
            f"{base.id}: its config.json cannot be read from {hub_address()}:"
            f" {type(error).__name__}.",
            hint="Check the network, HF_ENDPOINT and HF_TOKEN.",
        ) from error
    if not isinstance(found, dict):
        raise ShapeUnknown(f"{base.id}: its config.json is no mapping.")
    return found


def _read(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _keep(file: Path, found: dict[str, Any]) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(found), encoding="utf-8")
        draft.replace(file)
