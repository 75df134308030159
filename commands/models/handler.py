"""Who keeps a model: the workspace's registry, or the managed service that tuned it.

The commands call a handler and never ask for the route; `model_handler` looks the model up.
"""

from pathlib import Path
from typing import Protocol

from commands.session import Session
from core.refs import ModelRef


class ModelHandler(Protocol):
    """What can be done with one model."""

    def show(self, *, as_json: bool) -> None:
        """Show what went in, what came out, and what it cost."""

    def download(self, folder: Path | None, *, as_json: bool) -> None:
        """Bring its files here."""

    def delete(self, *, yes: bool, as_json: bool) -> None:
        """Delete it, unless a deployment serves it."""


class RegisteredModel:
    """A model of the workspace's registry, or one that nobody has: the registry says so."""

    def __init__(self, session: Session, wanted: ModelRef) -> None:
        self.session, self.wanted = session, wanted

    def show(self, *, as_json: bool) -> None:
        """Show its lineage."""
        from commands.models.show import show_lineage

        show_lineage(self.session, self.wanted, as_json=as_json)

    def download(self, folder: Path | None, *, as_json: bool) -> None:
        """Bring its files here, each held to its hash."""
        from commands.models.files import download_model

        download_model(self.session, self.wanted, folder, as_json=as_json)

    def delete(self, *, yes: bool, as_json: bool) -> None:
        """Take the version out of the registry."""
        from commands.models.files import delete_version

        delete_version(self.session, self.wanted, yes=yes, as_json=as_json)


def model_handler(session: Session, wanted: ModelRef) -> ModelHandler:
    """Give who keeps a model; without a name, who keeps the newest of all."""
    from commands.managed.choosing import managed_model
    from commands.managed.models import ServiceModel

    found = managed_model(session, wanted)
    return ServiceModel(session, *found) if found else RegisteredModel(session, wanted)
