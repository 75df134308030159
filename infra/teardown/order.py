"""Takes a stack down in the right order, and writes the receipt.

Jobs, endpoints, hosted models and clusters end first; what tuning services keep beside ARM is
cleared by whoever can ask them; the workspace and its logs are deleted by themselves,
because what has once been deleted softly is hard to purge; the engine deletes the rest, the group
last; what Azure then still holds is purged, unless it is to stay recoverable. Every step passes
over what is not there, so that a half-failed `up` and a second run are the same to it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from core.errors import CloudError
from infra.arm_types import GROUP, RESOURCES_API
from infra.engine import Change, Engine, Event, Existing, Report
from infra.site import ENGINE_TAG, Site
from infra.standing.hosted import in_account
from infra.standing.listing import (
    LOGS,
    adopted_ids,
    foreign,
    is_project,
    own_accounts,
    own_ids,
    own_workspaces,
    remains,
)
from infra.standing.workloads import API as ML_API
from infra.standing.workloads import Workloads, in_workspace
from infra.teardown import purge
from infra.teardown.ending import end, end_companions, unwatch
from infra.teardown.receipt import Held, Receipt
from infra.teardown.steps import Steps

if TYPE_CHECKING:
    from core.arm import Arm
    from core.cloud import Cloud


Clear = Callable[[], Iterable[Existing]]
"""Deletes what a tuning service keeps, and gives each thing when it is gone."""


@dataclass(frozen=True)
class Standing:
    """What a teardown finds."""

    resources: tuple[Existing, ...]
    """What the engine's state names."""
    workspaces: tuple[str, ...]
    """The stack's own, by id, projects before their hub; one that it adopted is not among them."""
    workloads: tuple[Workloads, ...]
    foreign: tuple[dict[str, Any], ...]
    """What in the stack's group the stack did not make: it keeps the group."""
    kept: tuple[purge.Deleted, ...]
    """What Azure holds of an earlier teardown."""
    has_group: bool = False
    """Whether the group is there that goes with the stack."""
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True where there is nothing to take down."""
        found = self.resources or self.workspaces or self.has_group
        return not found and all(one.is_empty for one in self.workloads)


def survey(engine: Engine, cloud: "Cloud", site: Site) -> Standing:
    """Find what there is to take down, also where `up` did not finish; change nothing.

    Raises:
        PrerequisiteError: the stack is another engine's, or somebody is at work on it.
    """
    engine.check()
    arm, resources = cloud.arm, tuple(engine.resources())
    workspaces = own_workspaces(arm, site)
    found = [in_workspace(arm, id, is_project=is_project(arm, id)) for id in workspaces]
    found += [Workloads(hosted=in_account(arm, id)) for id in own_accounts(arm, site)]
    if site.settings.adopt_workspace:
        found.append(in_workspace(arm, site.workspace_id).of(site))
    kept, notes = purge.deleted_resources(arm, site)
    others = tuple(foreign(arm, site, resources))
    has_group = not site.settings.adopt_group and arm.get(site.group_id, RESOURCES_API) is not None
    return Standing(resources, workspaces, tuple(found), others, tuple(kept), has_group, notes)


def take_down(
    engine: Engine,
    cloud: "Cloud",
    site: Site,
    report: Report,
    *,
    keep_recoverable: bool = False,
    today: date | None = None,
    clear: Clear = tuple,
) -> Receipt:
    """Take down what there is, in order, and say what was done and what is left.

    `clear` is called when nothing serves a model any more, and everything is still there.

    What Azure refuses is in the receipt, and what does not hang on it is done all the same.
    """
    day = today or datetime.now(UTC).date()
    work = _Teardown(engine, cloud.arm, site, Steps(report), keep_recoverable, day, clear)
    return work.run(survey(engine, cloud, site))


@dataclass
class _Teardown:
    """One run of a teardown."""

    engine: Engine
    arm: "Arm"
    site: Site
    steps: Steps
    keep: bool
    today: date
    clear: Clear
    held: list[Held] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def run(self, found: Standing) -> Receipt:
        """Do the steps in order."""
        if end(self.arm, found.workloads, self.steps):
            self._clear()
            end_companions(self.arm, self.site, self.steps)
            is_opened = self._open_group(found)
            self._delete_workspaces(found)
            self._delete_logs(found)
            self._run_engine(found)
            if is_opened:
                self.arm.delete(self.site.group_id, GROUP.api_version)
                self.steps.gone.pop(self.site.group_id.lower(), None)
        else:
            self.notes.append("What still answers could not be deleted: its place stays.")
        self._let_go()
        return self._receipt(found)

    def _clear(self) -> None:
        """Clear what tuning services keep; the purge of their account takes what stays."""
        try:
            for item in self.clear():
                self.steps.gone[item.id.lower()] = item
                self.steps.report(Event(item.name, item.title, Change.GONE, True, id=item.id))
        except CloudError as error:
            self.notes.append(f"Not all that a tuning service keeps was deleted by itself: {error}")

    def _delete_workspaces(self, found: Standing) -> None:
        for id in found.workspaces:
            unwatch(self.arm, id, self.steps)
            self._delete(Existing(_last(id), purge.WORKSPACE, id), ML_API, "forceToPurge=true")
            if self.keep and id.lower() in self.steps.gone:
                item = self.steps.gone[id.lower()]
                self.held.append(purge.kept_workspace(item, self.site, self.today))
        if not self.keep:
            done = {id.lower() for id in found.workspaces}
            purge.purge_workspaces(self.arm, self.site, self.steps, done)

    def _open_group(self, found: Standing) -> bool:
        """Make the group again where an earlier teardown kept what only in its group is purged."""
        site = self.site
        is_needed = any(one.item.title == purge.LOGS for one in found.kept)
        if self.keep or not is_needed or found.has_group or site.settings.adopt_group:
            return False
        tags = {**site.tags, ENGINE_TAG: self.engine.name}
        body = {"location": site.location, "tags": tags}
        self.arm.put(site.group_id, GROUP.api_version, body)
        return True

    def _delete_logs(self, found: Standing) -> None:
        for one in found.kept:
            if one.item.title == purge.LOGS and not self.keep:
                purge.purge_logs(self.arm, one, self.steps)
        for id in own_ids(self.arm, self.site, LOGS, self.site.names.log_analytics):
            self._delete(Existing(_last(id), purge.LOGS, id), purge.LOGS_API, "force=true")

    def _delete(self, item: Existing, api_version: str, for_good: str) -> None:
        path = item.id if self.keep else f"{item.id}?{for_good}"
        change = Change.GONE if self.keep else Change.PURGED
        self.steps.take(item, lambda: self.arm.delete(path, api_version), change)
        if item.id.lower() in self.steps.purged:
            self.steps.gone[item.id.lower()] = item

    def _run_engine(self, found: Standing) -> None:
        try:
            gone = self.engine.destroy(self.steps.report, keep_group=bool(found.foreign))
        except CloudError as error:
            self.steps.refused[self.site.group_id.lower()] = str(error)
            left = {item.id.lower() for item in self.engine.resources()}
            gone = tuple(item for item in found.resources if item.id.lower() not in left)
        for item in gone:
            self.steps.gone.setdefault(item.id.lower(), item)

    def _let_go(self) -> None:
        """Purge what Azure holds now, and write down what it still holds after that."""
        refused: dict[str, CloudError] = {}
        found, notes = purge.deleted_resources(self.arm, self.site)
        if not self.keep and found:
            refused = purge.purge(self.arm, self.site, found, self.steps)
            found, notes = purge.deleted_resources(self.arm, self.site)
        self.notes += notes
        has_group = self.arm.get(self.site.group_id, RESOURCES_API) is not None
        for item in found:
            why = refused.get(item.item.id.lower())
            self.held.append(purge.held(item, why, is_asked=self.keep, has_group=has_group))

    def _receipt(self, found: Standing) -> Receipt:
        left = remains(self.arm, self.site, found.resources)
        there = {item.id.lower() for item in left} | adopted_ids(self.site)
        steps = self.steps
        for item in found.resources:
            # What lay below a workspace, such as its grants, went with it and not by itself.
            if item.is_there:
                steps.gone.setdefault(item.id.lower(), item)
        if found.foreign:
            self.notes.append(_foreign_note(found.foreign, self.site))
        return Receipt(
            self.site.stack,
            canceled=tuple(steps.canceled.values()),
            deleted=_gone(item for id, item in steps.gone.items() if id not in there),
            purged=_gone(steps.purged.values()),
            remains=left,
            held=tuple(self.held),
            refused=tuple(steps.refused.values()),
            notes=tuple(self.notes),
        )


def _foreign_note(others: Sequence[dict[str, Any]], site: Site) -> str:
    names = ", ".join(f"{_last(item['id'])} ({item['type']})" for item in others)
    return (
        f"The group {site.names.group} stays, because it holds what this stack did not make:"
        f" {names}. Move or delete that, and run destroy again."
    )


def _gone(items: Iterable[Existing]) -> tuple[Existing, ...]:
    return tuple(replace(item, is_there=False) for item in items)


def _last(id: str) -> str:
    return id.rsplit("/", 1)[-1]
