"""What a serverless job tells: its states, its log and its measures.

The service has no list of events. They are made of what it does have: when the job was made,
began and ended, the lines of its log, and the points that it tracks with MLflow. Which of these a
job on Azure has beside its state is not documented; what is not there is left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from training.artifacts import log_folder
from training.follow import JobLog, LogLine
from training.managed.contract import ManagedJob, ServiceEvent
from training.managed.serverless.jobs import moment
from training.managed.serverless.project import Project, if_told
from training.metrics import metric_history

NAMES = {
    "loss": "train_loss",
    "train_loss": "train_loss",
    "training_loss": "train_loss",
    "mean_token_accuracy": "train_mean_token_accuracy",
    "train_mean_token_accuracy": "train_mean_token_accuracy",
    "eval_loss": "valid_loss",
    "valid_loss": "valid_loss",
    "validation_loss": "valid_loss",
    "eval_mean_token_accuracy": "valid_mean_token_accuracy",
    "valid_mean_token_accuracy": "valid_mean_token_accuracy",
}
"""What trainers call their measures, and what `ServiceEvent.metrics` calls them. Of two names
for one measure the first that a job tracked is taken."""


@dataclass
class Events:
    """The events of the project's jobs; keeps how far each log was read."""

    project: Project
    _logs: dict[str, JobLog] = field(default_factory=dict)
    _lines: dict[str, list[str]] = field(default_factory=dict)

    def of(self, job: ManagedJob) -> list[ServiceEvent]:
        """Give all that a job has told so far, oldest first."""
        return list(self._all(job))

    def _all(self, job: ManagedJob) -> Iterator[ServiceEvent]:
        yield ServiceEvent("created", f"Job {job.name} was made.", job.created)
        if began := moment(self.project.run_details(job.name).get("startTimeUtc")):
            yield ServiceEvent("began", "Training began.", began)
        for number, line in enumerate(self._log(job), 1):
            yield ServiceEvent(f"log-{number}", line)
        for point in curve(self.project, job.name):
            step = int(point["step"])
            yield ServiceEvent(f"step-{step}", _measured(point), metrics=point)
        if job.is_over:
            told = f"Job ended as {job.status}." + (f" {job.error}" if job.error else "")
            yield ServiceEvent(
                "ended", told, job.finished, "error" if job.status == "Failed" else "info"
            )

    def _log(self, job: ManagedJob) -> list[str]:
        """Read on where the last look ended; give all lines up to now."""
        lines = self._lines.setdefault(job.name, [])
        if job.name not in self._logs:
            folder = if_told(lambda: log_folder(self.project.cloud, self.project.outputs, job.name))
            if folder is None:
                return lines
            self._logs[job.name] = JobLog(folder)
        log = self._logs[job.name]
        new = if_told(lambda: list(log.new_events())) or []
        rest = list(log.rest()) if job.is_over else []
        lines += [event.text for event in (*new, *rest) if isinstance(event, LogLine)]
        return lines


def curve(project: Project, name: str) -> list[dict[str, float]]:
    """Give what a job measured, by step; empty where it tracks nothing."""
    points: dict[int, dict[str, float]] = {}
    for metric, meant in _tracked(project, name).items():
        for step, value in metric_history(project.cloud, project.outputs, name, metric):
            points.setdefault(step, {"step": float(step)})[meant] = value
    return [points[step] for step in sorted(points)]


def _tracked(project: Project, name: str) -> dict[str, str]:
    """Give the metrics of a run that are known, with what they mean."""
    found = if_told(lambda: project.tracking.get("runs/get", run_id=name))
    metrics = ((found or {}).get("run") or {}).get("data", {}).get("metrics") or []
    there = {str(metric["key"]) for metric in metrics}
    chosen: dict[str, str] = {}
    for key, meant in NAMES.items():
        if key in there and meant not in chosen.values():
            chosen[key] = meant
    return chosen


def _measured(point: Mapping[str, float]) -> str:
    values = ", ".join(f"{key} {value:.4f}" for key, value in point.items() if key != "step")
    return f"Step {int(point['step'])}: {values}"
