"""The small interface between the program and Azure, and the choice of who works it.

`InProcess` serves the rehearsal without any Pulumi command line; `Automation` drives the real
one for every other stack. A stack remembers which engine made it; the other one refuses.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from core.errors import PrerequisiteError, SettingsError
from core.refs import StackOutputs
from core.settings import Settings
from infra.arm_types import RESOURCES_API
from infra.prices import Price
from infra.site import ENGINE_TAG, STACK_TAG, Site

if TYPE_CHECKING:
    from core.cloud import Cloud

REHEARSAL = "local"
"""The one stack that the in-process engine works."""


class Change(StrEnum):
    """What `up` or `destroy` does, or did, to a resource."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    GONE = "gone"
    CANCELED = "canceled"
    """A job, told to stop: its record stays in the workspace."""
    PURGED = "purged"
    """Deleted for good: nothing of it is held and its name is free."""
    TAKEN = "taken"
    """Taken into the state: Azure had it from a run that was killed."""
    NOTE = "note"
    """No resource: a line for the person."""
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Difference:
    """One property that is not as the program wants it."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Step:
    """What the plan says about one resource."""

    name: str
    title: str
    id: str
    change: Change
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class GrantRow:
    """A grant as a person reads it."""

    identity: str
    role: str
    scope: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """What `up` would do."""

    stack: str
    steps: tuple[Step, ...]
    grants: tuple[GrantRow, ...]
    prices: tuple[Price, ...]
    note: str = ""
    """What the plan could not know, and why."""

    @property
    def has_changes(self) -> bool:
        """False where `up` would send nothing."""
        return any(step.change is not Change.SAME for step in self.steps)

    def count(self, change: Change) -> int:
        """Count the resources that meet `change`."""
        return sum(step.change is change for step in self.steps)

    def document(self) -> dict[str, Any]:
        """Give the plan as one JSON document."""
        return asdict(self)


@dataclass(frozen=True)
class Event:
    """A resource begins to change, or is done with it."""

    name: str
    title: str
    change: Change
    is_done: bool
    seconds: float = 0.0
    error: str = ""
    id: str = ""
    """The ARM id, where it is known."""

    @classmethod
    def note(cls, text: str) -> "Event":
        """Tell the person something between the resources."""
        return cls(text, "", Change.NOTE, is_done=True)


Report = Callable[[Event], None]


@dataclass(frozen=True)
class Existing:
    """A resource that the stack's state names."""

    name: str
    title: str
    id: str
    is_there: bool | None = True
    """None where Azure was not asked."""


class Engine(Protocol):
    """What brings the program and Azure together."""

    @property
    def name(self) -> str:
        """How the group's tag names it."""

    def plan(self) -> Plan:
        """Say what `up` would do; change nothing."""

    def up(self, report: Report) -> StackOutputs:
        """Make Azure as the program says."""

    def check(self) -> None:
        """Refuse a stack that is another engine's, or that this one cannot work now."""

    def destroy(self, report: Report, *, keep_group: bool = False) -> tuple[Existing, ...]:
        """Delete what `up` made, the group last unless it is kept; say what that was.

        Nothing is purged; what must end before, and what is looked for after, is infra/teardown's.
        """

    def outputs(self) -> StackOutputs | None:
        """Give what the last `up` made; None where the stack is not up."""

    def resources(self) -> Sequence[Existing]:
        """List what the stack's state names."""


def open_engine(stack: str, settings: Settings, cloud: "Cloud") -> Engine:
    """Give the engine that works this stack."""
    if stack == REHEARSAL:
        from infra.in_process.engine import InProcess

        return InProcess(stack, settings, cloud)
    from infra.pulumi_cli.automation import Automation

    return Automation(stack, settings, cloud)


def grant_rows(site: Site) -> tuple[GrantRow, ...]:
    """Write every grant with the names that a person finds in Azure."""
    who = {
        "endpoint identity": site.names.endpoint_identity,
        "job identity": site.names.job_identity,
        "workspace identity": site.names.workspace_identity,
        "hub identity": site.names.hub_identity,
        "AI account identity": site.names.ai_account,
        "person": site.settings.person or "the person who runs `up`",
        "workflow identity": site.names.workflow_identity,
    }
    return tuple(
        GrantRow(who[grant.who], grant.role.title, grant.scope, grant.reason)
        for grant in site.grants
    )


def check_owner(site: Site, cloud: "Cloud", engine: str) -> None:
    """Refuse a group that the other engine keeps, or that is nobody's of ours and not adopted.

    Raises:
        PrerequisiteError: names the engine to use instead.
    """
    if site.settings.adopt_group:
        return
    group = cloud.arm.get(site.group_id, RESOURCES_API)
    tags = (group or {}).get("tags") or {}
    if group is None or tags.get(ENGINE_TAG) == engine:
        return
    if STACK_TAG not in tags:
        raise PrerequisiteError(
            f"The resource group {site.names.group} is there and carries no {STACK_TAG} tag:"
            " this stack did not make it.",
            hint=f"Work in it: tunestack init --adopt-group {site.names.group}; or take another"
            " --stack.",
        )
    raise PrerequisiteError(
        f"The stack {site.stack} was made by the engine {tags.get(ENGINE_TAG, 'unknown')!r}, whose"
        f" state the engine {engine!r} does not know.",
        hint=f"Go on with it: pulumi up -s {site.stack}, or pulumi destroy -s {site.stack}"
        " --run-program first.",
    )


def check_person(settings: Settings, cloud: "Cloud") -> None:
    """Refuse a `personType` that is not what the credential stands for.

    Raises:
        SettingsError: Azure would refuse the person's grant, half-way.
    """
    person = cloud.person()
    if settings.person not in ("", person.object_id):
        return  # the grants are for somebody else, of whom the credential says nothing
    meant = "User" if person.is_person else "ServicePrincipal"
    if settings.person_type != meant:
        raise SettingsError(
            f"personType: is {settings.person_type}, but {person.name} is a {meant}.",
            hint=f"export TUNESTACK_PERSON_TYPE={meant}, or set tunestack:personType in the stack.",
        )
