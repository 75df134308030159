"""What lets a caller in at an endpoint: its key, or the person's own Microsoft Entra token.

A key is read when access opens, stays in memory and goes nowhere but into a request's header.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from core.azure_errors import operation
from core.cloud import ML_SCOPE, Cloud
from core.refs import EndpointRef, StackOutputs

DEPLOYMENT_HEADER = "azureml-model-deployment"
"""Names the deployment that shall answer, whatever its share of the traffic."""


@dataclass(frozen=True)
class Access:
    """An endpoint, and what opens it."""

    endpoint: EndpointRef
    secret: Callable[[], SecretStr] = field(repr=False)
    """Gives a key, or a token that is valid now."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """What every body must say: Azure OpenAI's `model` is the deployment's name."""
    answers: str = ""
    """Who answers, where the address has no choice of deployments; for the person to read."""

    def headers(self, deployment: str = "") -> dict[str, str]:
        """Write a request's headers; `deployment` asks that one, not the one that traffic finds."""
        headers = {"Authorization": f"Bearer {self.secret().get_secret_value()}"}
        return headers | ({DEPLOYMENT_HEADER: deployment} if deployment else {})


def open_access(cloud: Cloud, outputs: StackOutputs, endpoint: EndpointRef) -> Access:
    """Read the endpoint's key, or use the credential of who is signed in.

    Raises:
        CloudError: Azure does not give the key, or no token.
    """
    if endpoint.auth == "entra":
        return Access(endpoint, lambda: _token(cloud))
    with operation("read the endpoint's key"):
        keys = cloud.workspace(outputs).online_endpoints.get_keys(endpoint.name)
    key = SecretStr(str(keys.primary_key))
    return Access(endpoint, lambda: key)


def _token(cloud: Cloud) -> SecretStr:
    with operation("sign in at the endpoint"):
        return SecretStr(cloud.credential.get_token(ML_SCOPE).token)
