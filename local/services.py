"""Which modules make up the local Azure: importing them fills the table of operations."""

import importlib
import pkgutil

SERVICES = ("local.login", "local.arm", "local.storage", "local.ml")


def load_services() -> None:
    """Import every module of every service."""
    for service in SERVICES:
        package = importlib.import_module(service)
        for module in pkgutil.iter_modules(package.__path__, f"{service}."):
            importlib.import_module(module.name)
