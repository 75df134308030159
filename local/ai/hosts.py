"""Where an AI account answers: its three hosts, the paths below them, and who may ask there.

The same operation is at `/openai/v1/…` (no api-version, or `preview`), at `/openai/…` with a dated
one, and below a project of the account. The words for a missing right are as reported in public
threads; those for an api-version are not verified. Of the data actions, those of chat, and `read`,
`write` and `delete` of `files` and `fine-tunes`, are seen in public role definitions; those of
importing, cancelling, pausing, resuming and uploading in parts are guesses below the same paths.
"""

import functools
import inspect
import re
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from local.access import is_allowed
from local.ai.keys import key_holder
from local.operations import AI, Answer, Call, Refusal, operation
from local.state import Document, State

ACCOUNTS = "Microsoft.CognitiveServices/accounts"
OPENAI_RIGHTS = f"{ACCOUNTS}/OpenAI"
"""What the data actions of OpenAI's operations begin with."""

V1_VERSIONS = ("", "v1", "preview", "latest")
_DATED = re.compile(r"20\d\d-\d\d-\d\d(-preview)?")

Handler = Callable[[Call, Document], Any]
"""An operation of an account: called with the request and the account's ARM document."""


def on_account(
    method: str, path: str, *, data_action: str, raw: bool = False, named: str = "", note: str = ""
) -> Callable[[Handler], Handler]:
    """Register a handler for `method` on `path` of every AI account, at each of its addresses.

    `path` begins behind `/openai` or `/openai/v1`. The caller needs `data_action` at the account,
    or at the project whose address it is. `named` is what a refusal calls the operation.
    """

    def register(handler: Handler) -> Handler:
        told = named or f"{method} /openai{path}"
        if inspect.iscoroutinefunction(handler):
            answer: Any = _answering_async(handler, data_action, told)
        else:
            answer = _answering(handler, data_action, told)
        operation(
            method, f"/{{ai_base}}{path}", host=AI, data_action=data_action, raw=raw, note=note
        )(answer)
        return handler

    return register


def account_at(state: State, subdomain: str) -> Document:
    """Find the account that has a subdomain.

    Raises:
        Refusal: 404, none has it. At Azure there would be no such host.
    """
    for _, account in state.find(ACCOUNTS):
        properties = account["properties"]
        domain = str(properties.get("customSubDomainName") or "").lower()
        if domain == subdomain.lower() and properties.get("provisioningState") != "Deleting":
            return account
    raise not_found()


def not_found() -> Refusal:
    """Make the answer for an address that is none."""
    return Refusal(404, "404", "Resource not found")


def api_version(call: Call) -> str:
    """Give the version that a request was made for, as refusals name it."""
    return call.query.get("api-version") or "v1"


def _answering(handler: Handler, data_action: str, told: str) -> Callable[[Call], Any]:
    @functools.wraps(handler)
    def answer(call: Call) -> Any:
        ids = _ids(call)
        try:
            account = _admitted(call, data_action, told)
            return _marked(handler(call, account), ids)
        except Refusal as refusal:
            raise _marked(refusal, ids) from None

    return answer


def _answering_async(
    handler: Callable[[Call, Document], Awaitable[Any]], data_action: str, told: str
) -> Callable[[Call], Awaitable[Any]]:
    @functools.wraps(handler)
    async def answer(call: Call) -> Any:
        ids = _ids(call)
        try:
            account = await anyio.to_thread.run_sync(_admitted, call, data_action, told)
            return _marked(await handler(call, account), ids)
        except Refusal as refusal:
            raise _marked(refusal, ids) from None

    return answer


def _admitted(call: Call, data_action: str, told: str) -> Document:
    """Give the account that is asked; refuse who may not, and versions that do not fit."""
    account = account_at(call.world.state, call.parameters["account"])
    scope = account["id"]
    base = call.parameters["ai_base"].lower()
    if base.startswith("api/projects/"):
        scope = f"{scope}/projects/{base.split('/')[2]}"
        if "services.ai" not in call.parameters["ai_domain"].lower() or not call.world.state.get(
            scope
        ):
            raise not_found()
    _check_version(call.query.get("api-version", ""), is_v1=base.endswith("/v1"))
    if key_holder(call, account):
        return account
    if not is_allowed(call.world.state, call.principal, data_action, scope, data=True):
        raise Refusal(
            401,
            "PermissionDenied",
            f"The principal `{call.principal.object_id}` lacks the required data action"
            f" `{data_action}` to perform `{told}` operation.",
        )
    return account


def _check_version(version: str, *, is_v1: bool) -> None:
    if is_v1 and version.lower() not in V1_VERSIONS:
        raise Refusal(400, "BadRequest", "API version not supported")
    if not is_v1 and not _DATED.fullmatch(version):
        raise not_found()


def _ids(call: Call) -> dict[str, str]:
    """Make up the ids that Azure's gateway gives a request; clients show the first in errors."""
    id = str(uuid.uuid4())
    return {"x-request-id": id, "apim-request-id": str(uuid.uuid4())}


def _marked(answered: Any, ids: dict[str, str]) -> Any:
    """Put headers on whatever an operation answers with."""
    if answered is None or isinstance(answered, dict):
        answered = Answer(answered, 204 if answered is None else 200)
    for name, value in ids.items():
        answered.headers.setdefault(name, value)
    return answered
