"""One conversation with an endpoint: a system message, questions and answers so far.

Only what was answered to the end is remembered: an answer that was refused, broke off or was
stopped leaves the conversation as it was. How a question gets there is `asking`'s business.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from core.cloud import Cloud
from core.errors import PrerequisiteError
from core.refs import EndpointRef, StackOutputs
from deploy.access import Access, open_access
from deploy.talking.answers import Part, Usage
from deploy.talking.asking import Line

Send = Callable[[dict[str, Any]], Iterator[Part]]


@dataclass(frozen=True)
class Options:
    """How the model shall answer; what is None or empty is left to the scoring program."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()

    def fields(self) -> dict[str, Any]:
        """Give what is chosen, under the body's names."""
        chosen = {name: value for name, value in vars(self).items() if value not in (None, ())}
        return chosen | ({"stop": list(self.stop)} if self.stop else {})


@dataclass(frozen=True)
class Answer:
    """An answer that came to its end, and what it took."""

    text: str
    finish: str
    """`stop`, `length`, or empty where the endpoint does not say."""
    usage: Usage | None
    deployment: str
    """Who answered; empty where it is not told."""
    seconds: float
    """From the question to the end of the answer."""
    first_seconds: float | None
    """From the question to the first words; None where the answer came in one piece."""

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens written over `seconds`, waiting included; None where nobody counted them."""
        written = (self.usage or {}).get("completion_tokens")
        return written / self.seconds if written is not None and self.seconds else None


@dataclass
class Conversation:
    """What was said so far, and the line that the next question goes by."""

    line: Line
    system: str = ""
    options: Options = Options()
    messages: list[dict[str, str]] = field(default_factory=list)
    last: Answer | None = None
    """The answer to the last question; None where it did not come to its end."""

    @property
    def endpoint(self) -> EndpointRef:
        """Where the questions go."""
        return self.line.endpoint

    def ask(self, text: str) -> str:
        """Ask, and remember question and answer; after a failure neither is remembered.

        Raises:
            UserError: the endpoint calls the question wrong (too long, empty …).
            CloudError: the endpoint cannot be reached, refuses the key or fails.
        """
        return "".join(self._answer(text, lambda body: iter((self.line.ask(body),))))

    def stream(self, text: str) -> Iterator[str]:
        """Ask, and give the answer as it is written; remembered once it has come to its end.

        Closing the iterator early stops the model's writing; then nothing is remembered.

        Raises (while it is read):
            BrokenOff: it began and broke off.
            UserError, CloudError: as `ask`.
        """
        yield from self._answer(text, self.line.stream)

    def forget(self) -> None:
        """Start over; the system message stays."""
        self.messages.clear()

    def undo(self) -> str:
        """Take the last question and its answer back; gives the question, empty if none is left."""
        if not self.messages:
            return ""
        question = self.messages[-2]["content"]
        del self.messages[-2:]
        return question

    def record(self) -> dict[str, Any]:
        """Give the conversation in the form that training data has."""
        return {"messages": [*self._opening(), *self.messages]}

    def close(self) -> None:
        """Close the connection."""
        self.line.close()

    def _opening(self) -> list[dict[str, str]]:
        return [{"role": "system", "content": self.system}] if self.system else []

    def _answer(self, text: str, send: Send) -> Iterator[str]:
        question = {"role": "user", "content": text}
        body = {"messages": [*self._opening(), *self.messages, question], **self.options.fields()}
        self.last = None
        begun, first, parts = time.monotonic(), None, list[Part]()
        for part in send(body):
            if part.text and first is None:
                first = time.monotonic() - begun
            parts.append(part)
            yield part.text
        answer = self._concluded(parts, time.monotonic() - begun, first)
        if answer.text.strip():  # an empty turn would be refused with the next question
            self.messages += [question, {"role": "assistant", "content": answer.text}]
        self.last = answer

    def _concluded(self, parts: list[Part], seconds: float, first: float | None) -> Answer:
        return Answer(
            text="".join(part.text for part in parts),
            finish=next((part.finish for part in reversed(parts) if part.finish), ""),
            usage=next((part.usage for part in reversed(parts) if part.usage), None),
            deployment=self.line.answered_by,
            seconds=seconds,
            first_seconds=first if self.line.is_streamed else None,
        )


def open_conversation(
    cloud: Cloud,
    outputs: StackOutputs,
    endpoint: EndpointRef,
    *,
    system: str = "",
    options: Options | None = None,
    deployment: str = "",
) -> Conversation:
    """Open a conversation with `deployment`, or with what takes the endpoint's traffic.

    Raises:
        PrerequisiteError: no deployment takes the endpoint's traffic, and none is named.
    """
    if not endpoint.deployment and not deployment:
        raise PrerequisiteError(
            f"The endpoint {endpoint.name} has no deployment with traffic.",
            hint="tunestack deploy",
        )

    def opened() -> Access:
        return open_access(cloud, outputs, endpoint)

    return converse(opened, system=system, options=options, deployment=deployment)


def converse(
    opened: Callable[[], Access],
    *,
    system: str = "",
    options: Options | None = None,
    deployment: str = "",
) -> Conversation:
    """Open a conversation with whatever `opened` lets in to; it is called anew for a renewed key.

    Raises:
        CloudError: Azure does not give what opens it.
    """
    line = Line(opened(), deployment, reopen=opened)
    return Conversation(line, system, options or Options())
