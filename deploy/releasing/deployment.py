"""The deployments of one endpoint: made, scaled, waited for, explained when they fail, removed."""

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.azure_errors import operation, quietly, uploaded
from core.errors import CloudError, DeploymentFailed
from core.refs import ModelRef
from deploy.environment import SCORING_SCRIPT, has_gpu
from deploy.releasing.causes import Cause, explain
from deploy.releasing.probes import probes
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
    """Empty where Azure brings its own, as for MLflow models."""
    code: Path | None
    code_digest: str
    runtime: Runtime
    instances: int = 1
    serves: Literal["tuned", "base"] = "tuned"
    weights_gb: float | None = None
    """How large the model is in memory, for how long it may take to load; None: not known."""

    @property
    def name(self) -> str:
        """Name the deployment by its model version and a hash of everything that it runs.

        How many instances there are is no part of it: they are changed in place.
        """
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

        Another number of instances is changed in place. One that takes traffic is never deleted.

        Raises:
            DeploymentFailed: it did not get healthy, and why; if it was new, it was removed.
        """
        found = self._settled(plan.name)
        state = state_name(found.provisioning_state) if found is not None else ""
        if state == "Succeeded" and int(found.instance_count or 0) == plan.instances:
            self.progress(f"{plan.name} is up already: same model, same program, same size.")
        elif state == "Succeeded":
            self.progress(f"Scaling {plan.name} to {told_instances(plan)}; it answers meanwhile.")
            self._put(plan, found.tags or {}, is_new=False)
        elif state and self._has_traffic(plan.name):
            self.progress(f"{plan.name} was left {state.lower()} and takes traffic: set up again.")
            self._put(plan, found.tags or {}, is_new=False)
        else:
            if state:
                self.progress(f"{plan.name} was left {state.lower()}; it is removed first.")
                self.delete(plan.name)
            self.progress(f"Starting {plan.name}: {plan.model} on {told_instances(plan)}.")
            self._put(plan, {}, is_new=True)

    def delete(self, name: str) -> None:
        """Delete one deployment; it must not have traffic."""
        from azure.core.exceptions import ResourceNotFoundError

        with operation(f"delete the deployment {name}"), quietly():
            try:
                self.client.online_deployments.begin_delete(name, self.endpoint).result()
            except ResourceNotFoundError:
                return

    def give_up(self, name: str, error: DeploymentFailed) -> DeploymentFailed:
        """Remove a new deployment that is of no use, since it would cost; say what became of it."""
        self.progress(f"{name} is removed, since it would cost.")
        removed = self._removed(name)
        error.hint = "\n".join(filter(None, (error.hint, removed, self._still_answering(name))))
        return error

    def _put(self, plan: Plan, tags: Mapping[str, str], *, is_new: bool) -> None:
        from azure.core.exceptions import HttpResponseError

        what = "create the deployment" if is_new else f"change the deployment {plan.name}"
        try:
            with operation(what), quietly():
                deployment = managed_deployment(plan, self.endpoint, tags)
                deployments = self.client.online_deployments
                poller = uploaded(lambda: deployments.begin_create_or_update(deployment))
        except CloudError as error:
            raise _explained(error) from error
        try:
            with quietly():
                poller.result()
        except HttpResponseError as error:
            raise self._failed(plan, _reason(error), is_new=is_new) from error
        # An operation may end well and leave a deployment that has not.
        found = self._found(plan.name)
        state = state_name(found.provisioning_state) if found is not None else "nothing"
        if state != "Succeeded":
            raise self._failed(plan, f"it ended as {state}", is_new=is_new)

    def _failed(self, plan: Plan, reason: str, *, is_new: bool) -> DeploymentFailed:
        """Tell why a deployment failed, from its log, before that goes with it."""
        build, log = self._log(plan.name, "storage-initializer"), self._log(plan.name)
        cause = explain(reason, (*build, *log))
        title, shown = ("container's", log) if any(log) else ("image's and the model's", build)
        error = DeploymentFailed(
            f"The deployment of {plan.model} did not get healthy: {_first_part(reason)}\n"
            f"The end of its {title} log:\n{_indented(shown)}\n{cause.told()}",
            hint=cause.fix,
        )
        if is_new:
            return self.give_up(plan.name, error)
        error.hint += (
            f"\nIt was not removed, as it may take traffic: {plan.name} stands as Azure left it."
        )
        return error

    def _removed(self, name: str) -> str:
        try:
            self.delete(name)
        except CloudError as error:
            return (
                f"{name} could NOT be removed and costs as long as it stands: tunestack undeploy"
                f" {name} ({error})"
            )
        return "It was removed."

    def _still_answering(self, gone: str) -> str:
        try:
            shares = self._shares()
        except CloudError:  # what cannot be read now must not hide what failed
            return ""
        others = sorted(name for name, share in shares.items() if share and name != gone)
        if not others:
            return "No deployment takes traffic; an empty endpoint costs nothing."
        return f"{', '.join(others)} still answer{'s' * (len(others) == 1)}."

    def _log(self, name: str, container: str = "inference-server") -> list[str]:
        try:
            with operation("read the container's log"):
                text = self.client.online_deployments.get_logs(
                    name, self.endpoint, LOG_LINES, container_type=container
                )
        except CloudError as error:
            return [f"(it could not be read: {error})"] if container == "inference-server" else []
        return [line for line in text.splitlines() if line.strip()][-LOG_LINES:]

    def _settled(self, name: str) -> Any:
        """Wait for what an earlier, interrupted call may have left under way; give it or None."""
        found = self._found(name)
        while found is not None and state_name(found.provisioning_state) not in SETTLED:
            state = state_name(found.provisioning_state).lower()
            self.progress(f"{name} is {state} already; waiting for it.")
            time.sleep(POLL_SECONDS)
            found = self._found(name)
        return found

    def _found(self, name: str) -> Any:
        from azure.core.exceptions import ResourceNotFoundError

        with operation(f"read the deployment {name}"):
            try:
                return self.client.online_deployments.get(name, self.endpoint)
            except ResourceNotFoundError:
                return None

    def _has_traffic(self, name: str) -> bool:
        return bool(self._shares().get(name))

    def _shares(self) -> dict[str, int]:
        with operation("read the endpoint's traffic"):
            return dict(self.client.online_endpoints.get(self.endpoint).traffic or {})


def managed_deployment(plan: Plan, endpoint: str, tags: Mapping[str, str] | None = None) -> Any:
    """Describe the deployment to azure-ai-ml; `tags` are those that others have put on it."""
    from azure.ai.ml.entities import (
        CodeConfiguration,
        ManagedOnlineDeployment,
        OnlineRequestSettings,
    )

    readiness, liveness = probes(plan.weights_gb, has_gpu=has_gpu(plan.vm_size))
    return ManagedOnlineDeployment(
        name=plan.name,
        endpoint_name=endpoint,
        tags={
            **(tags or {}),
            "model": str(plan.model),
            RUNTIME_TAG: plan.runtime.name,
            SERVES_TAG: plan.serves,
        },
        model=f"azureml:{plan.model}",
        environment=plan.environment or None,
        code_configuration=plan.code
        and CodeConfiguration(code=str(plan.code), scoring_script=SCORING_SCRIPT),
        instance_type=plan.vm_size,
        instance_count=plan.instances,
        environment_variables=_variables(plan.runtime),
        request_settings=OnlineRequestSettings(
            request_timeout_ms=REQUEST_SECONDS * 1000,
            max_concurrent_requests_per_instance=plan.runtime.concurrency,
        ),
        readiness_probe=readiness.settings(),
        liveness_probe=liveness.settings(),
    )


def _variables(runtime: Runtime) -> dict[str, str]:
    variables = dict(runtime.variables)
    if runtime.server == "inference server":
        # A thread for every request taken in, and some in which health probes are heard.
        threads = runtime.concurrency + 4
        variables = {
            "GUNICORN_CMD_ARGS": f"--threads {threads} --no-control-socket",
            "HF_HUB_OFFLINE": "1",
            # Where insights are on, the server would wait for the end of a stream to log answers.
            "APP_INSIGHTS_LOG_RESPONSE_ENABLED": "false",
            **variables,
        }
    return variables


def state_name(state: Any) -> str:
    """Give a provisioning state as Azure writes it; the SDK hands out text or an enumeration."""
    return str(getattr(state, "value", state) or "")


def told_instances(plan: Plan) -> str:
    """Say on what it runs: `one Standard_E4s_v3`, `3 x Standard_E4s_v3`."""
    return f"one {plan.vm_size}" if plan.instances == 1 else f"{plan.instances} x {plan.vm_size}"


def _explained(error: CloudError) -> CloudError:
    """Add cause and fix to a refusal, where a rule knows it."""
    cause: Cause = explain(str(error))
    if cause.is_known:
        error.hint = "\n".join(filter(None, (f"{cause.told()}. {cause.fix}", error.hint)))
    return error


def _reason(error: Any) -> str:
    inner = getattr(error, "error", None)
    code, message = getattr(inner, "code", ""), getattr(inner, "message", "")
    return f"{code}: {message}" if message else str(error.message)


def _first_part(reason: str) -> str:
    """Leave out the log that some errors repeat: it is shown once, below."""
    return reason.partition("The last lines of its log")[0].strip()


def _indented(lines: list[str]) -> str:
    return "\n".join(f"  {line}" for line in lines) or "  (it is empty)"
