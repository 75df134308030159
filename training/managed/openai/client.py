"""The unmodified OpenAI client at the v1 API of the stack's AI account.

The account takes no keys: every request carries a Microsoft Entra token that is valid then.
"""

import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from core.cloud import AI_SCOPE, Cloud
from core.errors import CloudError
from core.refs import StackOutputs
from training.managed.openai.refusals import Refused

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.pagination import SyncCursorPage

SECONDS, CONNECT_SECONDS = 100.0, 15.0
"""How long a request that carries no file may take, and how long it may take to be heard."""

FILE_SECONDS = 600.0

PAGE = 100
"""Items that one request for a list asks for; the service's most."""

TRIES = 3
"""How often something of which there must be one is asked for."""

LOOKS = (1.0, 4.0)
"""Seconds before each look for what a failed request may have made."""

LONGEST_WAIT = 120.0
"""Seconds that a service may ask to wait; the SDK's own limit. Beyond it, the person decides."""


class Item(Protocol):
    """What lists hold."""

    @property
    def id(self) -> str:
        """Tell it from the others."""


T = TypeVar("T")
Listed = TypeVar("Listed", bound=Item)


class Api:
    """What every part of the service asks through; `wait` is how a test passes the time."""

    def __init__(
        self, cloud: Cloud, outputs: StackOutputs, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self._cloud, self._endpoint, self.wait = cloud, outputs.ai_endpoint, wait

    @cached_property
    def client(self) -> "OpenAI":
        """The client for everything that may be sent again when no answer came.

        It takes proxy and certificates from the environment.
        """
        from openai import OpenAI, Timeout

        timeout = Timeout(SECONDS, connect=CONNECT_SECONDS)
        base_url = f"{self._endpoint}openai/v1/"
        return _of_no_other(OpenAI(base_url=base_url, api_key=self._token, timeout=timeout))

    @cached_property
    def careful(self) -> "OpenAI":
        """The same for what must be made once: it sends nothing twice, and has time for files.

        The SDK by itself sends a POST again after 408, 409, 429 and 5xx, with nothing in it by
        which the service could tell that it is the same one (openai 3.54).
        """
        return self._slow(retries=0)

    @cached_property
    def patient(self) -> "OpenAI":
        """The same for the parts of a large file, of which a second one does no harm."""
        return self._slow(retries=4)

    def _slow(self, retries: int) -> "OpenAI":
        from openai import Timeout

        timeout = Timeout(FILE_SECONDS, connect=CONNECT_SECONDS)
        return _of_no_other(self.client.with_options(max_retries=retries, timeout=timeout))

    def _token(self) -> str:
        return self._cloud.credential.get_token(AI_SCOPE).token

    def delete(self, path: str) -> None:
        """Delete what is at a path, whatever Azure answers with: 200 with a body, 204 with none.

        The SDK's own methods stumble over an empty body that is said to be JSON.
        """
        from openai import HttpxBinaryResponseContent

        self.client.delete(path, cast_to=HttpxBinaryResponseContent)

    def make_once(self, make: Callable[[], T], find: Callable[[], T | None]) -> T:
        """Make what there must be one of; after a failure look whether it was made all the same.

        Raises:
            CloudError: it was refused, or whether it was made cannot be found out (says so).
        """
        for attempt in range(1, TRIES + 1):
            try:
                return make()
            except CloudError as error:
                if not _may_be_another_time(error):
                    raise
                found = self._look(error, find)
                if found is not None:
                    return found
                if attempt == TRIES:
                    raise
        raise AssertionError("the last try returns or raises")

    def _look(self, error: CloudError, find: Callable[[], T | None]) -> T | None:
        if isinstance(error, Refused) and error.retry_after:
            self.wait(error.retry_after)
        for pause in LOOKS:
            self.wait(pause)
            try:
                found = find()
            except CloudError as blind:
                error.hint = (
                    "Whether Azure made it all the same could not be found out:"
                    " look at tunestack jobs list before the same command again."
                )
                raise error from blind
            if found is not None:
                return found
        return None


def _of_no_other(client: "OpenAI") -> "OpenAI":
    """Forget OPENAI_ORG_ID and OPENAI_PROJECT_ID: they are of an account with OpenAI itself."""
    client.organization = client.project = None
    return client


def _may_be_another_time(error: CloudError) -> bool:
    """Tell whether a failure leaves open what happened, or passes by itself."""
    if isinstance(error, Refused) and error.retry_after > LONGEST_WAIT:
        return False
    return error.status in (0, 408, 409, 429) or error.status >= 500


def everything(page: "SyncCursorPage[Listed]") -> list[Listed]:
    """Read a list from its first page to its end.

    Azure's list of files says neither that there is more nor that there is not, and gives the
    same again to whoever asks: the SDK's own iteration never ends (seen with openai 3.52).
    """
    found: dict[str, Listed] = {}
    while True:
        new = {item.id: item for item in page.data or () if item.id not in found}
        found |= new
        if not (new and page.has_more is True):
            return list(found.values())
        page = page.get_next_page()


def extra(item: Any, name: str) -> Any:
    """Give a field of an answer that the SDK's types may not know; None where it is missing."""
    return getattr(item, name, None)
