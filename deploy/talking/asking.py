"""A line to an endpoint: a chat-completions body goes out, the answer comes back whole or in parts.

What happens on the way is dealt with here: a busy endpoint, a lost connection, a key that was
rotated, a container that cannot stream. What is asked, and what is remembered, is `chat`'s.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.errors import CloudError, UserError
from core.refs import EndpointRef
from deploy.access import DEPLOYMENT_HEADER, Access
from deploy.talking.answers import (
    BrokenOff,
    EndedEarly,
    Part,
    container_status,
    is_streamed,
    reason_of,
    received,
    refusal,
)
from deploy.talking.refusals import OPERATION

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 190
"""A little more than the endpoint's own limit, so that its answer arrives."""
CONNECT_SECONDS = 15
MAX_WAIT_SECONDS = 60
HOPELESS_SECONDS = 120
"""Azure says 86400 where one question alone is over the limit: that is not waited for."""
RETRIED = (429, 502, 503, 504)
"""Asked once more, as a question changes nothing; a 500 is the model's own, and would be again."""
STREAMING = {"stream": True, "stream_options": {"include_usage": True}}

Body = dict[str, Any]


class NotAnswered(Exception):
    """A try that brought nothing at all: `error` is what the person is told if it was the last."""

    def __init__(self, error: UserError, answer: "httpx.Response | None" = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.status = container_status(answer) if answer is not None else 0
        self.is_of_the_endpoint = answer is not None and answer.status_code == self.status
        self.names_streaming = answer is not None and "stream" in reason_of(answer)
        said = answer.headers.get("Retry-After", "") if answer is not None else ""
        self.wait = min(int(said), MAX_WAIT_SECONDS) if said.isdecimal() else 1
        self.is_worth_a_wait = not said.isdecimal() or int(said) <= HOPELESS_SECONDS


@dataclass
class Line:
    """An open line to an endpoint, or to one deployment of it."""

    access: Access
    deployment: str = ""
    """Asked by name; empty: whichever the endpoint's traffic finds."""
    reopen: Callable[[], Access] | None = field(default=None, repr=False)
    """Reads what opens the endpoint anew; None: what is there has to do."""
    answered_by: str = ""
    """The deployment that gave the last answer, as Azure tells it."""
    is_streamed: bool = False
    """The last answer came in parts."""
    waits: int = 1
    """How often a busy endpoint is waited for with one question."""
    sent: float = 0.0
    """When the try that was answered last went out, by `time.monotonic`: after all waits."""
    client: "httpx.Client | None" = field(default=None, repr=False)
    _streaming: Body = field(default_factory=lambda: dict(STREAMING), repr=False)
    """What asks for parts; less, once the container has refused it."""

    @property
    def endpoint(self) -> EndpointRef:
        """Where the questions go."""
        return self.access.endpoint

    def ask(self, body: Body) -> Part:
        """Send a body and give the whole answer.

        Raises:
            UserError: the model calls the body wrong (too long, empty …).
            CloudError: the endpoint cannot be reached, refuses the key or fails.
        """
        return next(self._parts(dict(body)))

    def stream(self, body: Body) -> Iterator[Part]:
        """Send a body and give the answer as it comes; one part where the container cannot stream.

        Closing the iterator early gives the answer up, and the model's place with it.

        Raises (while it is read):
            BrokenOff: parts of the answer came, and then no more.
            UserError, CloudError: as `ask`, before the first part.
        """
        yield from self._parts({**body, **self._streaming})

    def close(self) -> None:
        """Close the connection."""
        if self.client is not None:
            self.client.close()
            self.client = None

    def _parts(self, body: Body) -> Iterator[Part]:
        body.update(self.access.fields)
        tried: list[str] = []
        while True:
            try:
                yield from self._try(body)
                return
            except NotAnswered as failed:
                self._prepare_another(failed, body, tried)

    def _prepare_another(self, failed: NotAnswered, body: Body, tried: list[str]) -> None:
        """Change what may help, each thing once, and wait at most `waits` times.

        Raises:
            UserError: nothing may; what the last try brought.
        """
        if failed.names_streaming and failed.status in (400, 422, 501) and "stream" in body:
            # An older scoring program, or somebody else's. First without the count of tokens.
            body.pop("stream_options" if "stream_options" in body else "stream")
            self._streaming = {name: body[name] for name in STREAMING if name in body}
        elif failed.status == 401 and failed.is_of_the_endpoint and self._may("reopen", tried):
            assert self.reopen is not None
            self.access = self.reopen()
        elif (
            failed.status in (0, *RETRIED)
            and failed.is_worth_a_wait
            and self._may("wait", tried, self.waits)
        ):
            time.sleep(failed.wait)
        else:
            raise failed.error from failed.__cause__

    def _may(self, step: str, tried: list[str], times: int = 1) -> bool:
        may = tried.count(step) < times and (step != "reopen" or self.reopen is not None)
        tried.append(step)
        return may

    def _try(self, body: Body) -> Iterator[Part]:
        import httpx

        has_part = False
        headers = self.access.headers(self.deployment)
        url = self.endpoint.scoring_url
        self.sent = time.monotonic()
        try:
            with self._client().stream("POST", url, json=body, headers=headers) as answer:
                if answer.status_code != 200:
                    answer.read()
                    raise NotAnswered(refusal(answer), answer)
                self.answered_by = answer.headers.get(
                    DEPLOYMENT_HEADER, self.deployment or self.access.answers
                )
                self.is_streamed = is_streamed(answer)
                for part in received(answer):
                    has_part = True
                    yield part
        except (httpx.HTTPError, EndedEarly, CloudError) as error:
            if has_part:
                raise _broken_off(error) from error
            raise self._lost(error) from error

    def _lost(self, error: Exception) -> Exception:
        """Say what a try means that brought nothing; only a cut connection is worth another."""
        import httpx

        if isinstance(error, CloudError):
            return error
        if isinstance(error, httpx.TimeoutException):
            return CloudError(
                f"The endpoint did not answer in {TIMEOUT_SECONDS} s.",
                hint="Ask for fewer tokens, or deploy to a larger VM size.",
                operation=OPERATION,
            )
        told = CloudError(
            f"The endpoint {self.endpoint.name} cannot be reached: {error}",
            hint="tunestack status",
            operation=OPERATION,
        )
        was_cut = isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | EndedEarly)
        return NotAnswered(told) if was_cut else told

    def _client(self) -> "httpx.Client":
        import httpx

        if self.client is None:
            # The process's proxy and certificates count: the rehearsal sets them.
            timeout = httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS)
            self.client = httpx.Client(timeout=timeout, trust_env=True)
        return self.client


def _broken_off(error: Exception) -> BrokenOff:
    return BrokenOff(
        f"The answer broke off: {error or type(error).__name__}",
        hint="What came of it is not remembered; ask again.",
        operation=OPERATION,
        code=getattr(error, "code", ""),
    )
