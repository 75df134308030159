"""A real question to one deployment alone: only what has answered it may take traffic."""

import time
from typing import TYPE_CHECKING, Any

from core.errors import CloudError, DeploymentFailed, UserError
from deploy.access import Access

if TYPE_CHECKING:
    import httpx

QUESTION: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Hello"}],
    "max_tokens": 8,
}
PATIENCE_SECONDS = 90
"""Azure's routing learns of a new deployment only some time after it is Succeeded."""
PAUSE_SECONDS = 3
NOT_YET = (404, 408, 429, 502, 503, 504)
NOT_LET_IN = (401, 403)
MLFLOW_CHAT: dict[str, Any] = {
    "input_data": {
        "columns": ["messages", "max_tokens"],
        "data": [[QUESTION["messages"], QUESTION["max_tokens"]]],
    }
}
"""How MLflow's scoring, which knows no chat completions, is asked where the model is for chats."""
MLFLOW_TEXT: dict[str, Any] = {"input_data": ["Hello"], "params": {"max_new_tokens": 8}}
"""And where it takes texts, as the own-GPU tutorial's does."""


def require_answer(access: Access, deployment: str, runtime: str = "transformers") -> None:
    """Ask a deployment, whatever its traffic, until it answers.

    Raises:
        DeploymentFailed: it answers wrongly, or not at all.
        CloudError: the caller is not let in, which says nothing of the deployment.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            (_ask_mlflow if runtime == "mlflow" else _ask)(access, deployment)
            return
        except CloudError as error:
            if error.status in NOT_LET_IN:
                raise _not_let_in(access, error) from error
            if not _may_come(error) or time.monotonic() > deadline:
                raise _silent(deployment, error) from error
        except UserError as error:
            raise _silent(deployment, error) from error
        time.sleep(PAUSE_SECONDS)


def _ask(access: Access, deployment: str) -> None:
    from deploy.talking.asking import Line

    line = Line(access, deployment)
    try:
        line.ask(QUESTION)
    finally:
        line.close()


def _ask_mlflow(access: Access, deployment: str) -> None:
    """Ask MLflow's own scoring: whatever it answers with a 200 is an answer."""
    from deploy.talking.answers import refusal

    refusals = []
    for body in (MLFLOW_CHAT, MLFLOW_TEXT):
        answer = _post_mlflow(access, deployment, body)
        if answer.status_code == 200:
            return
        refusals.append(refusal(answer))
        if isinstance(refusals[-1], CloudError):
            raise refusals[-1]
    raise refusals[0]


def _post_mlflow(access: Access, deployment: str, body: dict[str, Any]) -> "httpx.Response":
    import httpx

    from deploy.talking.asking import CONNECT_SECONDS, TIMEOUT_SECONDS

    headers, url = access.headers(deployment), access.endpoint.scoring_url
    timeout = httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS)
    try:
        return httpx.post(url, json=body, headers=headers, timeout=timeout)
    except httpx.HTTPError as error:
        raise CloudError(f"The endpoint cannot be reached: {error}") from error


def _may_come(error: CloudError) -> bool:
    """Say whether another try makes sense: nothing is there yet, or it was not reached."""
    import httpx

    return error.status in NOT_YET or isinstance(error.__cause__, httpx.HTTPError)


def _silent(deployment: str, error: UserError) -> DeploymentFailed:
    return DeploymentFailed(
        f"{deployment} is up, but does not answer a question that was sent to it alone: {error}",
        hint=error.hint,
    )


def _not_let_in(access: Access, error: CloudError) -> CloudError:
    by_key = access.endpoint.auth == "key"
    hint = (
        "The key was changed meanwhile? The same command again reads it anew."
        if by_key
        else "Whoever calls an endpoint of --auth entra needs a role with"
        " Microsoft.MachineLearningServices/workspaces/onlineEndpoints/score/action on it, for"
        " example AzureML Data Scientist on the workspace; a new grant takes minutes. Then the"
        " same command goes on."
    )
    return CloudError(
        f"The deployment could not be asked: {error} Its traffic is as it was, and what was"
        " started stands and costs.",
        hint=hint,
        operation="ask the deployment",
        status=error.status,
    )
