"""The deployments of one endpoint: made, waited for, explained when they fail, removed."""

import contextlib
import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.azure_errors import operation, quietly, uploaded
from core.errors import CloudError, DeploymentFailed
from core.refs import ModelRef
from deploy.environment import SCORING_SCRIPT
from deploy.runtimes import RUNTIME_TAG, Runtime

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

SETTLED = ("Succeeded", "Failed", "Canceled")
LOG_LINES = 60
POLL_SECONDS = 10
REQUEST_SECONDS = 180
"""The most that Azure allows; the scoring program itself stops at 150."""
SERVES_TAG = "serves"
"""On a deployment: `base` where it answers with the base model of the tuned one."""


@dataclass(frozen=True)
class Plan:
    """A deployment to be, and the name that follows from what is in it."""

    model: ModelRef
    vm_size: str
    environment: str
    code: Path
    code_digest: str
    runtime: Runtime
    instances: int = 1
    serves: Literal["tuned", "base"] = "tuned"

    @property
    def name(self) -> str:
        """Name the deployment by its model version and a hash of everything that it runs."""
        parts = [str(self.model), self.vm_size.lower(), self.environment, self.code_digest]
        parts += [self.runtime.name]
        unique = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]
        version = re.sub(r"[^a-z0-9]+", "-", self.model.version.lower()).strip("-")[:16]
        return f"v{version}-{unique}"


@dataclass(frozen=True)
class Deployments:
    """The deployments behind one endpoint."""

    client: "MLClient"
    endpoint: str
    progress: Callable[[str], None]

    def ensure(self, plan: Plan) -> None:
        """Bring the planned deployment up and wait until it is healthy; keep it if it is.

        Raises:
            DeploymentFailed: it did not get healthy; it was removed, and its log's end is shown.
        """
        state = self._settled(plan.name)
        if state == "Succeeded":
            self.progress(f"{plan.name} is up already: same model, same program, same size.")
            return
        if state:
            self.progress(f"{plan.name} was left {state.lower()}; it is removed first.")
            self.delete(plan.name)
        self.progress(f"Starting {plan.name}: {plan.model} on one {plan.vm_size}.")
        self._create(plan)

    def delete(self, name: str) -> None:
        """Delete one deployment; it must not have traffic."""
        from azure.core.exceptions import ResourceNotFoundError

        with operation(f"delete the deployment {name}"), quietly():
            try:
                self.client.online_deployments.begin_delete(name, self.endpoint).result()
            except ResourceNotFoundError:
                return

    def delete_others(self, keep: str) -> None:
        """Delete every deployment but `keep`: each one costs as long as it stands."""
        for name in self._names():
            if name != keep:
                self.progress(f"Removing {name}, which has no traffic any more.")
                self.delete(name)

    def _create(self, plan: Plan) -> None:
        from azure.core.exceptions import HttpResponseError

        with operation("create the deployment"), quietly():
            deployment = managed_deployment(plan, self.endpoint)
            deployments = self.client.online_deployments
            poller = uploaded(lambda: deployments.begin_create_or_update(deployment))
        try:
            with quietly():
                poller.result()
        except HttpResponseError as error:
            raise self._failed(plan, _reason(error)) from error
        # An operation may end well and leave a deployment that has not.
        state = self._state(plan.name)
        if state != "Succeeded":
            raise self._failed(plan, f"it ended as {state or 'nothing'}")

    def _failed(self, plan: Plan, reason: str) -> DeploymentFailed:
        tail = self._log_tail(plan.name)
        self.progress(f"{plan.name} did not get healthy; it is removed, since it would cost.")
        with contextlib.suppress(CloudError):
            self.delete(plan.name)
        others = self._names()
        return DeploymentFailed(
            f"The deployment of {plan.model} did not get healthy: {reason}\n"
            f"The end of its container's log:\n{tail}",
            hint=f"It was removed. {', '.join(others)} still answers."
            if others
            else "It was removed; the endpoint stands empty and costs nothing.",
        )

    def _log_tail(self, name: str) -> str:
        try:
            with operation("read the container's log"):
                text = self.client.online_deployments.get_logs(name, self.endpoint, LOG_LINES)
        except CloudError as error:
            return f"  (it could not be read: {error})"
        lines = [line for line in text.splitlines() if line.strip()][-LOG_LINES:]
        return "\n".join(f"  {line}" for line in lines) or "  (it is empty)"

    def _settled(self, name: str) -> str:
        """Wait for what an earlier, interrupted call may have left under way; give its state."""
        state = self._state(name)
        while state and state not in SETTLED:
            self.progress(f"{name} is {state.lower()} already; waiting for it.")
            time.sleep(POLL_SECONDS)
            state = self._state(name)
        return state

    def _state(self, name: str) -> str:
        from azure.core.exceptions import ResourceNotFoundError

        with operation(f"read the deployment {name}"):
            try:
                found = self.client.online_deployments.get(name, self.endpoint)
            except ResourceNotFoundError:
                return ""
        return state_name(found.provisioning_state)

    def _names(self) -> list[str]:
        with operation("list the deployments"):
            return [str(item.name) for item in self.client.online_deployments.list(self.endpoint)]


def managed_deployment(plan: Plan, endpoint: str) -> Any:
    """Describe the deployment to azure-ai-ml."""
    from azure.ai.ml.entities import (
        CodeConfiguration,
        ManagedOnlineDeployment,
        OnlineRequestSettings,
        ProbeSettings,
    )

    return ManagedOnlineDeployment(
        name=plan.name,
        endpoint_name=endpoint,
        tags={
            "model": str(plan.model),
            RUNTIME_TAG: plan.runtime.name,
            SERVES_TAG: plan.serves,
        },
        model=f"azureml:{plan.model}",
        environment=plan.environment,
        code_configuration=CodeConfiguration(code=str(plan.code), scoring_script=SCORING_SCRIPT),
        instance_type=plan.vm_size,
        instance_count=plan.instances,
        environment_variables={
            # A thread for every request taken in, and some in which health probes are heard.
            "GUNICORN_CMD_ARGS": f"--threads {plan.runtime.concurrency + 4} --no-control-socket",
            "HF_HUB_OFFLINE": "1",
            **plan.runtime.variables,
        },
        request_settings=OnlineRequestSettings(
            request_timeout_ms=REQUEST_SECONDS * 1000,
            max_concurrent_requests_per_instance=plan.runtime.concurrency,
        ),
        # Ready within 8 minutes or given up: the program is ready once its model has answered.
        readiness_probe=ProbeSettings(
            initial_delay=10, period=15, timeout=10, success_threshold=1, failure_threshold=30
        ),
        # It starts when readiness is decided, so that a model being loaded is left alone.
        liveness_probe=ProbeSettings(
            initial_delay=480, period=15, timeout=10, success_threshold=1, failure_threshold=8
        ),
    )


def state_name(state: Any) -> str:
    """Give a provisioning state as Azure writes it; the SDK hands out text or an enumeration."""
    return str(getattr(state, "value", state) or "")


def _reason(error: Any) -> str:
    inner = getattr(error, "error", None)
    code, message = getattr(inner, "code", ""), getattr(inner, "message", "")
    return f"{code}: {message}" if message else str(error.message)
