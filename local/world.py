"""What the services of the local Azure share: its folder, its state and its running processes."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local.state import State

if TYPE_CHECKING:
    from local.runner.processes import Processes


@dataclass(frozen=True)
class World:
    """One local Azure."""

    folder: Path
    """State, blobs, certificates and logs; nothing is written outside it but `environments`."""
    environments: Path
    """Built virtual environments, by hash; shared by all worlds of this machine's user."""
    state: State
    processes: "Processes"
    proxy_url: str
    """The CONNECT proxy with its password, for the processes that it starts."""
    ca_bundle: Path

    @property
    def blobs(self) -> Path:
        """The folder of blob data: `blobs/<account>/<container>/<blob name>` as plain files."""
        return self.folder / "blobs"
