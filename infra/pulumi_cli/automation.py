"""The engine of every stack on Azure: the Pulumi command line, through its Automation API.

The same program, the same project and the same state as plain `pulumi up`: the two are
interchangeable on one stack. A run that was killed leaves a stack that the next one finishes.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from core.errors import CloudError
from core.refs import StackOutputs
from core.settings import Settings
from infra.arm_types import GROUP, TYPES
from infra.engine import (
    Change,
    Event,
    Existing,
    Plan,
    Report,
    Step,
    check_owner,
    check_person,
    grant_rows,
)
from infra.in_process.preview import look
from infra.in_process.record import Record
from infra.prices import prices
from infra.pulumi_cli.recovery import Recovery, Row
from infra.pulumi_cli.strays import delete_strays
from infra.pulumi_cli.watch import Watch, display_name
from infra.site import PULUMI, Site

if TYPE_CHECKING:
    from pulumi.automation import Stack

    from core.cloud import Cloud
    from infra.pulumi_cli.stack import PulumiStack


READ_ONLY = (
    "Read from Azure without Pulumi, which is not installed: what its state says is not known."
)
MOST_ROUNDS = 12
"""How often `up` begins again after it took in what Azure had: the program is six layers deep."""

QUIETLY: Mapping[str, Any] = {"color": "never", "suppress_outputs": True}


class Automation:
    """Works a stack with the Pulumi command line."""

    name = PULUMI

    def __init__(self, stack: str, settings: Settings, cloud: "Cloud") -> None:
        self._site = Site(settings, cloud.subscription_id, stack)
        self._cloud = cloud

    @cached_property
    def _pulumi(self) -> "PulumiStack":
        from infra.pulumi_cli.stack import PulumiStack

        return PulumiStack(self._site, self._program)

    def plan(self) -> Plan:
        """Preview with Pulumi; where it is missing, by reading Azure."""
        from infra.pulumi_cli.command import find_pulumi

        site, has_pulumi = self._site, find_pulumi() is not None
        stack = self._pulumi.find() if has_pulumi else None
        steps = self._previewed(stack) if stack else self._read()
        note = "" if has_pulumi else READ_ONLY
        return Plan(site.stack, tuple(steps), grant_rows(site), prices(site.settings), note)

    def _previewed(self, stack: "Stack") -> list[Step]:
        watch = self._pulumi.watch()
        preview = partial(stack.preview, on_event=watch, **QUIETLY)
        self._pulumi.work("plan", preview, watch)
        gone = {urn for urn in self._missing(stack, waits=False) if urn in watch.by_urn}
        new = {urn: replace(watch.by_urn[urn], change=Change.NEW) for urn in gone}
        return list({**watch.by_urn, **new}.values())

    def _read(self) -> list[Step]:
        """Read Azure; of a stack that Pulumi does not know yet, this is the whole plan."""
        cloud, record = self._cloud, Record.of(self._site.stack)
        return look(self._site, cloud.arm, cloud.person(), record, PULUMI).steps

    def up(self, report: Report) -> StackOutputs:
        """Run `pulumi up` with our settings, after whatever an earlier run left half done."""
        self._pulumi.report = report
        stack = self._pulumi.make()
        check_person(self._site.settings, self._cloud)
        check_owner(self._site, self._cloud, PULUMI)
        self._recover(stack, self._missing(stack))
        for _ in range(MOST_ROUNDS):
            watch = self._pulumi.watch()
            up = partial(stack.up, on_event=watch, **QUIETLY)
            try:
                return _outputs(self._pulumi.work("up", up, watch).outputs)
            except CloudError as error:
                refusal = error
                if not self._take_refused(stack, watch):
                    raise
        raise refusal

    def check(self) -> None:
        """Refuse a stack that the other engine made or somebody works on; ask for Pulumi."""
        check_owner(self._site, self._cloud, PULUMI)
        self._pulumi.find()
        self._pulumi.check_lock()

    def destroy(self, report: Report, *, keep_group: bool = False) -> tuple[Existing, ...]:
        """Run `pulumi destroy`; give what the state named, and what only its tag betrayed.

        The program runs along: it has hooks, which Pulumi otherwise refuses to pass over. What is
        gone from Azure already is no error to its provider.
        """
        check_owner(self._site, self._cloud, PULUMI)
        self._pulumi.report = report
        stack = self._pulumi.find()
        before = self._destroy(stack, keep_group=keep_group) if stack else []
        strays = delete_strays(self._cloud.arm, self._site, report, keep_group=keep_group)
        return (*before, *strays)

    def _destroy(self, stack: "Stack", *, keep_group: bool) -> list[Existing]:
        self._recover(stack)
        rows = self._pulumi.rows(stack)
        if keep_group:
            rows = [row for row in rows if row["type"] != GROUP.token]
        if rows:
            watch = self._pulumi.watch()
            only = [row["urn"] for row in rows] if keep_group else None
            destroy = partial(stack.destroy, on_event=watch, target=only, **QUIETLY)
            self._pulumi.work("destroy", partial(destroy, run_program=True), watch)
        return [_existing(row) for row in rows]

    def outputs(self) -> StackOutputs | None:
        """Read the stack's outputs; None where `up` did not finish."""
        stack = self._pulumi.find()
        if stack is None:
            return None
        found = self._pulumi.work("read the outputs of", stack.outputs)
        return _outputs(found) if "workspace" in found else None

    def resources(self) -> Sequence[Existing]:
        """List what Pulumi's state names; Azure is not asked."""
        stack = self._pulumi.find()
        return [_existing(row) for row in self._pulumi.rows(stack)] if stack else ()

    def _program(self) -> None:
        import pulumi

        from infra.program import declare

        for name, value in declare(self._site.settings).items():
            pulumi.export(name, value)

    def _missing(self, stack: "Stack", *, waits: bool = True) -> set[str]:
        """Find what the state names and Azure has not: Pulumi itself would call it the same."""
        return self._recovery().missing(self._pulumi.rows(stack), waits=waits)

    def _recover(self, stack: "Stack", missing: AbstractSet[str] = frozenset()) -> None:
        """Finish in the state what an earlier run was killed in the middle of."""
        recovery, state = self._recovery(), self._pulumi.export(stack)
        count = len(state.get("pending_operations") or [])
        if count:
            self._pulumi.report(Event.note(f"An earlier run was cut off in {count} operations."))
        changed = {*recovery.interrupted(state), *missing}
        if changed:
            refresh = partial(stack.refresh, target=sorted(changed), **QUIETLY)
            self._pulumi.work("refresh", refresh)
            state = self._pulumi.export(stack)
        if recovery.take_creations(state):
            self._pulumi.restore(stack, state)

    def _recovery(self) -> Recovery:
        return Recovery(self._site, self._cloud.arm, self._pulumi.report)

    def _take_refused(self, stack: "Stack", watch: Watch) -> bool:
        """Take what Azure would not make twice into the state; False where there is no such."""
        if not watch.refused:
            return False
        recovery, state = self._recovery(), self._pulumi.export(stack)
        taken = recovery.take_refused(state, watch.refused.values())
        if taken:
            self._pulumi.restore(stack, state)
        return taken


def _existing(row: Row) -> Existing:
    title = TYPES[row["type"]].title
    return Existing(display_name(title, row["urn"], row["id"]), title, row["id"], is_there=None)


def _outputs(found: Mapping[str, Any]) -> StackOutputs:
    return StackOutputs(**{name: item.value for name, item in found.items()})
