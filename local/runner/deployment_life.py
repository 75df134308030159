"""One deployment from its image to its last process.

What the outcome means for the state is `deployments`'s business.
"""

import http.client
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.access import identity_principal
from local.ml.locations import find_asset, locate
from local.ml.workspace import workspace_at
from local.runner import environments
from local.runner.data import (
    PULL,
    READ,
    copy_code,
    require_data,
    require_registry,
    stage,
)
from local.runner.durations import seconds
from local.runner.listening import addresses
from local.runner.process_environment import base_environment, free_port
from local.runner.processes import Child, Command, Exit, Task
from local.state import Document
from local.world import World

LAUNCHER = Path(__file__).with_name("serve.py")
LOGS = {"inferenceserver": "server.log", "storageinitializer": "build.log"}
STEP = 0.1
MOST_BACKOFF = 30.0
STEADY = 60.0
"""Seconds after which a process that dies is not counted as dying again and again."""

TAIL_LINES = 25


class Failure(Exception):
    """The deployment failed: Azure's code and what a person can do about it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Probe:
    """When a process counts as not answering."""

    delay: float
    period: float
    timeout: float
    failures: int

    @classmethod
    def of(cls, settings: dict[str, Any]) -> "Probe":
        """Read probe settings."""
        return cls(
            seconds(str(settings["initialDelay"])),
            seconds(str(settings["period"])),
            seconds(str(settings["timeout"])),
            int(settings["failureThreshold"]),
        )

    @property
    def budget(self) -> float:
        """Seconds from the start until so many probes in a row can have failed."""
        return self.delay + self.period * self.failures


class Life:
    """One deployment from its image to its last process."""

    def __init__(self, world: World, id: str, endpoint: str, task: Task) -> None:
        self.world, self.id, self.endpoint, self.task = world, id, endpoint, task
        self.owner = id.rpartition("/onlineEndpoints/")[0]
        document = world.state.get(id)
        if document is None:
            raise Failure("ResourceNotFound", "The deployment was deleted.")
        self.name: str = document["name"]
        self.asked: dict[str, Any] = document["properties"]
        self.folder = world.processes.make_folder(id)
        self.place = self.folder / f"{time.time_ns()}"
        self.readiness = Probe.of(self.asked["readinessProbe"])
        self.liveness = Probe.of(self.asked["livenessProbe"])
        self.environment = Path()

    def make_ready(self) -> Child:
        """Bring a process up that answers, or one that was asked to stop meanwhile."""
        self.prepare()
        child = self.start()
        self.until_ready(child)
        return child

    def prepare(self) -> None:
        """Check the endpoint identity's rights, build the environment, fetch model and code."""
        self.place.mkdir()
        owner = workspace_at(self.world.state, self.owner)
        registry = str(owner["properties"].get("containerRegistry") or "")
        if not registry:
            raise Failure("UserError", "The workspace has no container registry for its images.")
        who, principal = "The endpoint's identity", self._principal()
        require_registry(self.world, who, principal, PULL, registry)
        for uri in self._uris():
            location = locate(self.world.state, self.owner, uri)
            require_data(self.world, who, principal, READ, location)
        self._build()
        self._fetch()

    def start(self) -> Child:
        """Start the server process."""
        self.port = free_port()
        code = self.place / "code"
        python = str(self.environment / "bin" / "python")
        argv = [python, str(LAUNCHER), "--entry_script", self._script(), "--port", str(self.port)]
        variables = {
            **base_environment(self.world, self.environment),
            "HOME": str(self.place),
            "AML_APP_ROOT": str(code),
            "AZUREML_ENTRY_SCRIPT": self._script(),
            "AZUREML_MODEL_DIR": str(self.model_folder),
            "SERVICE_NAME": self.name,
            "WORKSPACE_NAME": self.owner.rpartition("/")[2],
            "WORKER_COUNT": "1",
            **{str(k): str(v) for k, v in self.asked["environmentVariables"].items()},
        }
        variables.setdefault("AZUREML_INFERENCE_SERVER_HTTP_ENABLED", "True")
        self._append(f"--- {self.name}: starting")
        command = Command(argv, variables, self.folder / LOGS["inferenceserver"])
        return self.task.start(lambda: Child(self.place, [command], code, grace=5))

    def until_ready(self, child: Child) -> None:
        """Wait until the server answers.

        Raises:
            Failure: it ended, or did not answer within what the probes allow.
        """
        allowed = min(self.readiness.budget, self.liveness.budget)
        deadline = time.monotonic() + allowed
        while not _answers(self.port, self.readiness.timeout):
            ended = child.wait(STEP)
            if self.task.stopping.is_set():
                return
            if ended is not None:
                raise Failure("ResourceNotReady", self._with_tail(_how(ended)))
            if time.monotonic() > deadline:
                child.stop()
                child.wait()
                raise Failure(
                    "ResourceNotReady",
                    self._with_tail(
                        f"The container did not answer within {allowed:g} s, which is what its"
                        " readiness and liveness probes allow."
                    ),
                )
        self._check_loopback(child)
        self.task.port = self.port

    def watch(self, child: Child) -> None:
        """Keep a process running until the deployment ends."""
        backoff = 1.0
        while True:
            started = time.monotonic()
            self._until_dead(child)
            self.task.port = 0
            if self.task.stopping.is_set():
                return
            steady = time.monotonic() - started > STEADY
            backoff = 1.0 if steady else min(backoff * 2, MOST_BACKOFF)
            self._append(f"--- {_how(child.wait())} Starting again in {backoff:g} s.")
            if self.task.sleep(backoff):
                return
            child = self.start()
            try:
                self.until_ready(child)
            except Failure as failure:
                self._append(f"--- {failure}")

    def _until_dead(self, child: Child) -> None:
        """Wait for the end of a process; end one that fails its liveness probe for too long."""
        failures, next_probe = 0, time.monotonic() + self.liveness.delay
        while child.wait(STEP) is None:
            if time.monotonic() < next_probe or self.task.stopping.is_set():
                continue
            next_probe = time.monotonic() + self.liveness.period
            failures = 0 if _answers(self.port, self.liveness.timeout) else failures + 1
            if failures >= self.liveness.failures:
                self._append(f"--- The liveness probe failed {failures} times: ending the process.")
                child.stop()

    def _principal(self) -> Any:
        endpoint = self.world.state.get(self.endpoint) or {}
        assigned = (endpoint.get("identity") or {}).get("userAssignedIdentities") or {}
        for resource in assigned:
            return identity_principal(self.world.state, resource)
        raise Failure("UserError", "The endpoint has no user-assigned identity.")

    def _asset(self, noun: str, reference: str) -> Document:
        found = find_asset(self.world.state, self.owner, noun, reference)
        if found is None:
            raise Failure("UserError", f"{reference} was not found in the workspace.")
        return found

    def _uris(self) -> Iterator[str]:
        code = self._asset("codes", self.asked["codeConfiguration"]["codeId"])
        yield str(code["properties"]["codeUri"])
        if self.asked.get("model"):
            yield str(self._asset("models", self.asked["model"])["properties"]["modelUri"])

    def _build(self) -> None:
        version = self._asset("environments", self.asked["environmentId"])
        try:
            self.environment = environments.build(
                self.world,
                version["properties"],
                self.folder / LOGS["storageinitializer"],
                self.task.start,
                self.task.stopping.is_set,
            )
        except environments.BuildFailed as error:
            tail = "".join(_tail(self.folder / LOGS["storageinitializer"]))
            raise Failure("ImageBuildFailure", f"{error}\n{tail}") from error

    def _fetch(self) -> None:
        uris = list(self._uris())
        copy_code(self.world, locate(self.world.state, self.owner, uris[0]), self.place / "code")
        self.model_folder = self.place / "azureml-models"
        if len(uris) > 1:
            model = self._asset("models", self.asked["model"])
            name = model["id"].split("/")[-3]
            self.model_folder = self.model_folder / name / model["name"]
            location = locate(self.world.state, self.owner, uris[1])
            is_file = location.folder(self.world).is_file()
            stage(
                self.world,
                location,
                self.model_folder if is_file else self.model_folder / location.name,
            )
        self.model_folder.mkdir(parents=True, exist_ok=True)

    def _script(self) -> str:
        return str(self.place / "code" / self.asked["codeConfiguration"]["scoringScript"])

    def _check_loopback(self, child: Child) -> None:
        """Refuse a server that strangers on the network could reach."""
        strange = {host for host in addresses(child.pid) if host not in ("127.0.0.1", "::1")}
        if strange:
            child.stop()
            child.wait()
            raise Failure("UserError", f"The server listens on {', '.join(sorted(strange))}.")

    def _append(self, line: str) -> None:
        with (self.folder / LOGS["inferenceserver"]).open("a") as output:
            output.write(f"{line}\n")

    def _with_tail(self, text: str) -> str:
        lines = "".join(_tail(self.folder / LOGS["inferenceserver"]))
        return f"{text} The last lines of its log:\n{lines}"


def _how(ended: Exit | None) -> str:
    code = ended.code if ended else "?"
    return f"User container has crashed or terminated (exit code {code})."


def _tail(path: Path) -> list[str]:
    if not path.exists():
        return []
    return path.read_text(errors="replace").splitlines(keepends=True)[-TAIL_LINES:]


def _answers(port: int, timeout: float) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
