"""Who keeps a model: the workspace's registry, or the managed service that tuned it.

The commands call a handler and never ask for the route; `model_handler` looks the model up.
"""

from pathlib import Path
from typing import Protocol

from commands.session import Session
from core.refs import ModelRef
from training.managed.services import find_managed_model, services
from training.models import list_models


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
    from commands.jobs.listing import moment
    from commands.managed.models import ServiceModel

    registered = RegisteredModel(session, wanted)
    if not services(session.cloud, session.outputs):
        return registered
    found = find_managed_model(session.cloud, session.outputs, wanted)
    if found is None:
        return registered
    service, model = found
    if not wanted.name:
        newest = list_models(session.cloud, session.outputs)[:1]
        if newest and moment(newest[0]["created"]) > moment(model.created):
            return registered
    return ServiceModel(session, service, model)
