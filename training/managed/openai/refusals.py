"""What the OpenAI client raises, in our words, with what helps against refusals that are known.

Texts and codes are those of the documentation and of people's reports (managed-wire facts,
section 1.6); a refusal that no row knows is told as Azure words it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from core.azure_errors import AGAIN, operation
from core.errors import CloudError

REQUEST_IDS = ("x-request-id", "apim-request-id", "x-ms-request-id")
"""Headers that name a request; the SDK knows the first, Azure's gateway often sends the second."""


class Refused(CloudError):
    """Azure OpenAI refused or failed; it may say after how many seconds it will do."""

    retry_after = 0.0


@dataclass(frozen=True)
class Known:
    """A refusal that is known, by parts of its code and message, and what helps."""

    said: str
    """A pattern in "STATUS code: message"."""
    helps: str


KNOWN = (
    Known(
        r"standard trainingtype",
        "This model is not trained in the region (Standard): set `tier: GlobalStandard` in the"
        " recipe, or --set tier=GlobalStandard.",
    ),
    Known(
        r"not support fine-?tuning|not support the dpo|requires the reinforcement|retired",
        "Choose another base or objective: tunestack recipe list shows recipes that work.",
    ),
    Known(
        r"completed file import",
        "The service has not read the file to its end yet; in a minute the same command goes on.",
    ),
    Known(
        r"jsonlvalidationfailed|fileimportfailed",
        "Its lines say what is wrong: tunestack data check FILE.",
    ),
    Known(
        r"quotaexceeded|quota.*exceed|too many (?:jobs|files)",
        "The account's limit of jobs or files is reached. What it holds: tunestack jobs list;"
        " a job that waits is ended by: tunestack jobs cancel JOB.",
    ),
    Known(
        r"deploymentnotfound",
        "There is no such deployment: tunestack deploy makes it; a new one takes some minutes.",
    ),
    Known(
        r"existing deployment|has (?:a |an )?(?:active |live )?deployment",
        "A deployment serves it: take that down first, with tunestack undeploy.",
    ),
    Known(
        r"lacks the required data action|permissiondenied",
        "The role Cognitive Services OpenAI Contributor on the account allows it: tunestack up"
        " grants it, and Azure takes up to 15 minutes to count it.",
    ),
    Known(
        r"access token is missing|audience is incorrect",
        "The sign-in was not taken: az login, then the same command again.",
    ),
    Known(
        r"^403",
        "The account may be closed to this network, or the role is missing: tunestack doctor.",
    ),
)


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Turn what the OpenAI client raises inside into a `CloudError`; `what`: "create the job"."""
    import openai

    try:
        with operation(what):
            yield
    except openai.APIStatusError as error:
        raise refused(what, error) from error
    except openai.APIConnectionError as error:
        reason = str(error.__cause__ or error).strip() or type(error.__cause__ or error).__name__
        raise CloudError(
            f"Azure OpenAI could not be reached to {what}: {reason}",
            hint="Check the network (a rehearsal's Azure may have stopped: tunestack local status)."
            " Then the same command goes on from here.",
            operation=what,
        ) from error
    except (openai.OpenAIError, json.JSONDecodeError) as error:
        told = f"Azure OpenAI could not {what}: {error}"
        raise CloudError(told, hint=AGAIN, operation=what) from error


def refused(what: str, error: Any) -> Refused:
    """Word an answer of 4xx or 5xx."""
    headers: Mapping[str, str] = error.response.headers
    status, body = error.status_code, error.body if isinstance(error.body, dict) else {}
    code = str(error.code or body.get("statusCode") or "")
    reason = _reason(body) or error.message
    request = next((headers[name] for name in REQUEST_IDS if headers.get(name)), "")
    told = f"Azure OpenAI refused to {what}: {code or status}: {reason}"
    if error.param:
        told += f" ({error.param})"
    seconds = _retry_after(headers)
    hints = [_help(status, f"{status} {code}: {reason}", seconds)]
    hints += [f"Request id {request}."] if request else []
    made = Refused(
        told,
        hint=" ".join(filter(None, hints)),
        operation=what,
        code=code,
        status=status,
        request_id=request,
    )
    made.retry_after = seconds
    return made


def _reason(body: dict[str, Any]) -> str:
    """Give what an error says, with the details that stand behind it."""
    details = body.get("details")
    more = [
        str(one["message"])
        for one in (details if isinstance(details, list) else ())
        if isinstance(one, dict) and one.get("message")
    ]
    return " ".join([str(body.get("message") or "").strip(), *more]).strip()


def _help(status: int, said: str, seconds: float) -> str:
    for known in KNOWN:
        if re.search(known.said, said, re.IGNORECASE):
            return known.helps
    if status == 429:
        return f"Too much at once; it may be asked again in {seconds:.0f} s." if seconds else AGAIN
    return AGAIN if status >= 500 else ""


def _retry_after(headers: Mapping[str, str]) -> float:
    """Give the seconds that the service asks to wait; 0 where it does not say or says a date."""
    for name, part in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            return max(0.0, float(headers.get(name, "")) / part)
        except ValueError:
            continue
    return 0.0
