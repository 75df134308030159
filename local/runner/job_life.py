"""One job from its queue to its exit: nodes, rights, environment, data, program.

What a job's outcome means for the state is `jobs`'s business.
"""

import shutil
from pathlib import Path
from typing import Any

from local.access import Principal, identity_principal
from local.ml.locations import Location, artifacts_of, find_asset, locate
from local.ml.workspace import document_at, now
from local.operations import Refusal
from local.runner import command as commands
from local.runner import environments
from local.runner.allocation import nodes_allowed, note_nodes, note_shortage
from local.runner.data import (
    PULL,
    PUSH,
    READ,
    WRITE,
    Denied,
    copy_code,
    require_data,
    require_registry,
    stage,
)
from local.runner.durations import seconds
from local.runner.job_record import Stopped, note, read, set_status
from local.runner.preempting import Watch
from local.runner.process_environment import job_environment, rank_environments
from local.runner.processes import Child, Command, Exit
from local.runner.tasks import Task
from local.world import World

TAIL_LINES = 20
GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL."""

FINALIZING = 1.0
"""Seconds that Finalizing lasts at most: a follower that asks in time sees the whole log."""


class Failure(Exception):
    """The job failed: Azure's code and what a person can do about it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class OverTime(Exception):
    """The job was ended because it ran longer than its limit."""


class Life:
    """One job from its queue to its exit."""

    def __init__(self, world: World, id: str, task: Task) -> None:
        self.world, self.id, self.task = world, id, task
        self.owner = id.rpartition("/jobs/")[0]
        self.name = id.rpartition("/")[2]
        self.job: dict[str, Any] = read(world, id)["properties"]
        self.folder = world.processes.folder(id)
        self.artifacts = artifacts_of(world, self.owner, self.name).folder(world)

    def run(self) -> None:
        """Go through every step."""
        cluster = self.job["computeId"]
        self._step("Queued")
        if not self.world.processes.clusters.take(
            cluster, self.id, nodes_wanted(self.job), self._most_nodes, self.task.stopping.is_set
        ):
            note_shortage(self.world, cluster, None)
            raise Stopped
        try:
            note_nodes(self.world, cluster)
            self._step("Preparing")
            shutil.rmtree(self.folder, ignore_errors=True)
            self.world.processes.make_folder(self.id)
            principal = self._principal()
            environment = self._prepare(principal)
            self._work(principal, environment)
        except Denied as error:
            raise Failure("UserError", str(error)) from error
        except (Refusal, FileNotFoundError) as error:
            raise Failure("UserError", getattr(error, "message", str(error))) from error
        finally:
            if not self.world.processes.closing:
                shutil.rmtree(self.folder, ignore_errors=True)
            self.world.processes.clusters.give_back(cluster, self.id)
            note_nodes(self.world, cluster)

    def _step(self, status: str) -> None:
        if self.task.stopping.is_set():
            raise Stopped
        set_status(self.world, self.id, status)

    def _most_nodes(self) -> int:
        compute = self.world.state.get(self.job["computeId"])
        if compute is None:
            raise Failure("ComputeNotFound", "The compute was deleted while the job waited for it.")
        return nodes_allowed(self.world, compute, nodes_wanted(self.job))

    def _principal(self) -> Principal:
        """Find the identity that the job acts with: the cluster's, or the person's."""
        asked = self.job.get("identity") or {}
        if asked.get("identityType") == "UserIdentity":
            record = self.world.state.get(f"{self.id}/run") or {}
            return Principal("ServicePrincipal", record["submitter"], record["submitterName"])
        compute = self.world.state.get(self.job["computeId"]) or {}
        assigned = (compute.get("identity") or {}).get("userAssignedIdentities") or {}
        for resource, details in assigned.items():
            wanted = [asked.get(key) for key in ("clientId", "objectId", "resourceId")]
            have = [(details or {}).get("clientId"), (details or {}).get("principalId"), resource]
            if not any(wanted) or any(w and w == h for w, h in zip(wanted, have, strict=True)):
                return identity_principal(self.world.state, resource)
        raise Failure(
            "UserError",
            f"The cluster {compute.get('name')} has no such user-assigned identity for the job"
            " to act with.",
        )

    def _prepare(self, principal: Principal) -> Path:
        owner = document_at(self.world.state, self.owner)
        registry = str(owner["properties"].get("containerRegistry") or "")
        if not registry:
            raise Failure("UserError", "The workspace has no container registry for its images.")
        version = find_asset(
            self.world.state, self.owner, "environments", self.job["environmentId"]
        )
        if version is None:
            raise Failure("UserError", f"There is no environment {self.job['environmentId']}.")
        primary = owner["properties"].get("primaryUserAssignedIdentity")
        if primary:
            pusher = identity_principal(self.world.state, str(primary))
            require_registry(self.world, "The workspace's identity", pusher, PUSH, registry)
        require_registry(self.world, "The job's identity", principal, PULL, registry)
        try:
            return environments.build(
                self.world,
                version["properties"],
                self.artifacts / "azureml-logs" / "20_image_build_log.txt",
                self.task.start,
                self.task.stopping.is_set,
            )
        except environments.BuildFailed as error:
            if self.task.stopping.is_set():
                raise Stopped from error
            raise Failure(
                "ImageBuildFailure",
                f"{error} The build's log is azureml-logs/20_image_build_log.txt.",
            ) from error

    def _work(self, principal: Principal, environment: Path) -> None:
        code = self._code(principal)
        inputs, outputs = self._inputs(principal), self._outputs(principal)
        line = commands.fill(self.job["command"], inputs, outputs)
        base = job_environment(self.world, self.id, self.job, principal, environment)
        places = {f"AZURE_ML_INPUT_{name}": value for name, value in inputs.items()}
        places |= {f"AZURE_ML_OUTPUT_{name}": value for name, value in outputs.items()}
        (self.folder / "home").mkdir(parents=True, exist_ok=True)
        variables = {**base, "HOME": str(self.folder / "home"), **places}
        programs = [
            Command(["bash", "-c", line], {**variables, **own}, self._log(rank, count))
            for rank, own, count in rank_environments(self.job)
        ]
        self._step("Running")
        note(self.world, self.id, startTimeUtc=now())
        limit = time_limit(self.job)
        child = self.task.start(
            lambda: Child(self.folder, programs, code, timeout=limit, grace=GRACE)
        )
        log = self._log(0, len(programs))
        self._judge(Watch(self.world, self.id, self.job["computeId"], log).wait(child), limit)

    def _code(self, principal: Principal) -> Path:
        target = self.folder / "wd"
        target.mkdir(parents=True, exist_ok=True)
        version = find_asset(self.world.state, self.owner, "codes", self.job.get("codeId") or "")
        if version is not None:
            location = self._locate(version["properties"]["codeUri"])
            require_data(self.world, "The job's identity", principal, READ, location)
            copy_code(self.world, location, target)
        for name in ("outputs", "logs"):  # Azure uploads these two folders as they fill
            (self.artifacts / name).mkdir(parents=True, exist_ok=True)
            if not (target / name).exists():
                (target / name).symlink_to(self.artifacts / name)
        return target

    def _inputs(self, principal: Principal) -> dict[str, str]:
        values: dict[str, str] = {}
        for name, value in self.job["inputs"].items():
            if value is None:
                continue
            if value.get("jobInputType") == "literal":
                values[name] = str(value["value"])
                continue
            location = self._locate(str(value["uri"]))
            require_data(self.world, "The job's identity", principal, READ, location)
            values[name] = str(stage(self.world, location, self.folder / "inputs" / name))
        return values

    def _outputs(self, principal: Principal) -> dict[str, str]:
        values: dict[str, str] = {}
        for name, value in self.job["outputs"].items():
            location = self._locate(str(value["uri"]))
            require_data(self.world, "The job's identity", principal, WRITE, location)
            folder = location.folder(self.world)
            if value.get("jobOutputType") == "uri_file":
                folder.parent.mkdir(parents=True, exist_ok=True)
            else:
                folder.mkdir(parents=True, exist_ok=True)
            values[name] = str(folder)
        return values

    def _locate(self, uri: str) -> Location:
        return locate(self.world.state, self.owner, uri)

    def _log(self, rank: int, count: int) -> Path:
        name = "std_log.txt" if count == 1 else f"std_log_process_{rank}.txt"
        return self.artifacts / "user_logs" / name

    def _judge(self, end: Exit, limit: float | None) -> None:
        if end.reason == "stopped":
            raise Stopped
        if end.reason == "timeout":
            raise OverTime(f"The job ran longer than its limit of {limit:g} s and was ended.")
        self._finalize()
        judge_exit(end, self.artifacts)

    def _finalize(self) -> None:
        set_status(self.world, self.id, "Finalizing")
        self.task.seen.wait(FINALIZING)


def judge_exit(end: Exit, artifacts: Path) -> None:
    """Let a job whose program did not exit 0 fail, with the end of its log."""
    if end.code == 0:
        return
    logs = sorted((artifacts / "user_logs").glob("std_log*.txt"))
    tail = "\n".join(_tail(logs[0])) if logs else ""
    how = "the node was lost" if end.reason == "lost" else f"it ended with exit code {end.code}"
    raise Failure("UserError", f"The job's program failed: {how}. The last lines:\n{tail}")


def _tail(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines()[-TAIL_LINES:]


def time_limit(properties: dict[str, Any]) -> float | None:
    """Give the seconds that a job may run; None where there is no limit."""
    limit = (properties.get("limits") or {}).get("timeout")
    return seconds(str(limit)) if limit else None


def nodes_wanted(properties: dict[str, Any]) -> int:
    """Count the nodes that a job asks for."""
    return int((properties.get("resources") or {}).get("instanceCount") or 1)
