"""A serverless fine-tuning job from its queue to its model: a real training of the small model.

NotStarted, Queued, Preparing, Running, Finalizing, Completed: which of these Azure's service shows
is not known. Data is read and the model written with the rights of the project's own identity, as
credential-less datastores of a project have it. Log and metric names are ours. Azure documents no
checkpoints of these jobs: here they lie as adapters among the job's files, and are no models.
"""

import logging
import shutil
from pathlib import Path
from typing import Any

from local.access import Principal, identity_principal
from local.ml import runs
from local.ml.locations import Location, artifacts_of, locate
from local.ml.tuned_registration import register
from local.ml.tuning_data import BadData, copy_conversations
from local.ml.workspace import document_at, now
from local.operations import Refusal
from local.runner import tracking
from local.runner.data import READ, WRITE, Denied, require_data, stage
from local.runner.job_record import ENDED, KIND, WAITING, Stopped, note, read, set_status
from local.runner.tasks import Task
from local.state import Document
from local.tuning import running
from local.tuning.model_folders import UNMERGED, link_files
from local.tuning.orders import Outcome, Step, TuningOrder
from local.world import World

log = logging.getLogger("local.runner")
TYPE = "FineTuning"
CHECKPOINTS = "outputs/checkpoints"
DEVICES = 4
"""The service's own batch: so many conversations for each one of `per_device_…`."""
RATE_SCALE = 100.0
"""Times the learning rate that is asked for: the small model learns at 2e-3, not at 2e-5."""
MOST_RATE = 0.5
DEFAULTS = {
    "num_train_epochs": "1",
    "per_device_train_batch_size": "1",
    "learning_rate": "0.00002",
}
FINALIZING = 1.0
"""Seconds that Finalizing lasts at most where somebody follows, who then sees the whole log."""


def submit(world: World, id: str) -> None:
    """Let a stored job run its course, from where an earlier server left it."""
    world.processes.begin(_preparation(id), lambda task: _prepare(world, id, task))


def cancel(world: World, id: str) -> None:
    """Ask a job to end; its step is saved first."""
    set_status(world, id, "CancelRequested")
    preparation = world.processes.task(_preparation(id))
    if preparation is not None:
        preparation.stop()
        running.stop(world, id)  # it may have begun one that it looks after no more
    elif running.is_running(world, id):
        running.stop(world, id)
    else:
        Tuning(world, id).end("Canceled")


def resume(world: World) -> None:
    """Take up the jobs that an earlier server left: a training goes on from its checkpoints."""
    for id, document in world.state.find(KIND):
        properties = document["properties"]
        if properties["jobType"] != TYPE or properties["status"] in ENDED:
            continue
        if properties["status"] == "CancelRequested":
            Tuning(world, id).end("Canceled")
        else:
            submit(world, id)


def _preparation(id: str) -> str:
    return f"{id}/preparation"


def _prepare(world: World, id: str, task: Task) -> None:
    tuning = Tuning(world, id)
    try:
        order = tuning.prepare()
    except Stopped:
        return
    except (Denied, BadData, FileNotFoundError, Refusal) as error:
        if not world.processes.closing:
            tuning.end("Failed", "UserError", getattr(error, "message", str(error)))
        return
    except Exception as error:
        log.exception("fine-tuning %s", id)
        if not world.processes.closing:
            tuning.end("Failed", "InternalError", f"{type(error).__name__}: {error}")
        return
    if task.stopping.is_set():
        if not world.processes.closing:
            tuning.end("Canceled")
        return
    running.begin(world, id, order, tuning)
    if tuning.is_to_be_canceled():  # asked for between the two
        running.stop(world, id)


class Tuning:
    """One job: what is prepared for its training, and what is made of what that tells."""

    def __init__(self, world: World, id: str) -> None:
        self.world, self.id = world, id
        self.owner, _, self.name = id.rpartition("/jobs/")

    def prepare(self) -> TuningOrder:
        """Check rights and data, and give what is to be trained.

        Raises:
            Stopped: the job is gone.
            Denied: the project's identity may not read the data or write the model.
            BadData: a file cannot be trained on.
        """
        job = read(self.world, self.id)["properties"]
        for status in ("Queued", "Preparing") if job["status"] in WAITING else ():
            set_status(self.world, self.id, status)
        details, principal = job["fineTuningDetails"], self._identity()
        require_data(self.world, WHOSE, principal, WRITE, self._output())
        folder = self.world.processes.make_folder(f"{self.id}/data")
        train = self._file(details["trainingData"], "train", folder, principal)
        held_out = details.get("validationData")
        validation = held_out and self._file(held_out, "validation", folder, principal)
        asked = {**DEFAULTS, **(details.get("hyperParameters") or {})}
        return TuningOrder(
            train,
            validation,
            epochs=int(asked["num_train_epochs"]),
            batch_size=DEVICES * int(asked["per_device_train_batch_size"]),
            learning_rate=min(MOST_RATE, RATE_SCALE * float(asked["learning_rate"])),
        )

    def is_to_be_canceled(self) -> bool:
        """Say whether somebody has asked the job to end."""
        job = self.world.state.get(self.id)
        return job is None or job["properties"]["status"] == "CancelRequested"

    def began(self) -> None:
        """Hear that the training runs, perhaps once more."""
        if not self._is_there():
            return
        record = self.world.state.get(f"{self.id}/run") or {}
        note(self.world, self.id, startTimeUtc=record.get("startTimeUtc") or now())
        set_status(self.world, self.id, "Running")
        self._say("The training goes on." if record.get("startTimeUtc") else "The training began.")

    def stepped(self, step: Step) -> None:
        """Put what was measured into the run, and into the log where all of it was."""
        if not self._is_there():
            return
        measured = {"train_loss": step.train_loss, "eval_loss": step.valid_loss}
        found = {name: value for name, value in measured.items() if value is not None}
        # First the run: who reads of a step in the log finds it measured.
        self._log_metrics(found, step.step)
        if step.valid_loss is not None or step.step == step.steps:
            told = " ".join(f"{name}={value:.4f}" for name, value in found.items())
            self._say(f"step {step.step} of {step.steps}: {told}")

    def ended(self, outcome: Outcome) -> None:
        """Make of a training's end the job's."""
        if not self._is_there():
            return
        if self.is_to_be_canceled():
            self.end("Canceled")
        elif outcome.kind == "succeeded" and outcome.model is not None:
            self._try_to_complete(outcome, outcome.model)
        elif outcome.kind == "failed":
            self._say(outcome.reason)
            self.end("Failed", "UserError", outcome.reason)

    def end(self, status: str, code: str = "", reason: str = "") -> None:
        """Let the job have ended, and forget what only the training needed."""
        job = self.world.state.get(self.id)
        if job is None or job["properties"]["status"] in ENDED:
            return
        self._say(f"The job is {status}.{f' {reason}' if reason else ''}")
        # Before its status says so: who sees the end finds the run ended, too.
        runs.finish_job_run(self.world, self.owner, job, status)
        facts: dict[str, Any] = {"endTimeUtc": now()}
        if code:
            facts["error"] = {"error": {"code": code, "message": reason}}
        with self.world.state.transaction():
            if self._is_there():
                note(self.world, self.id, **facts)
                set_status(self.world, self.id, status)
        running.forget(self.world, self.id)
        shutil.rmtree(self.world.processes.folder(f"{self.id}/data"), ignore_errors=True)

    def _try_to_complete(self, outcome: Outcome, model: Path) -> None:
        """Complete the job, or let it have failed: a job that stays Finalizing would never end."""
        try:
            self._complete(outcome, model)
        except Stopped:
            return
        except Exception as error:
            log.exception("fine-tuning %s", self.id)
            self.end("Failed", "InternalError", f"{type(error).__name__}: {error}")

    def _complete(self, outcome: Outcome, model: Path) -> None:
        set_status(self.world, self.id, "Finalizing")
        place, checkpoints = self._output().folder(self.world), self._artifacts() / CHECKPOINTS
        for folder in (place, checkpoints):  # an earlier server may have come as far as this
            shutil.rmtree(folder, ignore_errors=True)
        link_files(model, place)
        for kept in outcome.checkpoints:
            target = checkpoints / f"step-{kept.step}"
            if kept.folder != model:
                link_files(kept.folder, target, lambda name: name != UNMERGED)
        self._say(f"Trained on {outcome.tokens} tokens in {outcome.seconds:.0f} s.")
        job = read(self.world, self.id)
        record = self.world.state.get(f"{self.id}/run") or {}
        version = register(self.world.state, self.owner, job, self._output_uri(), record)
        self._say(f"Registered as {version.partition('/models/')[2]}.")
        task = self.world.processes.task(self.id)
        if task is not None and task.is_followed:
            task.seen.wait(FINALIZING)
        self.end("Completed")

    def _file(self, given: Document, name: str, folder: Path, principal: Principal) -> Path:
        """Put a file's conversations into the job's folder, checked."""
        location = locate(self.world.state, self.owner, str(given["uri"]))
        require_data(self.world, WHOSE, principal, READ, location)
        shutil.rmtree(folder / name, ignore_errors=True)
        source = stage(self.world, location, folder / name)
        target = folder / f"{name}.jsonl"
        rows = copy_conversations(source, target)
        self._say(f"{source.name}: {rows} conversations for {name}.")
        return target

    def _identity(self) -> Principal:
        """Give the identity that a project acts as: its primary one, or its own."""
        project = document_at(self.world.state, self.owner)
        primary = project["properties"].get("primaryUserAssignedIdentity")
        if primary:
            return identity_principal(self.world.state, str(primary))
        object_id = (project.get("identity") or {}).get("principalId", "")
        return Principal("ServicePrincipal", object_id, project["name"])

    def _output_uri(self) -> str:
        return (
            f"azureml://datastores/workspaceblobstore/paths/azureml/{self.name}/registered_model/"
        )

    def _output(self) -> Location:
        return locate(self.world.state, self.owner, self._output_uri())

    def _artifacts(self) -> Path:
        return artifacts_of(self.world, self.owner, self.name).folder(self.world)

    def _say(self, text: str) -> None:
        file = self._artifacts() / "user_logs" / "std_log.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as lines:
            lines.write(f"{text}\n")

    def _log_metrics(self, values: dict[str, float], step: int) -> None:
        known = self.world.state.get(runs.run_id(self.owner, self.name))
        if not known or not values:
            return
        moment = runs.milliseconds()
        metrics = [
            {"key": name, "value": value, "timestamp": moment, "step": step}
            for name, value in values.items()
        ]
        body = {"run_id": known["run_id"], "metrics": metrics}
        tracking.ask(self.world, self.owner, "POST", "runs/log-batch", json=body)

    def _is_there(self) -> bool:
        return self.world.state.get(self.id) is not None


WHOSE = "The project's identity"
