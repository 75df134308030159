"""A job's life: NotStarted, Queued, Preparing, Running, Finalizing, and how it ended.

Every step is a real one: nodes are counted, identities checked, the environment built, the
program run; Completed means that it exited 0. After a server that was killed, jobs that ran are
Failed with NodeLost (their files stay) and jobs that waited are taken up again. A job that lost
low-priority nodes is queued again or ends, as `local/preemptions.py` was told.
"""

import logging
import shutil
from typing import Any

from local.cores import COMPUTES
from local.ml import runs
from local.ml.locations import artifacts_of
from local.ml.workspace import now
from local.runner import command as commands
from local.runner.allocation import note_nodes, note_shortage
from local.runner.job_life import Failure, Life, OverTime, judge_exit, time_limit
from local.runner.job_record import KIND, WAITING, WORKING, Stopped, note, set_status
from local.runner.preempting import Preempted
from local.runner.processes import recorded_exit
from local.runner.tasks import Task
from local.world import World

log = logging.getLogger("local.runner")


def submit(world: World, id: str) -> None:
    """Let a stored job run its course."""
    world.processes.begin(id, lambda task: _live(world, id, task))


def resume(world: World) -> None:
    """Take up the jobs that an earlier server left; those that wait for quota say so anew."""
    for id, _ in world.state.find(COMPUTES):
        note_shortage(world, id, None)
        note_nodes(world, id)
    for id, document in world.state.find(KIND):
        status = document["properties"]["status"]
        if document["properties"].get("jobType", "Command") != "Command":
            continue  # another module's: `local/ml/finetuning_life.py`
        if status in WAITING:
            submit(world, id)
        elif status in WORKING:
            _settle(world, id, status)


def cancel(world: World, id: str) -> None:
    """Ask a job to end: SIGTERM, then SIGKILL."""
    set_status(world, id, "CancelRequested")
    task = world.processes.task(id)
    if task is not None:
        task.stop()
    else:
        _end(world, id, "Canceled")


def note_finalizing_seen(world: World, id: str) -> None:
    """Let a finalizing job end: somebody who follows it has been told."""
    task = world.processes.task(id)
    if task is not None:
        task.seen.set()


def note_followed(world: World, id: str) -> None:
    """Remember that somebody follows a job that goes on."""
    task = world.processes.task(id)
    if task is not None:
        task.is_followed = True


def compute_id(workspace: str, properties: dict[str, Any]) -> str:
    """Give the resource id of the compute that a job names by id, name or `azureml:name`."""
    named = str(properties.get("computeId") or "").removeprefix("azureml:")
    if not named or named.startswith("/"):
        return named
    return f"{workspace}/computes/{named}"


def command_findings(properties: dict[str, Any]) -> list[str]:
    """List what is wrong with a job's command, distribution, limits and outputs."""
    inputs, outputs = properties.get("inputs") or {}, properties.get("outputs") or {}
    found = commands.findings(str(properties.get("command") or ""), inputs, outputs)
    if not properties.get("command"):
        found.append("The job has no command.")
    kind = (properties.get("distribution") or {}).get("distributionType", "PyTorch")
    if kind != "PyTorch":
        found.append(f"The distribution {kind} is not played: PyTorch is.")
    identity = (properties.get("identity") or {}).get("identityType", "Managed")
    if identity not in ("Managed", "UserIdentity"):
        found.append(f"The identity {identity} is not played: Managed and UserIdentity are.")
    try:
        time_limit(properties)
    except ValueError as error:
        found.append(f"limits.timeout: {error}.")
    found += [
        f"The output {name} registers an asset, which is not played."
        for name, output in outputs.items()
        if (output or {}).get("assetName")
    ]
    return found


def _live(world: World, id: str, task: Task) -> None:
    status, failure = "Completed", None
    try:
        _run(world, id, task)
    except Stopped:
        if world.processes.closing:
            return  # the next server settles it
        status = "Canceled"
    except Failure as error:
        status, failure = "Failed", error
    except Preempted as error:
        status = "Failed" if error.then == "fail" else "Canceled"
        failure = Failure("UserError", str(error))
    except OverTime as error:
        status, failure = "Canceled", Failure("JobTimeout", str(error))
    except Exception as error:
        log.exception("job %s", id)
        status, failure = "Failed", Failure("InternalError", f"{type(error).__name__}: {error}")
    if task.stopping.is_set() and world.processes.closing:
        return
    _end(world, id, status, failure)


def _run(world: World, id: str, task: Task) -> None:
    """Let a job live, and anew after each preemption that it is queued again after.

    Its outputs and metrics stay; its logs begin anew, as hi-ml's guide tells of Azure ML.
    """
    while True:
        try:
            Life(world, id, task).run()
            return
        except Preempted as error:
            if task.stopping.is_set():
                raise Stopped from error
            if error.then != "requeue":
                raise
        set_status(world, id, "Queued")
        artifacts = artifacts_of(world, id.rpartition("/jobs/")[0], id.rpartition("/")[2])
        shutil.rmtree(artifacts.folder(world) / "user_logs", ignore_errors=True)


def _settle(world: World, id: str, status: str) -> None:
    """End a job whose server is gone: by its exit where it came to one, else as lost."""
    name, owner = id.rpartition("/")[2], id.rpartition("/jobs/")[0]
    end = recorded_exit(world.processes.folder(id))
    shutil.rmtree(world.processes.folder(id), ignore_errors=True)
    failure = None
    if status == "CancelRequested":
        _end(world, id, "Canceled")
        return
    if end is None or end.reason != "exited":
        failure = Failure(
            "NodeLost",
            "The local Azure ended while the job ran, and its processes with it. What the job had"
            " written, checkpoints too, is in its outputs: submit it again to go on from there.",
        )
    else:
        try:
            judge_exit(end, artifacts_of(world, owner, name).folder(world))
        except Failure as error:
            failure = error
    _end(world, id, "Failed" if failure else "Completed", failure)


def _end(world: World, id: str, status: str, failure: Failure | None = None) -> None:
    job = world.state.get(id)
    if job is None:
        return
    # Before its status says so: who sees the end finds the run ended, too.
    runs.finish_job_run(world, id.rpartition("/jobs/")[0], job, status)
    with world.state.transaction():
        if world.state.get(id) is None:
            return
        facts: dict[str, Any] = {"endTimeUtc": now()}
        if failure is not None:
            facts["error"] = {"error": {"code": failure.code, "message": str(failure)}}
        note(world, id, **facts)
        set_status(world, id, status)
