"""A stack as a command meets it: its settings, its engine and its cloud.

Here, once, a stack's name decides which Azure a run talks to. The stack `local` starts the
rehearsal's Azure and points this process and its children at it by environment variables alone;
everything below works with Azure's usual addresses.
"""

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from core.cloud import Cloud
from core.errors import NotSignedIn, PrerequisiteError
from core.home import environments, home
from core.refs import StackOutputs
from core.settings import Settings

if TYPE_CHECKING:
    from infra.engine import Engine

REHEARSAL = "local"


@dataclass
class Session:
    """An open stack."""

    stack: str

    @property
    def is_rehearsal(self) -> bool:
        """True for the stack that lives on this machine."""
        return self.stack == REHEARSAL

    @cached_property
    def settings(self) -> Settings:
        """The stack's settings, checked."""
        from infra.config import read_settings

        return read_settings(self.stack)

    @cached_property
    def cloud(self) -> Cloud:
        """Azure, signed in; for the rehearsal, the one on the loopback."""
        if self.is_rehearsal:
            enter_rehearsal()
        subscription = os.environ.get("AZURE_SUBSCRIPTION_ID", "")
        if not subscription:
            raise NotSignedIn(
                "No subscription is chosen.",
                hint="export AZURE_SUBSCRIPTION_ID=$(az account show --query id -o tsv)",
            )
        return Cloud.sign_in(subscription)

    @cached_property
    def engine(self) -> "Engine":
        """What brings the program and Azure together."""
        from infra.engine import open_engine

        return open_engine(self.stack, self.settings, self.cloud)

    @cached_property
    def outputs(self) -> StackOutputs:
        """What `up` made.

        Raises:
            PrerequisiteError: the stack is not up; names the command.
        """
        outputs = self.engine.outputs()
        if outputs is None:
            raise PrerequisiteError(
                f"The stack {self.stack} is not up.", hint=f"tunestack up --stack {self.stack}"
            )
        return outputs


def enter_rehearsal() -> None:
    """Start the local Azure where it does not run, and point this process at it."""
    from local.process import start

    os.environ.update(start(home() / "local", environments=environments()).environment)
