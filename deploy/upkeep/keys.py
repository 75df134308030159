"""The keys of an endpoint: read for whoever asks for them by name, and replaced one at a time.

No other module of this program shows a key; callers of our own take theirs from `access`.
"""

import time
from dataclasses import dataclass, field
from typing import Literal

from pydantic import SecretStr

from core.azure_errors import operation
from core.cloud import Cloud
from core.errors import CloudError, UserError
from core.refs import EndpointRef, StackOutputs
from deploy.upkeep.alerts import endpoint_id

Which = Literal["primary", "secondary"]
ML_API = "2025-12-01"
PATIENCE_SECONDS, PAUSE_SECONDS = 60, 2


@dataclass(frozen=True)
class Keys:
    """Both keys, each of which opens the endpoint."""

    primary: SecretStr = field(repr=False)
    secondary: SecretStr = field(repr=False)


def read_keys(cloud: Cloud, outputs: StackOutputs, endpoint: EndpointRef) -> Keys:
    """Read both keys.

    Raises:
        UserError: the endpoint has none, as callers show a Microsoft Entra token.
        CloudError: Azure does not give them.
    """
    require_keys(endpoint)
    with operation("read the endpoint's keys"):
        found = cloud.workspace(outputs).online_endpoints.get_keys(endpoint.name)
    return Keys(SecretStr(str(found.primary_key)), SecretStr(str(found.secondary_key)))


def rotate(cloud: Cloud, outputs: StackOutputs, endpoint: EndpointRef, which: Which) -> None:
    """Replace a key; the old one opens nothing any more, the other one stays.

    azure-ai-ml 1.35 sends the present key as the one to set, so that nothing changes; Azure makes
    a key of its own where none is sent. Whether it has is looked at, and not believed.

    Raises:
        UserError: the endpoint has none.
        CloudError: Azure refused, or the key stayed as it was.
    """
    before = read_keys(cloud, outputs, endpoint)
    path = f"{endpoint_id(outputs, endpoint.name)}/regenerateKeys"
    cloud.arm.post(path, ML_API, {"keyType": which.capitalize()})
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _is_same(getattr(before, which), getattr(read_keys(cloud, outputs, endpoint), which)):
        if time.monotonic() > deadline:
            raise CloudError(
                f"The {which} key of {endpoint.name} is still the old one.",
                hint="Try again, or replace it in https://ml.azure.com > Endpoints > Consume.",
                operation=f"replace the endpoint's {which} key",
            )
        time.sleep(PAUSE_SECONDS)


def _is_same(one: SecretStr, other: SecretStr) -> bool:
    return one.get_secret_value() == other.get_secret_value()


def require_keys(endpoint: EndpointRef) -> None:
    """Refuse where callers show a token instead.

    Raises:
        UserError: says what lets them in.
    """
    if endpoint.auth != "key":
        raise UserError(
            f"The endpoint {endpoint.name} has no keys: callers show a Microsoft Entra token for"
            " https://ml.azure.com.",
            hint="Whoever has a role with onlineEndpoints/score/action, such as AzureML Data"
            " Scientist, is let in: az account get-access-token --resource https://ml.azure.com",
        )
