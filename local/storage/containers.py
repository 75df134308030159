"""Storage accounts and containers as both ARM and the blob service see them."""

import shutil
import uuid
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from local.operations import Refusal
from local.state import Document
from local.storage.refusals import container_not_found
from local.world import World

ACCOUNTS = "Microsoft.Storage/storageAccounts"
CONTAINERS = f"{ACCOUNTS}/blobServices/containers"


def find_account(world: World, name: str) -> tuple[str, Document]:
    """Find a storage account by its name, which is unique in the world.

    Raises:
        Refusal: 404, no such account; at Azure its host name would not resolve.
    """
    for id, account in world.state.find(ACCOUNTS):
        if account["name"] == name.lower():
            return id, account
    raise Refusal(404, "AccountNotFound", f"There is no storage account named '{name}'.")


def container_id(account_id: str, name: str) -> str:
    """Give the resource id of a container."""
    return f"{account_id}/blobServices/default/containers/{name}"


def container_folder(world: World, account: str, container: str) -> Path:
    """Give the folder that holds a container's blobs as plain files."""
    return world.blobs / account.lower() / container


def has_container(world: World, account_id: str, name: str) -> bool:
    """Say whether there is such a container."""
    return world.state.get(container_id(account_id, name)) is not None


def find_container(world: World, account_id: str, name: str) -> Document:
    """Find a container.

    Raises:
        Refusal: 404, there is none.
    """
    found = world.state.get(container_id(account_id, name))
    if found is None:
        raise container_not_found()
    return found


def create_container(
    world: World, account_id: str, name: str, properties: dict[str, Any] | None = None
) -> Document:
    """Make a container in a storage account; one that is there already stays as it is."""
    id = container_id(account_id, name)
    with world.state.transaction():
        found = world.state.get(id)
        if found is not None:
            return found
        document = {
            "id": id,
            "name": name,
            "type": CONTAINERS,
            "etag": f'"0x{uuid.uuid4().hex[:15].upper()}"',
            "properties": {**(properties or {}), **_computed(properties or {})},
        }
        container_folder(world, account_id.rsplit("/", 1)[-1], name).mkdir(
            parents=True, exist_ok=True
        )
        world.state.put(id, CONTAINERS, document)
    return document


def delete_container(world: World, account_id: str, name: str) -> bool:
    """Delete a container with its blobs; False where there is none."""
    account = account_id.rsplit("/", 1)[-1]
    if not world.state.delete(container_id(account_id, name)):
        return False
    world.state.delete(f"blob:/{account.lower()}/{name}")
    shutil.rmtree(container_folder(world, account, name), ignore_errors=True)
    return True


def delete_account_data(world: World, account: str) -> None:
    """Delete every blob of an account from the disk."""
    world.state.delete(f"blob:/{account.lower()}")
    shutil.rmtree(world.blobs / account.lower(), ignore_errors=True)


def http_date(moment: datetime | None = None) -> str:
    """Write a moment as HTTP headers do."""
    return format_datetime(moment or datetime.now(UTC), usegmt=True)


def modified(container: Document) -> str:
    """Write when a container was changed last."""
    return http_date(datetime.fromisoformat(container["properties"]["lastModifiedTime"]))


def _computed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "publicAccess": properties.get("publicAccess", "None"),
        "leaseStatus": "Unlocked",
        "leaseState": "Available",
        "hasImmutabilityPolicy": False,
        "hasLegalHold": False,
        "lastModifiedTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
    }
