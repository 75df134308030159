"""Runs the Pulumi program in this process and meets each resource that it registers.

The SDK's test mocks take the engine's place: they are called once per resource, in threads, as
soon as its dependencies are there, and what they answer is what later resources see. `Make`
sends to Azure what differs; `Look` only says what it would send.
"""

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

import pulumi
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks, set_mocks
from pulumi.runtime.settings import SETTINGS
from pulumi.runtime.stack import wait_for_rpcs

from core.errors import SettingsError
from core.settings import NAMESPACE
from infra.arm import Body, Request, outputs, request
from infra.arm_types import TYPES
from infra.engine import Change, Difference, Event, Report, Step
from infra.in_process.differences import differences
from infra.in_process.ignored import Ignored, Monitor, as_it_stands
from infra.in_process.record import Kept, Record

if TYPE_CHECKING:
    from core.cloud import Person

Program = Callable[[], Mapping[str, Any]]

AT_ONCE = 8
"""Resources that are made side by side."""

LATER = "(known after up)"
LINKS = ("storageAccount", "keyVault", "containerRegistry", "applicationInsights")


class Reader(Protocol):
    """Reads resources; `core.arm.Arm` does."""

    def get(self, path: str, api_version: str) -> Body | None:
        """Read a resource; None where there is none."""


class Writer(Reader, Protocol):
    """Reads and writes resources; `core.arm.Arm` does."""

    def put(self, path: str, api_version: str, body: Body) -> Body:
        """Create or update a resource and wait for it."""


class _Stopped(Exception):
    """Another resource failed, or the person interrupted: nothing new is begun."""


class _Meeting(Mocks):
    """What `Make` and `Look` share: who runs, which resources were met, what went wrong."""

    def __init__(self, subscription: str, person: "Person", record: Record) -> None:
        self.subscription, self.person, self.record = subscription, person, record
        self.met: dict[str, Request] = {}
        self.ignored: Ignored = {}
        self.failures: list[Exception] = []
        self._is_stopped = threading.Event()

    def stop(self) -> None:
        """Begin nothing new; what is under way is finished."""
        self._is_stopped.set()

    def call(self, args: MockCallArgs) -> Any:
        """Answer who is signed in; the program asks for nothing else."""
        if args.token != "azure-native:authorization:getClientConfig":
            raise NotImplementedError(args.token)
        return {
            "clientId": self.person.object_id,
            "objectId": self.person.object_id,
            "subscriptionId": self.subscription,
            "tenantId": self.person.tenant_id,
        }

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Meet one resource; components are only a way to group them."""
        if args.typ not in TYPES:
            return "", {}
        if self._is_stopped.is_set():
            raise _Stopped
        wanted = request(args.typ, args.inputs, self.subscription)
        self.met[wanted.path.lower()] = wanted
        is_adopted = bool(args.resource_id)
        try:
            answer = self.adopt(wanted) if is_adopted else self.meet(args.name, wanted)
        except Exception as error:
            self.failures.append(error)
            self.stop()
            raise
        return answer.get("id", wanted.path), outputs(args.typ, answer)

    def meet(self, name: str, wanted: Request) -> Body:
        """Give the resource as Azure has it, or would have it."""
        raise NotImplementedError

    def adopt(self, wanted: Request) -> Body:
        """Give a resource that the stack did not make: it is only read."""
        raise NotImplementedError

    def left_alone(self, name: str, wanted: Request, actual: Body | None) -> Request:
        """Give the request without what the program does not want changed any more."""
        ignored = self.ignored.get((wanted.kind.token, name), ())
        return as_it_stands(wanted, actual, ignored)

    def compare(self, wanted: Request, actual: Body | None) -> tuple[Difference, ...]:
        """Say where Azure's answer differs from what is wanted."""
        if actual is None:
            return ()
        sent = self.record.resources.get(wanted.path.lower())
        found = differences(wanted.body, actual, sent.body if sent else None)
        moved = next((item for item in found if item.path == "location"), None)
        if moved:
            raise SettingsError(
                f"location: {wanted.name} stands in {moved.before}, and nothing can move to"
                f" {moved.after}.",
                hint="tunestack destroy first, or take another --stack.",
            )
        return found


class Make(_Meeting):
    """Makes Azure as the program says: reads each resource, and sends it where it differs."""

    def __init__(
        self, arm: Writer, subscription: str, person: "Person", record: Record, report: Report
    ) -> None:
        super().__init__(subscription, person, record)
        self._arm, self._report = arm, report

    def meet(self, name: str, wanted: Request) -> Body:
        """Read the resource and PUT it where it is not as wanted."""
        actual = self._arm.get(wanted.path, wanted.kind.api_version)
        wanted = self.left_alone(name, wanted, actual)
        found = self.compare(wanted, actual)
        kept = Kept(wanted.path, wanted.kind.token, name, wanted.body)
        if actual is not None and not found:
            self.record.keep(kept)
            self._report(_event(name, wanted, Change.SAME, is_done=True))
            return actual
        change = Change.CHANGED if actual is not None else Change.NEW
        self._report(_event(name, wanted, change))
        began = time.monotonic()
        try:
            answer = self._arm.put(wanted.path, wanted.kind.api_version, wanted.body)
        except Exception:
            self._report(_event(name, wanted, change, is_done=True, began=began, error="failed"))
            raise
        self.record.keep(kept)
        self._report(_event(name, wanted, change, is_done=True, began=began))
        return answer

    def adopt(self, wanted: Request) -> Body:
        """Read the resource; it is neither sent nor kept on record."""
        return _existing(self._arm, wanted)


class Look(_Meeting):
    """Says what `Make` would do. Without a reader it cannot know, and says that."""

    def __init__(
        self, reader: Reader | None, subscription: str, person: "Person", record: Record
    ) -> None:
        super().__init__(subscription, person, record)
        self._reader = reader
        self.steps: list[Step] = []

    def meet(self, name: str, wanted: Request) -> Body:
        """Read the resource where there is something to read with; note what would change."""
        actual = self._read(wanted)
        wanted = self.left_alone(name, wanted, actual)
        found = self.compare(wanted, actual)
        if self._reader is None:
            change = Change.UNKNOWN
        elif actual is None:
            change = Change.NEW
        else:
            change = Change.CHANGED if found else Change.SAME
        label = display_name(name, wanted)
        self.steps.append(Step(label, wanted.kind.title, wanted.path, change, found))
        return actual or _foreseen(wanted)

    def adopt(self, wanted: Request) -> Body:
        """Read the resource; nothing about it would change."""
        if self._reader is None:
            return {**_foreseen(wanted), "properties": dict.fromkeys(LINKS, LATER)}
        name, kind = wanted.name.rsplit("/", 1)[-1], wanted.kind
        self.steps.append(Step(name, kind.title, wanted.path, Change.SAME))
        return _existing(self._reader, wanted)

    def _read(self, wanted: Request) -> Body | None:
        # What depends on an identity that is yet to be made is yet to be made.
        if self._reader is None or LATER in str(wanted.body):
            return None
        return self._reader.get(wanted.path, wanted.kind.api_version)


def run_program(program: Program, meeting: _Meeting, stack: str) -> dict[str, Any]:
    """Run the program against `meeting`; give its exports.

    In a thread with a context of its own, as Pulumi keeps its run in context variables: so a
    process can run the program any number of times. Raises what stopped the first resource.
    """
    result: dict[str, Any] = {}
    failure: list[BaseException] = []
    is_over = threading.Event()

    def run() -> None:
        try:
            result.update(_run(program, meeting, stack))
        except BaseException as error:  # noqa: BLE001 — raised again by the caller's thread
            failure.append(error)
        finally:
            is_over.set()

    thread = threading.Thread(target=contextvars.Context().run, args=(run,), name="program")
    thread.start()
    try:
        is_over.wait()
    except KeyboardInterrupt:
        # Not by join(): interrupted once, Python 3.11 takes the thread for ended.
        meeting.stop()
        is_over.wait()
        raise
    thread.join()
    if meeting.failures:
        raise meeting.failures[0]
    if failure:
        raise failure[0]
    return result


def _run(program: Program, meeting: _Meeting, stack: str) -> dict[str, Any]:
    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(AT_ONCE, thread_name_prefix="resource"))
    # What fails is raised; Pulumi's own report of it would come a second time, as a task's.
    loop.set_exception_handler(lambda _loop, _context: None)
    asyncio.set_event_loop(loop)
    try:
        # Otherwise the tasks of a run that failed would be waited for by the next one.
        SETTINGS.outputs = set()
        monitor = Monitor(meeting, meeting.ignored)
        set_mocks(meeting, NAMESPACE, stack, preview=False, logger=_silent(), monitor=monitor)
        exports = program()
        loop.run_until_complete(wait_for_rpcs())
        return loop.run_until_complete(_resolved(exports))
    finally:
        _close(loop)


async def _resolved(exports: Mapping[str, Any]) -> dict[str, Any]:
    return dict(await pulumi.Output.all(**exports).future() or {})


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Wait for what is under way, so that it is on record, and end what only waits."""
    loop.run_until_complete(loop.shutdown_default_executor())
    while waiting := asyncio.all_tasks(loop):
        for task in waiting:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*waiting, return_exceptions=True))
    asyncio.set_event_loop(None)
    loop.close()


def _silent() -> logging.Logger:
    logger = logging.getLogger("tunestack.program")
    logger.propagate = False
    logger.handlers = [logging.NullHandler()]
    return logger


def _existing(reader: Reader, wanted: Request) -> Body:
    found = reader.get(wanted.path, wanted.kind.api_version)
    if found is None:
        setting = "adoptWorkspace" if wanted.kind.title == "workspace" else "adoptGroup"
        raise SettingsError(f"{setting}: there is no {wanted.kind.title} {wanted.path}.")
    return found


def _foreseen(wanted: Request) -> Body:
    """Give a resource that is not there yet as far as it can be told."""
    answer = {**wanted.body, "id": wanted.path, "name": wanted.name.rsplit("/", 1)[-1]}
    if wanted.kind.title == "managed identity":
        answer["properties"] = {"principalId": f"{LATER} {answer['name']}", "clientId": LATER}
    identity = answer.get("identity") or {}
    if "SystemAssigned" in identity.get("type", ""):
        answer["identity"] = {**identity, "principalId": f"{LATER} {answer['name']}"}
    return answer


def display_name(name: str, wanted: Request) -> str:
    """Name a resource to a person: a grant's GUID says nothing, its name in the program does."""
    return name if wanted.kind.title == "grant" else wanted.name.rsplit("/", 1)[-1]


def _event(
    name: str,
    wanted: Request,
    change: Change,
    *,
    is_done: bool = False,
    began: float | None = None,
    error: str = "",
) -> Event:
    seconds = 0.0 if began is None else time.monotonic() - began
    label, title = display_name(name, wanted), wanted.kind.title
    return Event(label, title, change, is_done, seconds, error, wanted.path)
