"""The directory of `serve` where Azure's own services answer: an address and a key a deployment.

They are shown as deployments of one endpoint, which they are not: nothing moves traffic between
them, and `tuned` and `base` are the newest that are ready.
"""

from collections.abc import Callable, Sequence

from core.refs import EndpointRef
from deploy.access import Access
from deploy.endpoint import DeploymentState, EndpointState
from deploy.managed.contract import Hosted, Hosting
from deploy.web.directory import Directory, Way

Pair = tuple[Hosting, Hosted]


class ManagedDirectory(Directory):
    """The managed deployments of one route as they were last seen."""

    def __init__(
        self, name: str, look: Callable[[], Sequence[Pair]], *, base_command: str = ""
    ) -> None:
        self._pairs: dict[str, Pair] = {}
        self._opened: dict[str, Access] = {}

        def seen() -> EndpointState:
            found = look()
            before = self._pairs
            self._pairs = {hosted.name: (hosting, hosted) for hosting, hosted in found}
            self._opened = {
                key: access
                for key, access in self._opened.items()
                if _way_in(before.get(key)) == _way_in(self._pairs.get(key))
            }
            return as_endpoint(name, [hosted for _, hosted in found])

        super().__init__(seen(), seen, _never, base_command=base_command)

    def _way(self, deployment: str, anew: bool) -> Way:
        if deployment not in self._pairs:  # it was deleted while it was looked up
            raise self._unknown(deployment)
        hosting, hosted = self._pairs[deployment]
        if anew or deployment not in self._opened:
            self._opened[deployment] = hosting.access(hosted)
        access = self._opened[deployment]
        return Way(access.endpoint.scoring_url, access.headers(), access.fields)


def as_endpoint(name: str, found: Sequence[Hosted]) -> EndpointState:
    """Show managed deployments as one endpoint's; the newest of a side has its traffic."""
    newest = {
        hosted.serves: hosted.name
        for hosted in sorted(found, key=lambda one: one.created)
        if hosted.is_ready
    }
    states = tuple(_state(hosted, newest.get(hosted.serves) == hosted.name) for hosted in found)
    reference = EndpointRef(name=name, scoring_url=found[0].url if found else "")
    return EndpointState(reference, "Succeeded", states)


def _state(hosted: Hosted, is_newest: bool) -> DeploymentState:
    return DeploymentState(
        name=hosted.name,
        model=hosted.model,
        state="Succeeded" if hosted.is_ready else hosted.state,
        traffic=100 * is_newest,
        vm_size=hosted.sku,
        instances=0,
        runtime=hosted.route,
        serves=hosted.serves,
        created=hosted.created,
    )


def _way_in(pair: Pair | None) -> EndpointRef | None:
    """Give what opens a deployment: made anew under its name, it may be at another address."""
    return pair[1].ref() if pair else None


def _never(endpoint: EndpointRef) -> Access:
    raise AssertionError("each managed deployment is opened by itself")
