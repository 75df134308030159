"""Which deployment answers to which model id, and what opens it; follows redeploys.

The ids are `tuned` and `base`, and every deployment's own name. What is known is used at once and
looked up anew beside the requests, so that none waits for Azure unless what it names is unknown.
"""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Callable, Mapping

import anyio.to_thread

from core.errors import UserError
from core.refs import EndpointRef
from deploy.access import Access
from deploy.endpoint import DeploymentState, EndpointState
from deploy.web.refusals import Refused

SIDES = ("tuned", "base")
FRESH_SECONDS = 15
"""So long what is known is taken for true."""
ASKED_AGAIN_SECONDS = 3
"""Azure is asked about an unknown id no more often than this."""


@dataclasses.dataclass(frozen=True)
class Way:
    """Where a deployment is asked, and what opens it."""

    url: str
    headers: dict[str, str] = dataclasses.field(repr=False)
    fields: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What every body must say."""

    @property
    def secret(self) -> str:
        """The key or token in the headers."""
        return self.headers["Authorization"].partition(" ")[2]


class Directory:
    """The endpoint as it was last seen."""

    def __init__(
        self,
        state: EndpointState,
        look: Callable[[], EndpointState | None],
        unlock: Callable[[EndpointRef], Access],
        *,
        base_command: str = "",
    ) -> None:
        self.state = state
        self.base_command = base_command
        """How the base model is deployed, for whom it is missing."""
        self._look = look
        self._unlock = unlock
        self._access: Access | None = None
        self._seen = time.monotonic()
        self._lock = anyio.Lock()
        self._looking: asyncio.Task[None] | None = None

    def known(self, model: str) -> DeploymentState | None:
        """Find a deployment by a model id among what is known."""
        if model in SIDES:
            return self.state.serving(model)
        ready = (item for item in self.state.deployments if item.state == "Succeeded")
        return next((item for item in ready if item.name == model), None)

    async def find(self, model: str) -> DeploymentState:
        """Find a deployment by a model id.

        Raises:
            Refused: nothing answers to it.
        """
        found = self.known(model)
        if found is None:
            await self.refresh(older_than=ASKED_AGAIN_SECONDS)
            found = self.known(model)
        if found is None:
            raise self._unknown(model)
        return found

    async def way(self, deployment: str, *, anew: bool = False) -> "Way":
        """Say where a deployment is asked and with what; `anew` reads the key again.

        Raises:
            Refused: Azure gives no key or no token.
        """
        try:
            return await anyio.to_thread.run_sync(lambda: self._way(deployment, anew))
        except UserError as error:
            raise Refused(502, "no_access", _told(error)) from error

    def _way(self, deployment: str, anew: bool) -> "Way":
        if self._access is None or anew:
            self._access = self._unlock(self.state.ref)
        return Way(self.state.ref.scoring_url, self._access.headers(deployment))

    async def refresh(self, *, older_than: float = FRESH_SECONDS) -> None:
        """Look at the endpoint again where what is known is older than this many seconds."""
        async with self._lock:
            if time.monotonic() - self._seen < older_than:
                return
            with contextlib.suppress(UserError):  # what is known serves on
                state = await anyio.to_thread.run_sync(self._look)
                self.state = state or dataclasses.replace(self.state, deployments=())
            self._seen = time.monotonic()

    def refresh_soon(self) -> None:
        """Look at the endpoint again beside what is being done, where it is time to."""
        is_looking = self._looking is not None and not self._looking.done()
        if not is_looking and time.monotonic() - self._seen >= FRESH_SECONDS:
            self._looking = asyncio.get_running_loop().create_task(self.refresh())

    def _unknown(self, model: str) -> Refused:
        if model == "base" and self.base_command:
            told = f"No base model is deployed. {self.base_command}"
        else:
            ids = [side for side in SIDES if self.known(side)]
            ids += [item.name for item in self.state.deployments if item.state == "Succeeded"]
            told = f"The model {model[:100]!r} is none of {', '.join(ids) or 'nothing deployed'}."
        return Refused(404, "model_not_found", told, param="model")


def _told(error: UserError) -> str:
    return f"{error} {error.hint}".strip()
