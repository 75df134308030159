"""Azure OpenAI as a tuning service; what each call does is in the module of its subject."""

import time
from collections.abc import Callable, Iterator

from core.cloud import Cloud
from core.managed_recipe import Route
from core.refs import JobRef, StackOutputs
from training.managed.contract import (
    Checkpoint,
    ManagedJob,
    ManagedOrder,
    ServiceEvent,
    Tell,
    TunedModel,
)
from training.managed.openai import clearing, control, events, files, jobs, models, submission
from training.managed.openai.client import Api


class OpenAITuning:
    """Fine-tuning of OpenAI models in the stack's AI account; see `TuningService`."""

    route: Route = "openai"
    no_checkpoints = "no checkpoint is kept yet"

    def __init__(
        self, cloud: Cloud, outputs: StackOutputs, *, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self._api = Api(cloud, outputs, wait)
        self._events = events.Events(self._api)

    def submit(self, order: ManagedOrder, tell: Tell) -> JobRef:
        """Upload the files (each content once) and create exactly one job."""
        return jobs.managed(submission.submit(self._api, order, tell)).ref()

    def jobs(self) -> list[ManagedJob]:
        """List the account's jobs, newest first."""
        found = jobs.list_jobs(self._api)
        names = self._names() if any(not job.metadata for job in found) else {}
        return [jobs.managed(job, names) for job in found]

    def job(self, name: str) -> ManagedJob | None:
        """Read a job; None where there is none. Names of other services' jobs are not asked for."""
        found = jobs.find_job(self._api, name)
        return jobs.managed(found) if found is not None else None

    def events(self, name: str) -> list[ServiceEvent]:
        """Give all that a job has told so far, oldest first."""
        return self._events.of(name)

    def curve(self, name: str) -> list[dict[str, float]]:
        """Give a job's losses by step; the names are those of the events."""
        job = jobs.need_job(self._api, name)
        results = (job.result_files or [""])[0] if jobs.managed(job).is_over else ""
        return events.curve(self._api, results, lambda: self._events.of(name))

    def checkpoints(self, name: str) -> list[Checkpoint]:
        """List what can be deployed of a job besides its end, newest first."""
        job = jobs.need_job(self._api, name)
        return events.list_checkpoints(self._api, name, job.fine_tuned_model or "")

    def cancel(self, name: str) -> ManagedJob:
        """Ask a job to end; one that has ended stays as it is."""
        return control.cancel(self._api, name)

    def pause(self, name: str) -> ManagedJob:
        """Ask a running job to stop where it is, to go on later."""
        return control.pause(self._api, name)

    def resume(self, name: str) -> ManagedJob:
        """Let a paused job go on."""
        return control.resume(self._api, name)

    def models(self) -> list[TunedModel]:
        """List the tuned models, newest first, each followed by its checkpoints."""
        return models.models_of(self._api, self.jobs())

    def delete_model(self, model: TunedModel) -> None:
        """Delete a tuned model and its job; refused while a deployment serves it."""
        models.delete_model(self._api, model)

    def clear(self, tell: Tell) -> Iterator[str]:
        """Cancel our jobs, delete them with their models, then our files; name each."""
        return clearing.clear(self._api, tell)

    def _names(self) -> dict[str, str]:
        return {file.id: file.filename or "" for file in files.list_files(self._api)}
