"""The engine of the rehearsal: the program in this process, Azure by plain ARM requests."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.refs import StackOutputs
from core.settings import Settings
from infra.arm_types import BY_ARM_TYPE, GROUP, TYPES
from infra.deletion import delete
from infra.engine import (
    Change,
    Existing,
    Plan,
    Report,
    Step,
    check_owner,
    check_person,
    grant_rows,
)
from infra.in_process.preview import Declare, look
from infra.in_process.record import Kept, Record
from infra.prices import prices
from infra.site import IN_PROCESS, Site
from infra.standing.listing import adopted_ids, tagged

if TYPE_CHECKING:
    from core.cloud import Cloud


class InProcess:
    """Works a stack without Pulumi's command line; its state is one file in our home."""

    name = IN_PROCESS

    def __init__(
        self, stack: str, settings: Settings, cloud: "Cloud", declare: Declare | None = None
    ) -> None:
        self._site = Site(settings, cloud.subscription_id, stack)
        self._cloud = cloud
        self._declare = declare

    def plan(self) -> Plan:
        """Read every resource and say what `up` would do; change nothing."""
        record, cloud = Record.of(self._site.stack), self._cloud
        seen = look(self._site, cloud.arm, cloud.person(), record, IN_PROCESS, self._declare)
        gone = [
            Step(_name(kept), TYPES[kept.token].title, kept.id, Change.GONE)
            for kept in self._gone(record, seen.met)
        ]
        steps = (*seen.steps, *gone)
        return Plan(self._site.stack, steps, grant_rows(self._site), prices(self._site.settings))

    def up(self, report: Report) -> StackOutputs:
        """Send what differs, delete what the program no longer names, keep the exports.

        Stopped half-way it leaves a record with which the next `up` or `destroy` goes on.
        """
        from infra.in_process.converge import Make, run_program

        record = Record.of(self._site.stack)
        with record.held():
            check_person(self._site.settings, self._cloud)
            check_owner(self._site, self._cloud, IN_PROCESS)
            arm, person = self._cloud.arm, self._cloud.person()
            make = Make(arm, self._site.subscription, person, record, report)
            exports = run_program(self._program, make, self._site.stack)
            for kept in self._gone(record, make.met):
                self._delete(kept, record, report)
            record.finish(exports)
        return StackOutputs(**exports)

    def check(self) -> None:
        """Refuse a stack that the other engine made, or at which somebody is at work."""
        with Record.of(self._site.stack).held():
            check_owner(self._site, self._cloud, IN_PROCESS)

    def destroy(self, report: Report, *, keep_group: bool = False) -> tuple[Existing, ...]:
        """Delete in the opposite order; what is gone already is passed over."""
        record = Record.of(self._site.stack)
        with record.held():
            check_owner(self._site, self._cloud, IN_PROCESS)
            todo = self._everything(record, keep_group=keep_group)
            there = [kept for kept in todo if self._delete(kept, record, report)]
            record.remove()
        return tuple(map(_existing, there))

    def outputs(self) -> StackOutputs | None:
        """Read the exports of the last `up`; None where none finished."""
        exports = Record.of(self._site.stack).exports
        return StackOutputs(**exports) if exports else None

    def resources(self) -> Sequence[Existing]:
        """List what is on record, asking Azure whether it is still there."""
        found = []
        for kept in Record.of(self._site.stack).resources.values():
            there = self._cloud.arm.get(kept.id, TYPES[kept.token].api_version) is not None
            found.append(replace(_existing(kept), is_there=there))
        return found

    def _program(self) -> Mapping[str, Any]:
        from infra.program import declare

        return (self._declare or declare)(self._site.settings, engine=IN_PROCESS)

    def _gone(self, record: Record, met: Mapping[str, Any]) -> list[Kept]:
        """List what the program no longer names, youngest first."""
        return [kept for kept in self._youngest_first(record) if kept.id.lower() not in met]

    def _everything(self, record: Record, *, keep_group: bool) -> list[Kept]:
        """List what `destroy` deletes, in its order: the group, which holds the rest, is last."""
        site = self._site
        group = Kept(site.group_id, GROUP.token, "group", {})
        adopted = adopted_ids(site)
        rest = [
            kept
            for kept in self._youngest_first(record)
            if kept.token != GROUP.token and kept.id.lower() not in adopted
        ]
        return rest if keep_group or site.settings.adopt_group else [*rest, group]

    def _youngest_first(self, record: Record) -> list[Kept]:
        """List what is on record, and before it what only its tag betrays."""
        order = list(TYPES)
        strays = [kept for kept in self._tagged() if kept.id.lower() not in record.resources]
        strays.sort(key=lambda kept: order.index(kept.token))
        return [*reversed(strays), *reversed(record.resources.values())]

    def _delete(self, kept: Kept, record: Record, report: Report) -> bool:
        there = delete(self._cloud.arm, _existing(kept), TYPES[kept.token], report)
        record.forget(kept.id)
        return there

    def _tagged(self) -> list[Kept]:
        """Find what carries the stack's tag, of the types that the program makes.

        A hub's project, which is of the hub's type and goes before it, comes last.
        """
        found = sorted(tagged(self._cloud.arm, self._site), key=_is_project)
        return [
            Kept(item["id"], BY_ARM_TYPE[item["type"].lower()].token, item["name"], {})
            for item in found
            if item["type"].lower() in BY_ARM_TYPE
        ]


def _is_project(item: Mapping[str, Any]) -> bool:
    return str(item.get("kind")).lower() == "project"


def _name(kept: Kept) -> str:
    return kept.name if TYPES[kept.token].title == "grant" else kept.id.rsplit("/", 1)[-1]


def _existing(kept: Kept) -> Existing:
    return Existing(_name(kept), TYPES[kept.token].title, kept.id)
