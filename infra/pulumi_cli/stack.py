"""One stack as the Automation API works it: opened, read, freed of a dead lock, errors in words."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pulumi.automation import (
    Deployment,
    LocalWorkspaceOptions,
    Stack,
    create_or_select_stack,
    select_stack,
)
from pulumi.automation.errors import CommandError, ConcurrentUpdateError, StackNotFoundError

from core.errors import Interrupted, PrerequisiteError, UserError
from core.settings import NAMESPACE
from infra.arm_types import TYPES
from infra.engine import Event, Report
from infra.pulumi_cli.backend import backend_url, check_backend
from infra.pulumi_cli.command import environment, pulumi_command, work_folder
from infra.pulumi_cli.errors import failed, held, known_failure, said
from infra.pulumi_cli.file_state import mend
from infra.pulumi_cli.interruption import Interruption
from infra.pulumi_cli.locks import Lock, file_locks, told_locks
from infra.pulumi_cli.recovery import Row
from infra.pulumi_cli.watch import Watch
from infra.site import Site

T = TypeVar("T")


class PulumiStack:
    """Works one stack. Its program runs in this process, so that no language host is needed."""

    def __init__(self, site: Site, program: Callable[[], None]) -> None:
        self._site, self._program = site, program
        self._stack: Stack | None = None
        self._interruption = Interruption(lambda text: self.report(Event.note(text)))
        self.report: Report = _ignore
        """Whom to tell; a command that shows progress sets it."""

    def find(self) -> Stack | None:
        """Open the stack; None where Pulumi knows none of its name."""
        try:
            return self._stack or self.open(select_stack)
        except StackNotFoundError:
            return None

    def make(self) -> Stack:
        """Open the stack, a new one where there is none."""
        return self._stack or self.open(create_or_select_stack)

    def open(self, call: Callable[..., Stack]) -> Stack:
        """Open the stack by one of the Automation API's functions."""
        check_backend(self._site.settings)
        options = LocalWorkspaceOptions(
            work_dir=str(work_folder(self._site.stack)),
            env_vars=environment(self._site),
            secrets_provider=self._site.settings.secrets_provider or None,
            pulumi_command=pulumi_command(self._interruption),
        )
        name = self._site.stack
        self._stack = self.work("open", lambda: call(name, NAMESPACE, self._program, opts=options))
        return self._stack

    def watch(self) -> Watch:
        """Give what takes the events of one run."""
        return Watch(self.report, self._site.subscription)

    def export(self, stack: Stack) -> Row:
        """Read the state; empty where nothing was made yet."""
        return dict(self.work("read the state of", stack.export_stack).deployment or {})

    def restore(self, stack: Stack, state: Row) -> None:
        """Write an edited state."""
        edited = Deployment(version=3, deployment=state)
        self.work("recover", lambda: stack.import_stack(edited))

    def rows(self, stack: Stack) -> list[Row]:
        """List what the state names, of Azure."""
        return [row for row in self.export(stack).get("resources") or [] if row["type"] in TYPES]

    def check_lock(self) -> None:
        """Refuse a stack that somebody works on, as far as that can be told without trying.

        Raises:
            PrerequisiteError: says who, and what releases the lock.
        """
        locks = file_locks(backend_url(self._site.settings), NAMESPACE, self._site.stack)
        owners = [lock for lock in locks if not lock.is_dead]
        if owners:
            raise self._held(owners)

    def work(self, name: str, call: Callable[[], T], watch: Watch | None = None) -> T:
        """Call Pulumi; mend and free what a killed run left; put what fails in our words."""
        self._mend()
        try:
            # The Automation API warns of the end of a stream whose engine was killed.
            warnings.filterwarnings("ignore", message="Error in event stream")
            try:
                return call()
            except ConcurrentUpdateError as error:
                self._release(error)
                return call()
        except StackNotFoundError:
            raise
        except CommandError as error:
            raise self._failed(name, watch or self.watch(), str(error)) from error

    def _mend(self) -> None:
        # Before every call: the run that was killed may be one of this very command.
        if mend(backend_url(self._site.settings), self._site.stack):
            told = "Mended the state's file, which a killed run left half written."
            self.report(Event.note(told))

    def _release(self, error: Exception) -> None:
        owners = told_locks(str(error))
        if self._stack is None or not owners or not all(lock.is_dead for lock in owners):
            raise self._held(owners) from error
        self._stack.cancel()
        names = ", ".join(str(lock) for lock in owners)
        self.report(Event.note(f"Released the lock of {names}, which was killed."))

    def _held(self, owners: Sequence[Lock]) -> PrerequisiteError:
        names = ", ".join(str(lock) for lock in owners)
        return held(self._site.stack, names, backend_url(self._site.settings))

    def _failed(self, name: str, watch: Watch, told: str) -> UserError:
        if self._interruption.count:
            return self._interrupted(name, watch)
        known = known_failure(told, self._site.stack)
        return known or failed(name, self._site.stack, "\n".join(watch.errors) or said(told))

    def _interrupted(self, name: str, watch: Watch) -> Interrupted:
        self._interruption.count = 0
        stack, going = self._site.stack, ", ".join(watch.under_way)
        there = len(self.rows(self._stack)) if self._stack else 0
        what = f"{name} of {stack} was interrupted; its state names {there} resources."
        if going:
            what += f" Cut off in the middle of: {going}. The next run finds out what became of it."
        other = "" if name == "destroy" else f"; tunestack destroy --stack {stack} takes it down"
        return Interrupted(what, hint=f"tunestack {name} --stack {stack} goes on{other}.")


def _ignore(event: Any) -> None:
    """Take no notice of progress."""
