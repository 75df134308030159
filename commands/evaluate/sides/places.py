"""What a stack has that can be asked: read once, and only as far as the sides need it."""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from commands.evaluate.asked import Live
from commands.jobs.listing import moment
from commands.managed.choosing import managed_model
from commands.managed.undeploying import Pair, standing_in
from commands.session import Session
from core.refs import ModelRef
from deploy.access import Access
from deploy.endpoint import DeploymentState, EndpointState, find
from deploy.talking.asking import Line
from training.managed.contract import TunedModel, TuningService
from training.models import find_model

if TYPE_CHECKING:
    from collections.abc import Callable

WAITS = 30
"""How often one question waits for a busy side, a minute at most each time."""
MOST_WORKERS = 4
"""Questions at a time; few enough for one instance, enough to be done soon."""

OwnModel = dict[str, Any]
"""As `training.models.describe_model` gives it."""
Found = tuple[TuningService, TunedModel] | OwnModel
"""A model of either kind of route."""


@dataclass
class Places:
    """A stack, and what stands there."""

    session: Session

    @property
    def scope(self) -> str:
        """Tell this stack's workspace from all others: names of models are unique in it alone."""
        outputs = self.session.outputs
        parts = (outputs.subscription_id, outputs.resource_group, outputs.workspace)
        return "/".join(parts).lower()

    @property
    def on(self) -> str:
        """The end of a command for this stack."""
        return f"--stack {self.session.stack}"

    @cached_property
    def endpoint(self) -> EndpointState | None:
        """The stack's own endpoint; None where there is none."""
        return find(self.session.cloud, self.session.outputs)

    @cached_property
    def managed(self) -> tuple[Pair, ...]:
        """What stands at Azure's own services."""
        return tuple(standing_in(self.session))

    def model(self, wanted: ModelRef) -> Found:
        """Find a model of any route; the newest where no name is given.

        Raises:
            UserError: there is none.
        """
        found = managed_model(self.session, wanted)
        return found or self.own_model(wanted)

    def own_model(self, wanted: ModelRef) -> OwnModel:
        """Find a registered model.

        Raises:
            UserError: there is none.
        """
        return find_model(self.session.cloud, self.session.outputs, wanted)

    def deployed(self, model: str) -> DeploymentState | None:
        """Find what answers with a registered model: most of the traffic first, then the newest."""
        those = self.endpoint.deployments if self.endpoint else ()
        fits = [one for one in those if one.is_ready and one.model == model]
        return max(fits, key=lambda one: (one.traffic, one.created), default=None)

    def hosted(self, route: str, model: str, side: Any) -> Pair | None:
        """Find the newest deployment of a managed model, or of its base, that is ready."""
        fits = [
            pair
            for pair in self.managed
            if pair[0].route == route and pair[1].is_ready and pair[1].is_of(model, side)
        ]
        return newest(fits)


def newest(pairs: list[Pair]) -> Pair | None:
    """Give the managed deployment that was made last."""
    return max(pairs, key=lambda pair: moment(pair[1].created), default=None)


def live(opened: "Callable[[], Access]", deployment: str = "", workers: int = MOST_WORKERS) -> Live:
    """Give the way to a deployment; what opens it is read when the first question is asked."""
    first = cache(opened)
    return Live(lambda: Line(first(), deployment, reopen=opened, waits=WAITS), workers)
