"""What the instances of one deployment share: rights, environment, model and code.

What the outcome means for the state is `deployments`'s business; a process is `instance_life`'s.
"""

import time
from pathlib import Path
from typing import Any

from local.access import identity_principal
from local.ml.locations import find_asset, locate
from local.ml.workspace import document_at
from local.runner import environments, no_code
from local.runner.data import (
    PULL,
    READ,
    copy_code,
    require_data,
    require_registry,
    stage,
)
from local.runner.instance_life import Failure, Probe, Program, log_tail
from local.runner.process_environment import base_environment
from local.runner.tasks import Task
from local.state import Document
from local.world import World

BUILD_LOG = "build.log"


class Life:
    """A deployment up to the point where its processes can be started."""

    def __init__(self, world: World, id: str, endpoint: str, task: Task) -> None:
        self.world, self.id, self.endpoint, self.task = world, id, endpoint, task
        self.owner = id.rpartition("/onlineEndpoints/")[0]
        document = world.state.get(id)
        if document is None:
            raise Failure("ResourceNotFound", "The deployment was deleted.")
        self.name: str = document["name"]
        self.asked: dict[str, Any] = document["properties"]
        self.instances = int(document["sku"]["capacity"])
        self.folder = world.processes.make_folder(id)
        self.place = self.folder / f"{time.time_ns()}"
        self.environment = Path()
        self.model_folder = self.place / "azureml-models"

    def prepare(self) -> Program:
        """Check the endpoint identity's rights, build the environment, fetch model and code."""
        self.place.mkdir()
        owner = document_at(self.world.state, self.owner)
        registry = str(owner["properties"].get("containerRegistry") or "")
        if not registry:
            raise Failure("UserError", "The workspace has no container registry for its images.")
        who, principal = "The endpoint's identity", self._principal()
        require_registry(self.world, who, principal, PULL, registry)
        for uri in filter(None, (self._code_uri(), self._model_uri())):
            location = locate(self.world.state, self.owner, uri)
            require_data(self.world, who, principal, READ, location)
        self._build()
        self._fetch_code()
        self._fetch_model()
        return self._program()

    def _program(self) -> Program:
        own = {str(k): str(v) for k, v in self.asked["environmentVariables"].items()}
        return Program(
            name=self.name,
            place=self.place,
            python=self.environment / "bin" / "python",
            script=str(self._code().get("scoringScript") or no_code.SCRIPT.name),
            code=self.place / "code",
            variables={
                **base_environment(self.world, self.environment),
                "AZUREML_MODEL_DIR": str(self.model_folder),
                "SERVICE_NAME": self.name,
                "WORKSPACE_NAME": self.owner.rpartition("/")[2],
                "WORKER_COUNT": "1",
                "AZUREML_INFERENCE_SERVER_HTTP_ENABLED": "True",
                **own,
            },
            readiness=Probe.of(self.asked["readinessProbe"]),
            liveness=Probe.of(self.asked["livenessProbe"]),
        )

    def _principal(self) -> Any:
        endpoint = self.world.state.get(self.endpoint) or {}
        assigned = (endpoint.get("identity") or {}).get("userAssignedIdentities") or {}
        for resource in assigned:
            return identity_principal(self.world.state, resource)
        raise Failure("UserError", "The endpoint has no user-assigned identity.")

    def _asset(self, noun: str, reference: str) -> Document:
        found = find_asset(self.world.state, self.owner, noun, reference)
        if found is None:
            raise Failure("BadArgument", f"{reference} was not found in the workspace.")
        return found

    def _code(self) -> dict[str, Any]:
        return dict(self.asked.get("codeConfiguration") or {})

    def _code_uri(self) -> str:
        asked = self._code().get("codeId")
        return str(self._asset("codes", str(asked))["properties"]["codeUri"]) if asked else ""

    def _model_uri(self) -> str:
        asked = self.asked.get("model")
        return str(self._asset("models", str(asked))["properties"]["modelUri"]) if asked else ""

    def _build(self) -> None:
        log = self.folder / BUILD_LOG
        try:
            self.environment = environments.build(
                self.world, self._packages(), log, self.task.start, self.task.stopping.is_set
            )
        except environments.BuildFailed as error:
            tail = "".join(log_tail(log))
            raise Failure("ImageBuildFailure", f"{error}\n{tail}") from error

    def _packages(self) -> dict[str, Any]:
        asked = self.asked.get("environmentId")
        if asked:
            return dict(self._asset("environments", str(asked))["properties"])
        return no_code.environment(
            locate(self.world.state, self.owner, self._model_uri()).folder(self.world)
        )

    def _fetch_code(self) -> None:
        uri, target = self._code_uri(), self.place / "code"
        if uri:
            copy_code(self.world, locate(self.world.state, self.owner, uri), target)
        else:
            no_code.copy_program(target)

    def _fetch_model(self) -> None:
        uri = self._model_uri()
        if uri:
            model = self._asset("models", str(self.asked["model"]))
            self.model_folder = self.model_folder / model["id"].split("/")[-3] / model["name"]
            location = locate(self.world.state, self.owner, uri)
            is_file = location.folder(self.world).is_file()
            target = self.model_folder if is_file else self.model_folder / location.name
            stage(self.world, location, target)
        self.model_folder.mkdir(parents=True, exist_ok=True)
