"""The cloud session: one credential, Azure's public addresses, and the SDK clients made of them.

A rehearsal needs no switch in this file: it sets the proxy, the CA bundle and the credential's
environment before a session opens.
"""

import base64
import json
import logging
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from core.arm import ARM_SCOPE, Arm
from core.azure_errors import operation
from core.refs import StackOutputs

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.core.credentials import TokenCredential

ML_SCOPE = "https://ml.azure.com/.default"
AI_SCOPE = "https://cognitiveservices.azure.com/.default"
STORAGE_SCOPE = "https://storage.azure.com/.default"


@dataclass(frozen=True)
class Person:
    """Who the credential stands for, as its token says."""

    object_id: str
    tenant_id: str
    name: str
    is_person: bool


@dataclass(frozen=True)
class Cloud:
    """A signed-in session with one subscription."""

    subscription_id: str
    credential: "TokenCredential"
    _workspaces: dict[str, "MLClient"] = field(default_factory=dict, repr=False)

    @classmethod
    def sign_in(cls, subscription_id: str) -> "Cloud":
        """Take what a GitHub job, the environment, the Azure CLI or a managed identity offers."""
        from azure.identity import DefaultAzureCredential

        from core.github_token import github_credential

        # It warns at length about every way that it tried; `NotSignedIn` says what to do.
        logging.getLogger("azure.identity").setLevel(logging.ERROR)
        return cls(subscription_id, github_credential() or DefaultAzureCredential())

    @cached_property
    def arm(self) -> Arm:
        """The client for plain ARM requests."""
        return Arm(self.credential)

    def person(self) -> Person:
        """Say who is signed in, as the ARM token claims; its signature is Azure's to check."""
        with operation("sign in"):
            token = self.credential.get_token(ARM_SCOPE).token
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return Person(
            object_id=claims["oid"],
            tenant_id=claims.get("tid", ""),
            name=claims.get("upn") or claims.get("appid") or claims["oid"],
            # An app's token has no scope; the claim that says so outright is not in every token.
            is_person=claims.get("idtyp", "user" if "scp" in claims else "app") != "app",
        )

    def workspace(self, outputs: StackOutputs) -> "MLClient":
        """Give the azure-ai-ml client of the stack's workspace (imported on first use: 4 s)."""
        if outputs.workspace not in self._workspaces:
            from azure.ai.ml import MLClient

            # It warns a person of classes that are experimental to its authors, not to them.
            logging.getLogger("azure.ai.ml").setLevel(logging.ERROR)
            self._workspaces[outputs.workspace] = MLClient(
                self.credential,
                outputs.subscription_id,
                outputs.resource_group,
                outputs.workspace,
                enable_telemetry=False,
                # Without, a folder's upload that fails is waited for for ever: upload_directory
                # looks at its errors only while it draws a bar (seen in azure-ai-ml 1.35.2).
                show_progress=True,
            )
        return self._workspaces[outputs.workspace]

    def hub_project(self, outputs: StackOutputs) -> "MLClient":
        """Give the azure-ai-ml client of the hub's project, in which serverless tuning runs."""
        return self.workspace(outputs.of_project())
