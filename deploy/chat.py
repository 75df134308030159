"""One conversation against an endpoint, in chat-completions bodies over plain HTTPS.

What the caller is let in by is `access`'s business.
"""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.cloud import Cloud
from core.errors import CloudError, PrerequisiteError, UserError
from core.refs import EndpointRef, StackOutputs
from deploy.access import Access, open_access

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 190
"""A little more than the endpoint's own limit, so that its answer arrives."""
CONNECT_SECONDS = 15
MAX_WAIT_SECONDS = 30
RETRIED = (429, 502, 503, 504)
"""Asked once more, as a question changes nothing; a 500 is the model's own, and would be again."""
MODEL_STATUS = "ms-azureml-model-error-statuscode"
"""Azure answers 424 where the container answered an error; this header has the container's."""


@dataclass(frozen=True)
class Options:
    """How the model shall answer; what is None is left to the scoring program."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None

    def fields(self) -> dict[str, Any]:
        """Give what is chosen, under the body's names."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass
class Conversation:
    """A system message, questions and answers so far, and where the next question goes."""

    access: Access
    system: str = ""
    options: Options = Options()
    messages: list[dict[str, str]] = field(default_factory=list)
    _client: "httpx.Client | None" = field(default=None, repr=False)

    @property
    def endpoint(self) -> EndpointRef:
        """Where the questions go."""
        return self.access.endpoint

    def ask(self, text: str) -> str:
        """Ask, and remember question and answer; after a failure neither is remembered.

        Raises:
            UserError: the endpoint calls the question wrong (too long, empty …).
            CloudError: the endpoint cannot be reached, refuses the key or fails.
        """
        question = {"role": "user", "content": text}
        body = {"messages": [*self._opening(), *self.messages, question], **self.options.fields()}
        answer = _content(self._send(body))
        self.messages += [question, {"role": "assistant", "content": answer}]
        return answer

    def forget(self) -> None:
        """Start over; the system message stays."""
        self.messages.clear()

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _opening(self) -> list[dict[str, str]]:
        return [{"role": "system", "content": self.system}] if self.system else []

    def _send(self, body: dict[str, Any]) -> "httpx.Response":
        answer = self._post(body, is_last=False)
        if answer is None or _status(answer) in RETRIED:
            time.sleep(_wait(answer))
            answer = self._post(body)
        assert answer is not None
        if answer.status_code != 200:
            raise _refusal(answer)
        return answer

    def _post(self, body: dict[str, Any], *, is_last: bool = True) -> "httpx.Response | None":
        """Send a body; None where the connection was cut and another try may follow."""
        import httpx

        if self._client is None:
            # The process's proxy and certificates count: the rehearsal sets them.
            timeout = httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS)
            self._client = httpx.Client(timeout=timeout, trust_env=True)
        headers = self.access.headers()
        try:
            return self._client.post(self.endpoint.scoring_url, json=body, headers=headers)
        except httpx.TimeoutException as error:
            raise CloudError(
                f"The endpoint did not answer in {TIMEOUT_SECONDS} s.",
                hint="Ask for fewer tokens, or deploy to a larger VM size.",
                operation="ask the endpoint",
            ) from error
        except httpx.HTTPError as error:
            if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError) and not is_last:
                return None
            raise CloudError(
                f"The endpoint {self.endpoint.name} cannot be reached: {error}",
                hint="tunestack status",
                operation="ask the endpoint",
            ) from error


def open_conversation(
    cloud: Cloud,
    outputs: StackOutputs,
    endpoint: EndpointRef,
    *,
    system: str = "",
    options: Options | None = None,
) -> Conversation:
    """Open a conversation with what takes the endpoint's traffic.

    Raises:
        PrerequisiteError: no deployment takes the endpoint's traffic.
    """
    if not endpoint.deployment:
        raise PrerequisiteError(
            f"The endpoint {endpoint.name} has no deployment with traffic.",
            hint="tunestack deploy",
        )
    access = open_access(cloud, outputs, endpoint)
    return Conversation(access, system, options or Options())


def _content(answer: "httpx.Response") -> str:
    try:
        content = answer.json()["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError) as error:
        raise CloudError(
            "The endpoint's answer is no chat completion: another program answers there.",
            hint="tunestack deploy puts this version's scoring program there.",
            operation="ask the endpoint",
        ) from error
    return str(content)


def _status(answer: "httpx.Response") -> int:
    said = answer.headers.get(MODEL_STATUS, "")
    return int(said) if said.isdecimal() else answer.status_code


def _wait(answer: "httpx.Response | None") -> int:
    said = answer.headers.get("Retry-After", "") if answer is not None else ""
    return min(int(said), MAX_WAIT_SECONDS) if said.isdecimal() else 1


def _refusal(answer: "httpx.Response") -> UserError:
    status, reason = _status(answer), _reason(answer)
    request_id = answer.headers.get("x-ms-request-id", "")
    if 400 <= status < 500 and status not in (401, 403, 404, 408, 424, 429):
        return UserError(f"The endpoint refused the question: {reason}")
    said = {
        401: "The endpoint refused the key",
        403: "The endpoint refused the key",
        404: "The endpoint has nothing that answers",
        429: "The endpoint is busy",
        503: "The endpoint is busy",
    }.get(status, "The endpoint failed")
    return CloudError(
        f"{said} ({status}): {reason}",
        hint=f"Request id {request_id}." if request_id else "",
        operation="ask the endpoint",
        status=status,
        request_id=request_id,
    )


def _reason(answer: "httpx.Response") -> str:
    """Find the reason: our program's shape, the inference server's, or plain text."""
    try:
        body = answer.json()
    except ValueError:
        return answer.text.strip()[:500] or answer.reason_phrase
    error = body.get("error", body) if isinstance(body, dict) else body
    message = error.get("message") if isinstance(error, dict) else error
    return str(message or answer.reason_phrase)[:500]
