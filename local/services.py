"""Which modules make up the local Azure: importing them fills the table of operations."""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.world import World

SERVICES = ("local.login", "local.arm", "local.storage", "local.ml", "local.ai")


def load_services() -> None:
    """Import every module of every service."""
    for _ in _modules():
        pass


def resume_services(world: "World") -> None:
    """Have every service take up what an earlier server left: its modules' own `resume(world)`."""
    for module in _modules():
        resume = getattr(module, "resume", None)
        # What a module has only imported is another's.
        if resume is not None and resume.__module__ == module.__name__:
            resume(world)


def _modules() -> Iterator[ModuleType]:
    for service in SERVICES:
        package = importlib.import_module(service)
        for module in pkgutil.iter_modules(package.__path__, f"{service}."):
            yield importlib.import_module(module.name)
