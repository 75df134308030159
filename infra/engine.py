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
from infra.prices import Price
from infra.roles import GRANTS
from infra.site import ENGINE_TAG, STACK_TAG, Site

if TYPE_CHECKING:
    from core.cloud import Cloud

REHEARSAL = "local"
"""The one stack that the in-process engine works."""


class Change(StrEnum):
    """What `up` does, or did, to a resource."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    GONE = "gone"
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


Report = Callable[[Event], None]


@dataclass(frozen=True)
class Existing:
    """A resource that the stack's state names."""

    name: str
    title: str
    id: str
    is_there: bool | None = True
    """None where Azure was not asked."""


@dataclass(frozen=True)
class Receipt:
    """What `destroy` did, and what it left."""

    deleted: tuple[Existing, ...] = ()
    remains: tuple[Existing, ...] = ()
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Give the receipt as one JSON document."""
        return asdict(self)


class Engine(Protocol):
    """What brings the program and Azure together."""

    def plan(self) -> Plan:
        """Say what `up` would do; change nothing."""

    def up(self, report: Report) -> StackOutputs:
        """Make Azure as the program says."""

    def destroy(self, report: Report) -> Receipt:
        """Delete everything that `up` made; of nothing, an empty receipt."""

    def outputs(self) -> StackOutputs | None:
        """Give what the last `up` made; None where the stack is not up."""

    def resources(self) -> Sequence[Existing]:
        """List what the stack's state names."""


def open_engine(stack: str, settings: Settings, cloud: "Cloud") -> Engine:
    """Give the engine that works this stack."""
    if stack == REHEARSAL:
        from infra.inprocess import InProcess

        return InProcess(stack, settings, cloud)
    from infra.automation import Automation

    return Automation(stack, settings, cloud)


def grant_rows(site: Site) -> tuple[GrantRow, ...]:
    """Write every grant with the names that a person finds in Azure."""
    who = {
        "endpoint identity": site.names.endpoint_identity,
        "job identity": site.names.job_identity,
        "workspace identity": site.names.workspace_identity,
        "person": "the person who runs `up`",
    }
    return tuple(
        GrantRow(who[grant.who], grant.role.title, grant.scope, grant.reason) for grant in GRANTS
    )


def check_owner(site: Site, cloud: "Cloud", engine: str) -> None:
    """Refuse a group that the other engine keeps, or that is nobody's of ours.

    Raises:
        PrerequisiteError: names the engine to use instead.
    """
    group = cloud.arm.get(site.group_id, "2021-04-01")
    tags = (group or {}).get("tags") or {}
    if group is None or tags.get(ENGINE_TAG) == engine:
        return
    if STACK_TAG not in tags:
        raise PrerequisiteError(
            f"The resource group {site.names.group} is there and carries no {STACK_TAG} tag:"
            " this stack did not make it.",
            hint="Choose another stack name, or delete the group.",
        )
    raise PrerequisiteError(
        f"The stack {site.stack} was made by the engine {tags.get(ENGINE_TAG, 'unknown')!r}, whose"
        f" state the engine {engine!r} does not know.",
        hint=f"Go on with it: pulumi up -s {site.stack}, or pulumi destroy -s {site.stack} first.",
    )


def check_person(settings: Settings, cloud: "Cloud") -> None:
    """Refuse a `personType` that is not what the credential stands for.

    Raises:
        SettingsError: Azure would refuse the person's grant, half-way.
    """
    person = cloud.person()
    meant = "User" if person.is_person else "ServicePrincipal"
    if settings.person_type != meant:
        raise SettingsError(
            f"personType: is {settings.person_type}, but {person.name} is a {meant}.",
            hint=f"export TUNESTACK_PERSON_TYPE={meant}, or set tunestack:personType in the stack.",
        )
