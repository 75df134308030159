"""What rules are asked about: a stack, its settings, a recipe, and Azure, each thing asked once.

Rules run side by side and mostly want the same few lists. The first request to Azure goes alone:
it fetches the token, which `az` would otherwise be started for once a rule, and it finds out
whether Azure answers at all.
"""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from core.errors import CloudError, NotSignedIn
from core.features import ClusterPlan
from core.managed_recipe import AnyManaged
from core.recipe import Recipe
from core.settings import Settings

if TYPE_CHECKING:
    from core.arm import Arm
    from core.cloud import Cloud, Person

SIDE_BY_SIDE = 8


@dataclass(frozen=True)
class Serving:
    """What a deployment is to be, as far as rules about memory, speed and quota ask."""

    model: str
    parameters: int | None
    """None where the model's tags do not tell."""
    runtime: str
    concurrency: int
    """Requests that one instance takes in at once."""
    instances: tuple[int, ...] = (1,)
    """Of each deployment that is to be there."""


@dataclass
class Facts:
    """The subject of a run of rules."""

    stack: str
    settings: Settings
    today: date
    cloud: "Cloud | None" = None
    absence: NotSignedIn | None = None
    """Why there is no cloud."""
    workspace_id: str = ""
    """The ARM id of the stack's workspace, which need not be there yet; empty without a cloud."""
    recipe: Recipe | None = None
    managed: AnyManaged | None = None
    """A recipe of a managed route, which is tuned on nobody's machines; then `recipe` is None."""
    node: ClusterPlan | None = None
    """The nodes that one job is to run on; None: whatever the stack's clusters may run."""
    endpoint_vm_size: str = ""
    """What a deployment is to run on; empty means the stack's setting."""
    serving: Serving | None = None
    """The deployment that is ordered; None: whatever one may be."""
    _known: dict[Any, "Future[Any]"] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _door: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _closed: Exception | None = field(default=None, repr=False)
    _is_open: bool = field(default=False, repr=False)

    @property
    def subscription(self) -> str:
        """The path of the subscription."""
        return f"/subscriptions/{self._signed_in().subscription_id}"

    @property
    def group_id(self) -> str:
        """The path of the resource group that the workspace is, or will be, in."""
        return self.workspace_id.partition("/providers/")[0]

    @property
    def clusters(self) -> tuple[ClusterPlan, ...]:
        """What needs quota: the job's nodes, else every cluster at its full size."""
        return (self.node,) if self.node else self.settings.cluster_plans

    @property
    def serving_size(self) -> str:
        """The VM size of a deployment."""
        return self.endpoint_vm_size or self.settings.deployment_vm_size

    def at_location(self, provider: str, what: str) -> str:
        """Write the path of what a provider says of the stack's region."""
        return f"{self.subscription}/providers/{provider}/locations/{self.settings.location}/{what}"

    def get(self, path: str, api_version: str) -> dict[str, Any] | None:
        """Read a resource once; None where there is none."""
        answer: dict[str, Any] | None = self.once(
            ("get", path.lower()), lambda: self._ask(lambda arm: arm.get(path, api_version))
        )
        return answer

    def get_list(self, path: str, api_version: str) -> list[dict[str, Any]]:
        """Read a list once; empty where its parent is not there."""
        answer: list[dict[str, Any]] = self.once(
            ("list", path.lower()), lambda: self._ask(lambda arm: arm.get_list(path, api_version))
        )
        return answer

    def post(self, path: str, api_version: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask a question that Azure takes as a POST."""
        answer: dict[str, Any] = self._ask(lambda arm: arm.post(path, api_version, body))
        return answer

    def get_each(self, paths: Iterable[str], api_version: str) -> list[dict[str, Any] | None]:
        """Read several resources side by side, in their order."""
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            return list(pool.map(lambda path: self.get(path, api_version), paths))

    def person(self) -> "Person":
        """Say who is signed in."""
        cloud = self._signed_in()
        person: Person = self.once("person", lambda: self._enter(cloud.person, opens=False))
        return person

    @property
    def silence(self) -> Exception | None:
        """Why nothing could be asked: nobody is signed in, or Azure is away; None: it answers."""
        return self._closed

    def once(self, key: Any, call: Callable[[], Any]) -> Any:
        """Call once for a key; whoever asks meanwhile, or later, gets the same answer or error."""
        with self._lock:
            is_first = key not in self._known
            found: Future[Any] = self._known.setdefault(key, Future())
        if is_first:
            try:
                found.set_result(call())
            except Exception as error:  # noqa: BLE001 - it is raised again for everybody who asks
                found.set_exception(error)
        return found.result()

    def _ask(self, call: "Callable[[Arm], Any]") -> Any:
        arm = self._signed_in().arm
        return self._enter(lambda: call(arm), opens=True)

    def _enter(self, call: Callable[[], Any], *, opens: bool) -> Any:
        """Call through the door, which only a request to ARM opens: its client keeps the token."""
        with self._door:
            if self._closed is not None:
                raise self._closed
            if not self._is_open:
                return self._open(call, opens)
        return call()

    def _open(self, call: Callable[[], Any], opens: bool) -> Any:
        """Send the first request; where nobody is signed in or Azure is away, none follows it."""
        try:
            answer = call()
        except NotSignedIn as error:
            self._closed = error
            raise
        except CloudError as error:
            # A refusal is an answer; without a status there was none.
            self._closed = None if error.status or error.code else error
            self._is_open = opens and self._closed is None
            raise
        self._is_open = opens
        return answer

    def _signed_in(self) -> "Cloud":
        if self.cloud is None:
            raise self.absence or NotSignedIn("Not signed in to Azure.", hint="az login")
        return self.cloud
