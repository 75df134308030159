"""The online endpoint of a stack: its name, its state, and the one way in which it is changed.

It is made once and never deleted by a redeploy, so that address and keys stay. What runs behind it
is `deployment`'s, how a new model takes its place is `rollout`'s.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from core.azure_errors import operation, quietly
from core.cloud import Cloud
from core.errors import CloudError, SettingsError
from core.refs import EndpointRef, StackOutputs
from deploy.releasing.deployment import SERVES_TAG, state_name
from deploy.runtimes import RUNTIME_TAG
from deploy.upkeep.alerts import unwatch
from deploy.upkeep.expiry import end_companions

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

Progress = Callable[[str], None]
Auth = Literal["key", "entra"]
AUTH_MODES: dict[str, str] = {"key": "key", "entra": "aad_token"}
"""Ours, and azure-ai-ml's name of it."""


@dataclass(frozen=True)
class DeploymentState:
    """One deployment, as Azure tells it."""

    name: str
    model: str
    state: str
    traffic: int
    """Percent."""
    vm_size: str
    instances: int
    runtime: str = "transformers"
    serves: Literal["tuned", "base"] = "tuned"
    """The tuned model, or the base model that it is compared with."""
    created: str = ""
    """ISO 8601; empty where Azure does not say."""

    @property
    def is_ready(self) -> bool:
        """Say whether Azure calls it healthy."""
        return self.state == "Succeeded"


@dataclass(frozen=True)
class EndpointState:
    """The endpoint and everything that runs, and costs, behind it."""

    ref: EndpointRef
    state: str
    deployments: tuple[DeploymentState, ...]
    tags: Mapping[str, str] = field(default_factory=dict)

    def serving(self, side: str) -> DeploymentState | None:
        """Give the deployment that answers as `tuned` (the one with most traffic) or `base`."""
        those = [item for item in self.deployments if item.serves == side]
        ready = [item for item in those if item.is_ready]
        return max(ready, key=lambda item: item.traffic, default=None)

    @property
    def tuned(self) -> list[DeploymentState]:
        """List the deployments of tuned models, the oldest first."""
        those = [item for item in self.deployments if item.serves == "tuned"]
        return sorted(those, key=lambda item: item.created)

    @property
    def live(self) -> DeploymentState | None:
        """Give the deployment that takes most of the traffic; None where none takes any."""
        those = [item for item in self.deployments if item.traffic]
        return max(those, key=lambda item: item.traffic, default=None)

    @property
    def shares(self) -> dict[str, int]:
        """Give the traffic by deployment, without those that take none."""
        return {item.name: item.traffic for item in self.deployments if item.traffic}

    def named(self, name: str) -> DeploymentState | None:
        """Find a deployment by its whole name."""
        return next((item for item in self.deployments if item.name == name), None)


def endpoint_name(outputs: StackOutputs) -> str:
    """Name the stack's endpoint: 3 to 32 letters, digits and hyphens, unique in the region."""
    return endpoint_name_in(outputs.subscription_id, outputs.resource_group, outputs.workspace)


def endpoint_name_in(subscription: str, group: str, workspace: str) -> str:
    """Name the endpoint of the stack that works in a workspace, which need not be there yet."""
    scope = f"{subscription}/{group}/{workspace}".lower()
    unique = hashlib.sha256(scope.encode()).hexdigest()[:8]
    slug = re.sub(r"[^a-z0-9]+", "-", workspace.lower()).strip("-")
    start = slug if slug[:1].isalpha() else f"ep-{slug}"
    return f"{start[:23].rstrip('-')}-{unique}"


def find(cloud: Cloud, outputs: StackOutputs) -> EndpointState | None:
    """Read the stack's endpoint; None where there is none."""
    from azure.core.exceptions import ResourceNotFoundError

    client = cloud.workspace(outputs)
    name = endpoint_name(outputs)
    with operation("read the endpoint"):
        try:
            endpoint = client.online_endpoints.get(name)
        except ResourceNotFoundError:
            return None
        found = list(client.online_deployments.list(name))
    traffic = dict(endpoint.traffic or {})
    states = tuple(_state(item, int(traffic.get(item.name, 0))) for item in found)
    serving = max(states, key=lambda item: item.traffic, default=None)
    ref = EndpointRef(
        name=name,
        scoring_url=str(endpoint.scoring_uri or ""),
        deployment=serving.name if serving and serving.traffic else "",
        auth="key" if str(endpoint.auth_mode).lower() == "key" else "entra",
    )
    state = state_name(endpoint.provisioning_state)
    return EndpointState(ref, state, states, dict(endpoint.tags or {}))


def require(state: EndpointState | None, name: str) -> EndpointState:
    """Give a state that must be there.

    Raises:
        CloudError: somebody deleted the endpoint meanwhile.
    """
    if state is None:
        raise CloudError(f"The endpoint {name} is gone: someone deleted it meanwhile.")
    return state


def require_auth(state: EndpointState | None, asked: str) -> None:
    """Refuse another way of letting callers in than the endpoint was made with: Azure keeps it.

    Raises:
        SettingsError: it differs; says what deleting the endpoint would mean.
    """
    if state is None or not asked or state.ref.auth == asked:
        return
    raise SettingsError(
        f"--auth {asked}: the endpoint {state.ref.name} was made with --auth {state.ref.auth},"
        " which Azure never changes on an endpoint.",
        hint="tunestack undeploy first, and nothing answers until the next deploy; the address"
        " stays, keys are new.",
    )


def ensure_endpoint(cloud: Cloud, outputs: StackOutputs, progress: Progress, auth: str = "") -> str:
    """Create the endpoint with its identity, unless it is there; give its name.

    `auth` is `key` or `entra`; empty: as the endpoint is, or by key.

    Raises:
        SettingsError: it is there and lets callers in in another way.
        CloudError: Azure refused; where the name is another's, that is said.
    """
    state = find(cloud, outputs)
    name = endpoint_name(outputs)
    require_auth(state, auth)
    if state is not None and state.state != "Failed":
        progress(f"The endpoint {name} is there and is kept: its address and keys stay.")
        return name
    progress(f"Creating the endpoint {name}.")
    try:
        _put(cloud, outputs, "create the endpoint", auth=auth, state=state)
    except CloudError as error:
        if is_name_taken(error) and find(cloud, outputs) is None:
            raise _name_taken(name, outputs, error) from error
        raise
    return name


def change(
    cloud: Cloud,
    outputs: StackOutputs,
    what: str,
    *,
    traffic: Mapping[str, int] | None = None,
    tags: Mapping[str, str | None] | None = None,
) -> None:
    """Set the endpoint's traffic, its tags, or both in one request; a tag of None is taken off.

    Everything else stays as it is. `what` says for people what is done.

    Raises:
        CloudError: Azure refused, or the endpoint is gone.
    """
    state = require(find(cloud, outputs), endpoint_name(outputs))
    together = {**state.tags, **(tags or {})}
    kept = {key: value for key, value in together.items() if value is not None}
    _put(cloud, outputs, what, state=state, traffic=traffic, tags=kept)


def undeploy(cloud: Cloud, outputs: StackOutputs) -> bool:
    """Delete the endpoint with all its deployments; False where there was none."""
    from azure.core.exceptions import ResourceNotFoundError

    client = cloud.workspace(outputs)
    with operation("delete the endpoint"), quietly():
        try:
            client.online_endpoints.get(endpoint_name(outputs))
            unwatch(cloud.arm, outputs, endpoint_name(outputs))
            client.online_endpoints.begin_delete(endpoint_name(outputs)).result()
            was_there = True
        except ResourceNotFoundError:
            # One that expired leaves them behind.
            unwatch(cloud.arm, outputs, endpoint_name(outputs))
            was_there = False
    end_companions(cloud, outputs, endpoint_name(outputs))
    return was_there


def is_name_taken(error: CloudError) -> bool:
    """Say whether Azure refused a name that somebody else's endpoint in the region has."""
    # Azure/azureml-examples#1931: "There is already an endpoint with this name, Endpoint name
    # needs to be unique within a region. Try some other name."
    said = re.search(r"already an endpoint with this name|name .* is taken", str(error), re.I)
    return error.status == 409 or said is not None


def _name_taken(name: str, outputs: StackOutputs, error: CloudError) -> CloudError:
    return CloudError(
        f"The name {name} is taken in {outputs.location} by an endpoint outside of this stack's"
        f" workspace {outputs.workspace}; such names are unique in a region. ({error})",
        hint="If it is yours, delete it where it is (Azure frees a name minutes later). If not:"
        " tunestack destroy, then tunestack init --set generation=2 and tunestack up give the"
        " stack a workspace, and with it an endpoint, of another name.",
        operation=error.operation,
        code=error.code,
        status=error.status,
        request_id=error.request_id,
    )


def _put(
    cloud: Cloud,
    outputs: StackOutputs,
    what: str,
    *,
    state: EndpointState | None,
    auth: str = "",
    traffic: Mapping[str, int] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    client: MLClient = cloud.workspace(outputs)
    if traffic is None:
        traffic = state.shares if state else {}
    if tags is None:
        tags = state.tags if state else {"stack": outputs.resource_group}
    mode = AUTH_MODES[state.ref.auth if state else auth or "key"]
    with operation(what), quietly():
        endpoint = _endpoint(outputs, dict(traffic), dict(tags), mode)
        client.online_endpoints.begin_create_or_update(endpoint).result()


def _endpoint(
    outputs: StackOutputs, traffic: dict[str, int], tags: dict[str, str], mode: str
) -> Any:
    from azure.ai.ml.entities import (
        IdentityConfiguration,
        ManagedIdentityConfiguration,
        ManagedOnlineEndpoint,
    )

    return ManagedOnlineEndpoint(
        name=endpoint_name(outputs),
        auth_mode=mode,
        description="tunestack: the tuned model",
        tags=tags,
        traffic=traffic,
        identity=IdentityConfiguration(
            type="user_assigned",
            user_assigned_identities=[
                ManagedIdentityConfiguration(resource_id=outputs.endpoint_identity)
            ],
        ),
    )


def _state(deployment: Any, traffic: int) -> DeploymentState:
    tags = deployment.tags or {}
    context = getattr(deployment, "creation_context", None)
    created = getattr(context, "created_at", None)
    return DeploymentState(
        name=str(deployment.name),
        model=str(tags.get("model", "")),
        state=state_name(deployment.provisioning_state),
        traffic=traffic,
        vm_size=str(deployment.instance_type or ""),
        instances=int(deployment.instance_count or 0),
        runtime=str(tags.get(RUNTIME_TAG, "transformers")),
        serves="base" if tags.get(SERVES_TAG) == "base" else "tuned",
        created=created.isoformat() if created else "",
    )
