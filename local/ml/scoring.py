"""The scoring address of endpoints: checks the caller, chooses a deployment, hands it on.

Answers follow Microsoft's table for managed online endpoints: a container that answers anything
but 2xx becomes 424 with its status in `ms-azureml-model-error-statuscode` and its body kept
(the body is our reading: the table does not say). Who may not score is told 403, as ARM does, where
Microsoft's table has 401 for both. Mirrored traffic and the limits of an endpoint's connections,
requests per second and bandwidth are not played.
"""

import contextlib
import hmac
import random
import threading
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import anyio

from local import access
from local.ml.endpoints import KIND, token_is_current
from local.ml.relay import not_ready, relay
from local.operations import SCORING, Call, Refusal, operation
from local.runner import deployments as runner
from local.state import Document, State

if TYPE_CHECKING:
    from starlette.responses import Response

SCORE = f"{KIND}/score/action"
_in_flight: Counter[str] = Counter()
_counting = threading.Lock()


@operation(
    "POST",
    "/{rest:path}",
    host=SCORING,
    anonymous=True,
    raw=True,
    note="keys and tokens checked; any path; weights, header, timeout; the instance with the fewest"
    " requests, another one where it refuses the connection; answers without a length are passed on"
    " as they come; 401 403 404 408 424 429 502 503",
)
async def score(call: Call) -> "Response":
    """Answer a request by the deployment that it is for."""
    return await _route(call)


@operation(
    "GET", "/{rest:path}", host=SCORING, anonymous=True, raw=True, note="as POST; swagger.json"
)
async def read(call: Call) -> "Response":
    """Answer a GET by the deployment that it is for."""
    return await _route(call)


async def _route(call: Call) -> "Response":
    deployment = await anyio.to_thread.run_sync(_choose, call)
    serving = runner.serving_of(call.world, deployment["id"])
    if serving is None or not any(one.port for one in serving.instances):
        raise not_ready(deployment)
    content = await call.request.body()
    async with contextlib.AsyncExitStack() as held:
        held.enter_context(_place(deployment))
        return await relay(call, deployment, serving, content, held)


def _choose(call: Call) -> Document:
    state = call.world.state
    endpoint = _endpoint_at(state, call.parameters["endpoint_host"], call.parameters["region"])
    _check_caller(call, endpoint)
    name = call.headers.get("azureml-model-deployment") or _by_weight(endpoint)
    deployment = state.get(f"{endpoint['id']}/deployments/{name}") if name else None
    if deployment is None:
        named = f"no deployment {name!r}" if name else "no deployment with traffic"
        raise Refusal(404, "NotFound", f"The endpoint {endpoint['name']} has {named}.")
    return deployment


def _endpoint_at(state: State, host: str, region: str) -> Document:
    for _, document in state.find(KIND):
        if document["name"].lower() == host.lower() and document["location"] == region.lower():
            return document
    raise Refusal(404, "NotFound", f"There is no endpoint {host!r} in {region}.")


def _check_caller(call: Call, endpoint: Document) -> None:
    scheme, _, given = call.headers.get("authorization", "").partition(" ")
    mode = endpoint["properties"]["authMode"]
    given = given.strip() if scheme.lower() == "bearer" else ""
    if mode == "AADToken":
        from local.login.tokens import ML_AUDIENCE, verify

        caller = verify(call.world.folder, given, (ML_AUDIENCE,))
        access.require(call.world.state, caller, SCORE, endpoint["id"])
        return
    keys = call.world.state.get(f"{endpoint['id']}/keys") or {}
    valid = [keys.get("primaryKey", ""), keys.get("secondaryKey", "")] if mode == "Key" else []
    valid += [
        token for token in keys.get("tokens", []) if mode != "Key" and token_is_current(token)
    ]
    if not given or not any(hmac.compare_digest(given.encode(), one.encode()) for one in valid):
        kind = "key" if mode == "Key" else "token"
        raise Refusal(
            401, f"{kind}_auth_access_denied", f"The endpoint's {kind} is missing or wrong."
        )


def _by_weight(endpoint: Document) -> str:
    shares = {name: share for name, share in endpoint["properties"]["traffic"].items() if share}
    return random.choices(list(shares), list(shares.values()))[0] if shares else ""


@contextlib.contextmanager
def _place(deployment: Document) -> Iterator[None]:
    each = int(deployment["properties"]["requestSettings"]["maxConcurrentRequestsPerInstance"])
    most = 2 * each * int(deployment["sku"]["capacity"])
    with _counting:
        if _in_flight[deployment["id"]] >= most:
            raise Refusal(
                429,
                "TooManyRequests",
                f"The deployment {deployment['name']} takes {most} requests at a time:"
                " twice maxConcurrentRequestsPerInstance for each instance.",
            )
        _in_flight[deployment["id"]] += 1
    try:
        yield
    finally:
        with _counting:
            _in_flight[deployment["id"]] -= 1
