"""The online endpoint of a stack: one name, one key, and the deployment that takes its traffic.

A redeploy never deletes the endpoint, so address and keys stay, and moves traffic only to a
deployment that has answered. Sharing traffic between two and going back belong elsewhere.
"""

import hashlib
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.azure_errors import operation, quietly
from core.cloud import Cloud
from core.environments import ensure_environment
from core.errors import CloudError, UserError
from core.refs import EndpointRef, ModelRef, StackOutputs
from deploy.alerts import unwatch, watch
from deploy.deployment import SERVES_TAG, Deployments, Plan, state_name
from deploy.environment import SERVING, code_digest, stage_code
from deploy.runtimes import RUNTIME_TAG, build_environment, choose

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

Progress = Callable[[str], None]


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


@dataclass(frozen=True)
class EndpointState:
    """The endpoint and everything that runs, and costs, behind it."""

    ref: EndpointRef
    state: str
    deployments: tuple[DeploymentState, ...]

    def serving(self, side: str) -> DeploymentState | None:
        """Give the deployment that answers as `tuned` (the one with most traffic) or `base`."""
        those = [item for item in self.deployments if item.serves == side]
        ready = [item for item in those if item.state == "Succeeded"]
        return max(ready, key=lambda item: item.traffic, default=None)


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
    return EndpointState(ref, state_name(endpoint.provisioning_state), states)


def deploy(
    cloud: Cloud,
    outputs: StackOutputs,
    model: ModelRef,
    *,
    vm_size: str,
    progress: Progress = lambda _: None,
    program: Path = SERVING,
) -> EndpointRef:
    """Serve a registered model on the stack's endpoint, all traffic on it, and give the address.

    What is there already is kept: the same model, program and size again change nothing. After
    an interruption the same call goes on where it stopped.

    Raises:
        UserError: there is no such model.
        DeploymentFailed: the container did not get healthy; what served before still does.
        CloudError: Azure refused.
    """
    client = cloud.workspace(outputs)
    runtime = choose("", _tags(client, model), vm_size)
    name = ensure_endpoint(cloud, outputs, progress)
    watch(cloud.arm, outputs, name, progress)
    deployments = Deployments(client, name, progress)
    environment = build_environment(runtime, vm_size, program)
    with tempfile.TemporaryDirectory() as work:
        code = stage_code(Path(work), program)
        plan = Plan(
            model=model,
            vm_size=vm_size,
            environment=ensure_environment(cloud, outputs, environment),
            code=code,
            code_digest=code_digest(code),
            runtime=runtime,
        )
        deployments.ensure(plan)
    _shift_traffic(client, outputs, name, plan.name, progress)
    deployments.delete_others(plan.name)
    return _require(find(cloud, outputs), name).ref


def ensure_endpoint(cloud: Cloud, outputs: StackOutputs, progress: Progress) -> str:
    """Create the endpoint with its identity and a key, unless it is there; give its name."""
    state = find(cloud, outputs)
    name = endpoint_name(outputs)
    if state is not None and state.state != "Failed":
        progress(f"The endpoint {name} is there and is kept: its address and keys stay.")
        return name
    progress(f"Creating the endpoint {name}.")
    client = cloud.workspace(outputs)
    with operation("create the endpoint"), quietly():
        client.online_endpoints.begin_create_or_update(_endpoint(outputs, {})).result()
    return name


def undeploy(cloud: Cloud, outputs: StackOutputs) -> bool:
    """Delete the endpoint with all its deployments; False where there was none."""
    from azure.core.exceptions import ResourceNotFoundError

    client = cloud.workspace(outputs)
    with operation("delete the endpoint"), quietly():
        try:
            client.online_endpoints.get(endpoint_name(outputs))
            unwatch(cloud.arm, outputs, endpoint_name(outputs))
            client.online_endpoints.begin_delete(endpoint_name(outputs)).result()
        except ResourceNotFoundError:
            return False
    return True


def _endpoint(outputs: StackOutputs, traffic: dict[str, int]) -> Any:
    from azure.ai.ml.entities import (
        IdentityConfiguration,
        ManagedIdentityConfiguration,
        ManagedOnlineEndpoint,
    )

    return ManagedOnlineEndpoint(
        name=endpoint_name(outputs),
        auth_mode="key",
        description="tunestack: the tuned model",
        tags={"stack": outputs.resource_group},
        traffic=traffic,
        identity=IdentityConfiguration(
            type="user_assigned",
            user_assigned_identities=[
                ManagedIdentityConfiguration(resource_id=outputs.endpoint_identity)
            ],
        ),
    )


def _tags(client: "MLClient", model: ModelRef) -> dict[str, str]:
    from azure.core.exceptions import ResourceNotFoundError

    with operation(f"read the model {model}"):
        try:
            found = client.models.get(model.name, model.version)
        except ResourceNotFoundError as error:
            raise UserError(f"There is no model {model}.", hint="tunestack models list") from error
    return dict(found.tags or {})


def _shift_traffic(
    client: "MLClient", outputs: StackOutputs, name: str, deployment: str, progress: Progress
) -> None:
    with operation("read the endpoint's traffic"):
        traffic = dict(client.online_endpoints.get(name).traffic or {})
    if {key: value for key, value in traffic.items() if value} == {deployment: 100}:
        return
    progress(f"{deployment} has answered; all traffic goes to it now.")
    with operation("move the endpoint's traffic"), quietly():
        endpoint = _endpoint(outputs, {deployment: 100})
        client.online_endpoints.begin_create_or_update(endpoint).result()


def _state(deployment: Any, traffic: int) -> DeploymentState:
    tags = deployment.tags or {}
    return DeploymentState(
        name=str(deployment.name),
        model=str(tags.get("model", "")),
        state=state_name(deployment.provisioning_state),
        traffic=traffic,
        vm_size=str(deployment.instance_type or ""),
        instances=int(deployment.instance_count or 0),
        runtime=str(tags.get(RUNTIME_TAG, "transformers")),
        serves="base" if tags.get(SERVES_TAG) == "base" else "tuned",
    )


def _require(state: EndpointState | None, name: str) -> EndpointState:
    if state is None:
        raise CloudError(f"The endpoint {name} is gone: someone deleted it meanwhile.")
    return state
