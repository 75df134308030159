"""Whether a deployment answers: a real question of one token, asked until it does.

Azure calls a deployment Succeeded minutes before its address knows it: 404 DeploymentNotFound, or
400 DeploymentNotReady, stands for that (managed-wire facts, section 1.6).
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from core.errors import CloudError, DeploymentFailed
from deploy.access import Access
from deploy.managed.contract import Tell
from deploy.talking.answers import reason_of
from deploy.talking.refusals import code_of

if TYPE_CHECKING:
    import httpx

QUESTION = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
NOT_YET = ("DeploymentNotFound", "DeploymentNotReady", "DeploymentError", "NotFound")
PAUSE_SECONDS = 5
PATIENCE_SECONDS = 900
ASK_SECONDS = 120


@dataclass(frozen=True)
class Found:
    """What a question brought."""

    outcome: Literal["answers", "not yet", "refused"]
    told: str = ""
    status: int = 0
    wait: float = PAUSE_SECONDS


def wait_until_it_answers(access: Access, tell: Tell) -> None:
    """Ask until an answer comes, within `PATIENCE_SECONDS`.

    Raises:
        CloudError: the address lets this person not in.
        DeploymentFailed: it still does not answer; says what it said last.
    """
    import httpx

    deadline, told = time.monotonic() + PATIENCE_SECONDS, False
    with httpx.Client(timeout=ASK_SECONDS, trust_env=True) as client:
        while (found := _asked(client, access)).outcome != "answers":
            if found.outcome == "refused":
                raise _refused(access, found)
            if time.monotonic() + found.wait > deadline:
                raise _silent(access, found)
            if not told:
                tell("It is made; its address does not know it yet (that takes minutes).")
                told = True
            time.sleep(found.wait)


def judged(answer: "httpx.Response") -> Found:
    """Say what an answer means for a deployment's readiness."""
    status, code, reason = answer.status_code, code_of(answer), reason_of(answer)
    if status == 404 or (status == 400 and code in NOT_YET) or status in (408, 424) or status > 499:
        said = answer.headers.get("Retry-After", "")
        wait = min(int(said), 60) if said.isdecimal() else PAUSE_SECONDS
        return Found("not yet", f"{status} {code}: {reason}", status, wait)
    if status in (401, 403, 410):
        return Found("refused", f"{status} {code}: {reason}", status)
    # Also a refusal of the question, or of one too many: whoever refuses it is there.
    return Found("answers")


def _asked(client: "httpx.Client", access: Access) -> Found:
    import httpx

    body = {**QUESTION, **access.fields}
    try:
        return judged(client.post(access.endpoint.scoring_url, json=body, headers=access.headers()))
    except httpx.HTTPError as error:
        return Found("not yet", str(error) or type(error).__name__)


def _refused(access: Access, found: Found) -> CloudError:
    if found.status == 410:
        told = f"{access.endpoint.name} stands, and its model is retired: {found.told}"
        hint = f"tunestack undeploy {access.endpoint.name}"
        return CloudError(told, hint=hint, operation="ask the deployment", status=410)
    return CloudError(
        f"{access.endpoint.name} stands, but lets you not ask it: {found.told}",
        hint="tunestack up gives you the role that asking needs; a grant takes minutes to be in"
        " force. The deployment stays as it is.",
        operation="ask the deployment",
        status=found.status,
    )


def _silent(access: Access, found: Found) -> DeploymentFailed:
    return DeploymentFailed(
        f"{access.endpoint.name} stands, but has not answered for {PATIENCE_SECONDS // 60}"
        f" minutes: {found.told}",
        hint="The same command asks again; tunestack undeploy ends it.",
    )
