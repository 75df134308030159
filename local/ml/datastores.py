"""What a datastore's secrets are: none, because the workspace's datastores are identity-based.

The datastores themselves are resources and live in `local/arm/`.
"""

from typing import Any

from local.ml.workspace import PATH, bad_request, document_at
from local.operations import Call, operation


@operation(
    "POST",
    f"{PATH}/datastores/{{datastore}}/listSecrets",
    action="Microsoft.MachineLearningServices/workspaces/datastores/listsecrets/action",
    note="identity-based datastores hold no secret: clients use their own token",
)
def list_secrets(call: Call) -> dict[str, Any]:
    """Give the secrets of a datastore."""
    document = document_at(call.world.state, call.path.rpartition("/")[0])
    kind = (document["properties"].get("credentials") or {}).get("credentialsType", "None")
    if kind != "None":
        raise bad_request(f"The datastore's credentials of type {kind} are not played here.")
    return {"secretsType": "None"}
