"""The hub's project as a tuning service; what each call does is in the module of its subject."""

from collections.abc import Iterator

from core.cloud import Cloud
from core.errors import UserError
from core.managed_recipe import Route
from core.marketplace import our_subscriptions, unsubscribe
from core.refs import JobRef, StackOutputs
from training.managed.contract import (
    Checkpoint,
    ManagedJob,
    ManagedOrder,
    ServiceEvent,
    Tell,
    TunedModel,
)
from training.managed.serverless import events, jobs, models, submission
from training.managed.serverless.project import Project


class Serverless:
    """Fine-tuning of open models in the stack's hub project; see `TuningService`."""

    route: Route = "serverless"
    no_checkpoints = (
        "Azure documents no checkpoints of serverless tuning; the model of a completed job is what"
        " can be deployed"
    )

    def __init__(self, cloud: Cloud, outputs: StackOutputs) -> None:
        self._project = Project.of(cloud, outputs)
        self._events = events.Events(self._project)

    def submit(self, order: ManagedOrder, tell: Tell) -> JobRef:
        """Upload the files (each content once), subscribe where needed, create the job."""
        return submission.submit(self._project, order, tell)

    def jobs(self) -> list[ManagedJob]:
        """List the fine-tuning jobs that were submitted here, newest first."""
        return [jobs.managed(found) for found in jobs.list_jobs(self._project)]

    def job(self, name: str) -> ManagedJob | None:
        """Read a job; None where the project has no fine-tuning job of that name."""
        found = jobs.find_job(self._project, name)
        return jobs.with_end(self._project, found) if found else None

    def events(self, name: str) -> list[ServiceEvent]:
        """Give what a job's state, log and measures tell so far, oldest first."""
        return self._events.of(jobs.read_job(self._project, name))

    def curve(self, name: str) -> list[dict[str, float]]:
        """Give a job's losses by step, as it tracked them."""
        return events.curve(self._project, name)

    def checkpoints(self, name: str) -> list[Checkpoint]:
        """Give none: Azure documents no checkpoints of these jobs, nor a way to deploy one.

        Whether a job leaves any among its files is not known (not verified on Azure).
        """
        jobs.need_job(self._project, name)
        return []

    def cancel(self, name: str) -> ManagedJob:
        """Ask a job to end; one that has ended stays as it is."""
        return jobs.cancel(self._project, name)

    def pause(self, name: str) -> ManagedJob:
        """Refuse: serverless jobs run to their end or are canceled."""
        raise UserError(
            f"Serverless tuning cannot pause {name}.", hint=f"End it: tunestack jobs cancel {name}"
        )

    def resume(self, name: str) -> ManagedJob:
        """Refuse: a job that has stopped does not go on."""
        raise UserError(
            f"Serverless tuning cannot resume {name}.", hint="Begin again: tunestack train"
        )

    def models(self) -> list[TunedModel]:
        """List the models that our jobs made, newest first."""
        return models.list_models(self._project)

    def delete_model(self, model: TunedModel) -> None:
        """Delete a model; refused while a serverless endpoint serves it."""
        models.delete_model(self._project, model)

    def clear(self, tell: Tell) -> Iterator[str]:
        """Cancel jobs that run, then end our marketplace subscriptions; name each.

        Models, data assets and ended jobs are the project's, and go with it.
        """
        for job in self.jobs():
            if not job.is_over:
                tell(f"Canceling {job.name} …")
                self.cancel(job.name)
                yield f"job {job.name}"
        arm, workspace = self._project.cloud.arm, self._project.path
        for name in our_subscriptions(arm, workspace):
            tell(f"Ending the marketplace subscription {name} …")
            unsubscribe(arm, workspace, name)
            yield f"marketplace subscription {name}"
