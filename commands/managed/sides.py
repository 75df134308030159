"""Managed deployments as those that a person talks to: which there are, and a line to each."""

from collections.abc import Sequence
from dataclasses import dataclass

from commands.jobs.listing import moment
from commands.managed.undeploying import Pair
from commands.session import Session
from core.errors import PrerequisiteError
from core.managed_recipe import Route
from deploy.managed.hostings import standing
from deploy.talking.chat import Conversation, Options, converse


@dataclass(frozen=True)
class ManagedSides:
    """What answers by one managed route."""

    route: Route
    found: tuple[Pair, ...]

    def serving(self, side: str) -> Pair | None:
        """Give what answers as `tuned` or `base`: the newest that is ready."""
        ready = [pair for pair in self.found if pair[1].serves == side and pair[1].is_ready]
        return max(ready, key=lambda pair: moment(pair[1].created), default=None)

    @property
    def first(self) -> str:
        """Say which side answers where none is named: the tuned one if there is one."""
        return "tuned" if self.serving("tuned") or not self.serving("base") else "base"

    def open(self, session: Session, side: str, system: str, options: Options) -> Conversation:
        """Open a conversation with a side.

        Raises:
            PrerequisiteError: it is not deployed; names the command.
        """
        pair = self.serving(side)
        if pair is None:
            raise PrerequisiteError(
                f"No managed deployment answers as the {side} model{_states(self.found, side)}.",
                hint=f"tunestack deploy{' --with-base' if side == 'base' else ''}"
                f" --stack {session.stack}",
            )
        return open_managed(pair, system, options)

    def told(self) -> str:
        """Name what stands, for a list; what does not answer yet with its state."""
        return ", ".join(
            hosted.name if hosted.is_ready else f"{hosted.name} ({hosted.state})"
            for _, hosted in self.found
        )


def managed_sides(session: Session) -> dict[str, ManagedSides]:
    """Give by route what managed deployments stand; routes with none are left out."""
    found = standing(session.cloud, session.outputs)
    routes = dict.fromkeys(hosting.route for hosting, _ in found)
    return {
        route: ManagedSides(route, tuple(pair for pair in found if pair[0].route == route))
        for route in routes
    }


def open_managed(pair: Pair, system: str = "", options: Options | None = None) -> Conversation:
    """Open a conversation with a managed deployment."""
    hosting, hosted = pair
    return converse(lambda: hosting.access(hosted), system=system, options=options)


def _states(found: Sequence[Pair], side: str) -> str:
    those = [f"{hosted.name} is {hosted.state}" for _, hosted in found if hosted.serves == side]
    return f" ({', '.join(those)})" if those else ""
