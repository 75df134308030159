"""A job's and a deployment's data: rights checked as Azure would, then real files put in place.

What is read is linked file by file into the working folder, so that a program finds one plain
folder and cannot change or delete a blob by its name. (A program that opens a file for writing
in place would still change the blob.) What is written goes straight into the datastore.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from local.access import Principal, is_allowed
from local.ml.locations import Location
from local.world import World

READ = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
WRITE = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write"
PULL = "Microsoft.ContainerRegistry/registries/pull/read"
PUSH = "Microsoft.ContainerRegistry/registries/push/write"


class Denied(Exception):
    """An identity lacks a right; the message names identity, action and scope."""


def require_data(
    world: World, who: str, principal: Principal, action: str, location: Location
) -> None:
    """Check a data right on the container of a location; `who` says whose identity it is."""
    scope = location.scope(world)
    if not is_allowed(world.state, principal, action, scope, data=True):
        raise Denied(_text(who, principal, f"data action '{action}'", scope))


def require_registry(
    world: World, who: str, principal: Principal, action: str, registry: str
) -> None:
    """Check a right on a container registry."""
    if not is_allowed(world.state, principal, action, registry):
        raise Denied(_text(who, principal, f"action '{action}'", registry))


def stage(world: World, location: Location, target: Path) -> Path:
    """Put the file or folder at a location below the folder `target`; give where it is.

    Raises:
        FileNotFoundError: nothing lies there.
    """
    source = location.folder(world)
    if source.is_file():
        target.mkdir(parents=True, exist_ok=True)
        link(source, target / source.name)
        return target / source.name
    files = list(_files(source))
    if not files:
        raise FileNotFoundError(f"{location.url} holds nothing.")
    for file in files:
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        link(file, place)
    return target


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def link(source: Path, target: Path) -> None:
    """Put a file at another place without taking room twice, where the disk can do that."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def copy_code(world: World, location: Location, target: Path) -> None:
    """Put a fresh copy of a code snapshot at `target`, which the program may change."""
    target.mkdir(parents=True, exist_ok=True)
    shutil.copytree(location.folder(world), target, dirs_exist_ok=True)


def _text(who: str, principal: Principal, right: str, scope: str) -> str:
    return (
        f"{who} '{principal.name}' with object id '{principal.object_id}' lacks the {right}"
        f" over scope '{scope}'."
    )
