"""The engine of every stack on Azure: the Pulumi command line, through its Automation API.

The same program, the same project and the same state as plain `pulumi up`: the two are
interchangeable on one stack.
"""

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.errors import CloudError, PrerequisiteError
from core.home import PROJECT
from core.refs import StackOutputs
from core.settings import NAMESPACE, Settings
from infra.arm import TYPES
from infra.engine import (
    Change,
    Difference,
    Event,
    Existing,
    Plan,
    Receipt,
    Report,
    Step,
    check_owner,
    check_person,
    grant_rows,
)
from infra.listing import remains
from infra.preview import look
from infra.prices import prices
from infra.record import Record
from infra.site import PULUMI, Site

if TYPE_CHECKING:
    from pulumi.automation import EngineEvent, Stack

    from core.cloud import Cloud

CHANGES = {
    "same": Change.SAME,
    "create": Change.NEW,
    "import": Change.NEW,
    "delete": Change.GONE,
    "update": Change.CHANGED,
    "replace": Change.CHANGED,
    "create-replacement": Change.CHANGED,
}
"""Pulumi's words for what a step does; the others (reads, refreshes) are no change."""

READ_ONLY = (
    "Read from Azure without Pulumi, which is not installed: what its state says is not known."
)


class Automation:
    """Works a stack with the Pulumi command line."""

    def __init__(self, stack: str, settings: Settings, cloud: "Cloud") -> None:
        self._site = Site(settings, cloud.subscription_id, stack)
        self._cloud = cloud

    def plan(self) -> Plan:
        """Preview with Pulumi; where it is missing, by reading Azure."""
        site = self._site
        stack = self._find() if has_pulumi() else None
        steps = self._previewed(stack) if stack else self._read()
        note = "" if has_pulumi() else READ_ONLY
        return Plan(site.stack, tuple(steps), grant_rows(site), prices(site.settings), note)

    def _previewed(self, stack: "Stack") -> list[Step]:
        watch = Watch(_ignore)
        with translated("plan", self._site.stack, watch):
            stack.preview(on_event=watch, color="never", suppress_outputs=True)
        return watch.steps

    def _read(self) -> list[Step]:
        """Read Azure; of a stack that Pulumi does not know yet, this is the whole plan."""
        cloud, record = self._cloud, Record.of(self._site.stack)
        return look(self._site, cloud.arm, cloud.person(), record, PULUMI).steps

    def up(self, report: Report) -> StackOutputs:
        """Run `pulumi up` with our settings."""
        stack = self._open(is_new=True)
        check_person(self._site.settings, self._cloud)
        check_owner(self._site, self._cloud, PULUMI)
        watch = Watch(report)
        with translated("up", self._site.stack, watch):
            done = stack.up(on_event=watch, color="never", suppress_outputs=True)
        return _outputs(done.outputs)

    def destroy(self, report: Report) -> Receipt:
        """Run `pulumi destroy`; of a stack that never was, an empty receipt."""
        check_owner(self._site, self._cloud, PULUMI)
        stack, watch = self._find(), Watch(report)
        if stack is None:
            return Receipt(remains=remains(self._cloud.arm, self._site))
        before = self._listed(stack)
        with translated("destroy", self._site.stack, watch):
            stack.destroy(on_event=watch, color="never", suppress_outputs=True)
        left = remains(self._cloud.arm, self._site)
        return Receipt(tuple(before), left, self._holds() if before else ())

    def outputs(self) -> StackOutputs | None:
        """Read the stack's outputs; None where `up` did not finish."""
        stack = self._find()
        if stack is None:
            return None
        with translated("read the outputs", self._site.stack, Watch(_ignore)):
            found = stack.outputs()
        return _outputs(found) if "workspace" in found else None

    def resources(self) -> Sequence[Existing]:
        """List what Pulumi's state names; Azure is not asked."""
        stack = self._find()
        return self._listed(stack) if stack else ()

    def _find(self) -> "Stack | None":
        from pulumi.automation.errors import StackNotFoundError

        try:
            return self._open()
        except CloudError as error:
            if isinstance(error.__cause__, StackNotFoundError):
                return None
            raise

    def _open(self, *, is_new: bool = False) -> "Stack":
        """Select the stack; with `is_new`, make it where there is none."""
        if not has_pulumi():
            raise PrerequisiteError(
                "The Pulumi command line is missing.",
                hint="make engine, or https://www.pulumi.com/docs/install/",
            )
        from pulumi.automation import (
            LocalWorkspaceOptions,
            create_or_select_stack,
            select_stack,
        )

        options = LocalWorkspaceOptions(
            work_dir=str(PROJECT), env_vars=environment(self._site.settings, self._site)
        )
        with translated("open the stack", self._site.stack, Watch(_ignore)):
            return (create_or_select_stack if is_new else select_stack)(
                stack_name=self._site.stack,
                project_name=NAMESPACE,
                program=self._program,
                opts=options,
            )

    def _program(self) -> None:
        import pulumi

        from infra.program import declare

        for name, value in declare(self._site.settings).items():
            pulumi.export(name, value)

    def _listed(self, stack: "Stack") -> list[Existing]:
        deployment = stack.export_stack().deployment or {}
        return [
            Existing(_last(row["urn"]), TYPES[row["type"]].title, row["id"], is_there=None)
            for row in deployment.get("resources") or []
            if row["type"] in TYPES
        ]

    def _holds(self) -> tuple[str, ...]:
        vault = self._site.names.key_vault
        return (
            f"Azure keeps the deleted vault {vault}, and its name, for 7 days. To use the name"
            f" again before: az keyvault purge --name {vault}; or raise tunestack:generation.",
        )


class Watch:
    """Turns Pulumi's events into ours."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._began: dict[str, float] = {}
        self.steps: list[Step] = []
        self.errors: list[str] = []

    def __call__(self, event: "EngineEvent") -> None:
        """Take one event of Pulumi's stream."""
        if event.resource_pre_event:
            self._begin(event.resource_pre_event.metadata)
        elif event.res_outputs_event:
            self._end(event.res_outputs_event.metadata, "")
        elif event.res_op_failed_event:
            self._end(event.res_op_failed_event.metadata, "failed")
        elif event.diagnostic_event and event.diagnostic_event.severity == "error":
            self.errors.append(event.diagnostic_event.message.strip())

    def _begin(self, step: Any) -> None:
        change = _change(step)
        if change is None:
            return
        self._began[step.urn] = time.monotonic()
        state = step.new or step.old
        self.steps.append(
            Step(_last(step.urn), TYPES[step.type].title, state.id, change, _differences(step))
        )
        if change is not Change.SAME:
            self._send(step, change, is_done=False)

    def _end(self, step: Any, error: str) -> None:
        change = _change(step)
        if change is not None:
            self._send(step, change, is_done=True, error=error)

    def _send(self, step: Any, change: Change, *, is_done: bool, error: str = "") -> None:
        seconds = time.monotonic() - self._began.get(step.urn, time.monotonic())
        title = TYPES[step.type].title
        self._report(Event(_last(step.urn), title, change, is_done, seconds, error))


def has_pulumi() -> bool:
    """Say whether the Pulumi command line is on PATH."""
    return shutil.which("pulumi") is not None


def environment(settings: Settings, site: Site) -> dict[str, str]:
    """Give what Pulumi and its Azure provider need, so that neither stops at a prompt.

    The provider reads ARM_*, the rest of Azure's tools AZURE_*. A state in a file or a blob is
    encrypted by a passphrase; the stack holds no secret, so that an empty one will do.
    """
    found = {"PULUMI_SKIP_UPDATE_CHECK": "true", "ARM_SUBSCRIPTION_ID": site.subscription}
    if settings.backend:
        found["PULUMI_BACKEND_URL"] = settings.backend
    if not any(os.environ.get(f"PULUMI_CONFIG_PASSPHRASE{end}") for end in ("", "_FILE")):
        found["PULUMI_CONFIG_PASSPHRASE"] = ""
    for name in ("CLIENT_ID", "CLIENT_SECRET", "TENANT_ID"):
        if os.environ.get(f"AZURE_{name}"):
            found[f"ARM_{name}"] = os.environ[f"AZURE_{name}"]
    return found


@contextmanager
def translated(name: str, stack: str, watch: Watch) -> Iterator[None]:
    """Turn Pulumi's failures into ours, with what Azure said."""
    from pulumi.automation.errors import CommandError, ConcurrentUpdateError

    try:
        yield
    except ConcurrentUpdateError as error:
        raise PrerequisiteError(
            f"Another Pulumi run holds the stack {stack}.",
            hint=f"Wait for it; if it was killed: pulumi cancel -s {stack}",
        ) from error
    except CommandError as error:
        said = "\n".join(watch.errors) or _stderr(str(error))
        raise CloudError(
            f"Pulumi could not {name} {stack}: {said}",
            hint=f"Run it again: tunestack {name} goes on from here." if watch.errors else "",
            operation=name,
        ) from error


def _stderr(text: str) -> str:
    """Take what Pulumi wrote as its error out of the Automation API's report of a run."""
    return text.partition("stderr:")[2].strip() or text.strip()


def _ignore(event: Event) -> None:
    """Take no notice of progress."""


def _change(step: Any) -> Change | None:
    op = getattr(step.op, "value", step.op)
    return CHANGES.get(op) if step.type in TYPES else None


def _differences(step: Any) -> tuple[Difference, ...]:
    before = (step.old.inputs if step.old else None) or {}
    after = (step.new.inputs if step.new else None) or {}
    return tuple(Difference(key, before.get(key), after.get(key)) for key in step.diffs or ())


def _last(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]


def _outputs(found: Mapping[str, Any]) -> StackOutputs:
    return StackOutputs(**{name: item.value for name, item in found.items()})
