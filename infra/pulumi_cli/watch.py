"""Pulumi's stream of events, turned into ours."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.arm import request
from infra.arm_types import TYPES
from infra.engine import Change, Event, Report, Step
from infra.pulumi_cli.azure_words import azure_words, existing_id
from infra.pulumi_cli.step_differences import UNKNOWN, step_differences

if TYPE_CHECKING:
    from pulumi.automation import EngineEvent
    from pulumi.automation.events import DiagnosticEvent, StepEventMetadata

CHANGES = {
    "same": Change.SAME,
    "create": Change.NEW,
    "import": Change.NEW,
    "delete": Change.GONE,
    "delete-replaced": Change.GONE,
    "update": Change.CHANGED,
    "replace": Change.CHANGED,
    "create-replacement": Change.CHANGED,
}
"""Pulumi's words for what a step does; the others (reads, refreshes) are no change."""

NOISE = ("update failed", "update canceled", "destroy failed", "destroy canceled")
"""What the engine adds of itself when a resource failed."""


@dataclass(frozen=True)
class Refused:
    """A resource that was not created because Azure has it."""

    id: str
    state: Any
    """As the engine would have kept it: urn, type, parent, provider, inputs."""


class Watch:
    """Takes Pulumi's events; keeps what a person must hear at the end."""

    def __init__(self, report: Report, subscription: str = "") -> None:
        self._report, self._subscription = report, subscription
        self._began: dict[str, tuple[float, str]] = {}
        self.by_urn: dict[str, Step] = {}
        """What the run does or would do, a step a resource."""
        self._words: dict[str, str] = {}
        self._general: list[str] = []
        self.refused: dict[str, Refused] = {}
        """By URN: what is in Azure and not in the state."""

    def __call__(self, event: "EngineEvent") -> None:
        """Take one event of Pulumi's stream."""
        if event.resource_pre_event:
            self._begin(event.resource_pre_event.metadata)
        elif event.res_outputs_event:
            self._end(event.res_outputs_event.metadata, "")
        elif event.res_op_failed_event:
            self._fail(event.res_op_failed_event.metadata)
        elif event.diagnostic_event and event.diagnostic_event.severity == "error":
            self._note(event.diagnostic_event)

    @property
    def steps(self) -> list[Step]:
        """The steps, in the order in which they began."""
        return list(self.by_urn.values())

    @property
    def under_way(self) -> list[str]:
        """What was begun and did not end."""
        return [name for _, name in self._began.values()]

    @property
    def errors(self) -> list[str]:
        """Every failure, each with the resource that it befell."""
        told = [f"{_label(urn)}: {words}" for urn, words in self._words.items()]
        general = [text for text in self._general if not text.startswith(NOISE)]
        return told + general or self._general

    def _begin(self, step: "StepEventMetadata") -> None:
        change = _change(step)
        if change is None:
            return
        title, id = TYPES[step.type].title, self._id(step)
        name = display_name(title, step.urn, id)
        seen, found = self.by_urn.get(step.urn), step_differences(step)
        kept = found or (seen.differences if seen else ())
        self.by_urn[step.urn] = Step(name, title, id, change, kept)
        if change is not Change.SAME:
            self._began[step.urn] = time.monotonic(), f"{title} {name}"
            self._send(step, change, is_done=False)

    def _end(self, step: "StepEventMetadata", error: str) -> None:
        change = _change(step)
        if change is not None:
            self._send(step, change, is_done=True, error=error)
            self._began.pop(step.urn, None)

    def _fail(self, step: "StepEventMetadata") -> None:
        words = self._words.get(step.urn, "failed")
        id = existing_id(words)
        if id and step.new is not None:
            # No failure for a person to see: it is taken over, or named at the end.
            self.refused[step.urn] = Refused(id, step.new)
            self._send(step, Change.SAME, is_done=True)
            self._began.pop(step.urn, None)
        else:
            self._end(step, words)

    def _note(self, diagnostic: "DiagnosticEvent") -> None:
        words, urn = azure_words(diagnostic.message), diagnostic.urn or ""
        if _type(urn) not in TYPES:
            self._general.append(words)
        elif words not in self._words.get(urn, ""):
            self._words[urn] = f"{self._words[urn]}; {words}" if urn in self._words else words

    def _send(
        self, step: "StepEventMetadata", change: Change, *, is_done: bool, error: str = ""
    ) -> None:
        began, _ = self._began.get(step.urn, (time.monotonic(), ""))
        title, id = TYPES[step.type].title, self._id(step)
        name = display_name(title, step.urn, id)
        self._report(Event(name, title, change, is_done, time.monotonic() - began, error, id))

    def _id(self, step: "StepEventMetadata") -> str:
        """Give the ARM id, from the inputs where Azure has not given it yet; empty if unknown."""
        state = step.new or step.old
        if state is None or state.id:
            return state.id if state else ""
        try:
            path = request(step.type, state.inputs or {}, self._subscription).path
        except KeyError:
            return ""
        return "" if UNKNOWN in path else path


def display_name(title: str, urn: str, id: str) -> str:
    """Name a resource to a person: as Azure does, but a grant as the program does."""
    named = id.rsplit("/", 1)[-1]
    return urn.rsplit("::", 1)[-1] if title == "grant" or not named else named


def _label(urn: str) -> str:
    return f"{TYPES[_type(urn)].title} {urn.rsplit('::', 1)[-1]}"


def _type(urn: str) -> str:
    parts = urn.split("::")
    return parts[2].rsplit("$", 1)[-1] if len(parts) > 3 else ""


def _change(step: Any) -> Change | None:
    op = getattr(step.op, "value", step.op)
    return CHANGES.get(op) if step.type in TYPES else None
