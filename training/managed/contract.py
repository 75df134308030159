"""What a managed tuning service does, in the vocabulary of the own-GPU route.

`training/managed/openai` and `training/managed/serverless` are the two services; commands know
`TuningService` alone. Job states are Azure ML's words, whatever the service calls them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from core.managed_recipe import AnyManaged, Route
from core.refs import JobRef, ModelRef

JobState = Literal[
    "NotStarted", "Queued", "Running", "Pausing", "Paused", "Finalizing", "CancelRequested",
    "Completed", "Failed", "Canceled",
]  # fmt: skip
OVER = ("Completed", "Failed", "Canceled")
"""States that a job never leaves."""

TOKENS_TAG = "tunestack-estimate-tokens"
"""Tokens of the file times epochs, as estimated when the job was sent."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """A file as the service takes it: checked, in its form, with what is known of it."""

    path: Path
    rows: int
    bytes: int
    sha256: str
    tokens: int
    """Estimated from the text (`training.managed.text_tokens`), for the price."""


@dataclass(frozen=True)
class ManagedOrder:
    """A job to be."""

    recipe: AnyManaged
    train: Prepared
    validation: Prepared | None = None
    estimate: float | None = None
    """USD that the training is expected to cost."""


@dataclass(frozen=True)
class ManagedJob:
    """A tuning job as the service tells it."""

    name: str
    route: Route
    status: JobState
    service_status: str
    """The service's own word for it."""
    base: str
    tuned: str = ""
    """What the service calls the tuned model; empty until there is one."""
    created: str = ""
    """ISO 8601 in UTC; empty where it is not told."""
    finished: str = ""
    error: str = ""
    trained_tokens: int | None = None
    """None while it is not known, and of a job that did not complete where nobody tells it."""
    are_tokens_estimated: bool = False
    """Our count of what was sent, not the service's."""
    studio_url: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """True in a state that it never leaves."""
        return self.status in OVER

    @property
    def tokens_text(self) -> str:
        """Say how many tokens it trained on, beside our estimate; empty where it is not known."""
        if self.trained_tokens is None:
            return ""
        if self.are_tokens_estimated:
            return f"about {self.trained_tokens:,} (estimated)"
        expected = self.tags.get(TOKENS_TAG, "")
        beside = f" (estimated: {int(expected):,})" if expected.isdecimal() else ""
        return f"{self.trained_tokens:,}{beside}"

    def ref(self) -> JobRef:
        """Give what other commands need of it."""
        return JobRef(name=self.name, status=self.status, studio_url=self.studio_url)


@dataclass(frozen=True)
class ServiceEvent:
    """Something that a job has told."""

    id: str
    """Orders nothing; tells one from another."""
    text: str
    at: str = ""
    """ISO 8601 in UTC."""
    level: Literal["info", "warning", "error"] = "info"
    metrics: Mapping[str, float] = field(default_factory=dict)
    """step, train_loss, train_mean_token_accuracy, valid_loss … where the event measures."""


@dataclass(frozen=True)
class Checkpoint:
    """A state of the training that can be deployed like the tuned model."""

    model: str
    """What a deployment names."""
    step: int
    created: str = ""
    id: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TunedModel:
    """A model that a job made."""

    ref: ModelRef
    route: Route
    base: str
    created: str = ""
    job: str = ""
    path: str = ""
    """Where the service keeps it: the id that a deployment names."""
    tags: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Give it in the form of `training.models.describe_model`."""
        tags = {"route": self.route, "base": self.base, "job": self.job, **self.tags}
        return {
            "name": self.ref.name,
            "version": self.ref.version,
            "created": self.created,
            "path": self.path,
            "tags": {key: value for key, value in tags.items() if value},
        }


class TuningService(Protocol):
    """One of Azure's services that tune models.

    Every method raises CloudError where Azure refuses, UserError where what was asked for is not
    there or cannot be done, with the command that helps.
    """

    route: Route
    no_checkpoints: str
    """Said of a job that has none."""

    def submit(self, order: ManagedOrder, tell: Tell) -> JobRef:
        """Upload the files (each content once) and create the job; it then runs without us."""

    def jobs(self) -> list[ManagedJob]:
        """List the jobs, newest first."""

    def job(self, name: str) -> ManagedJob | None:
        """Read a job; None where the service knows no such job."""

    def events(self, name: str) -> list[ServiceEvent]:
        """Give all that a job has told so far, oldest first."""

    def curve(self, name: str) -> list[dict[str, float]]:
        """Give a job's losses by step, from its results where it has ended."""

    def checkpoints(self, name: str) -> list[Checkpoint]:
        """List what can be deployed of a job besides its end, newest first."""

    def cancel(self, name: str) -> ManagedJob:
        """Ask a job to end; one that has ended stays as it is."""

    def pause(self, name: str) -> ManagedJob:
        """Ask a job to stop where it is, to go on later."""

    def resume(self, name: str) -> ManagedJob:
        """Let a paused job go on."""

    def models(self) -> list[TunedModel]:
        """List the tuned models, newest first."""

    def delete_model(self, model: TunedModel) -> None:
        """Delete a tuned model; refused while a deployment serves it."""

    def clear(self, tell: Tell) -> Iterator[str]:
        """Cancel what runs and delete what teardown would leave: jobs, files; names each."""
