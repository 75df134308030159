"""The stack's storage in memory, as `commands.evaluate.keeping` meets it."""

from types import SimpleNamespace
from typing import Any


class Blobs:
    """Every file by its whole path."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def folder(self, cloud: Any, outputs: Any, prefix: str) -> Any:
        """Stand in for `blob_folder`."""
        assert prefix.endswith("/")
        return SimpleNamespace(
            names=lambda: [n.removeprefix(prefix) for n in self.files if n.startswith(prefix)],
            read=lambda name: self.files.get(prefix + name),
            write=lambda name, content: self.files.__setitem__(prefix + name, content),
        )
