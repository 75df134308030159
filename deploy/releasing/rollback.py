"""The way back: to the deployment that answered before, or to its model where it is gone.

Where the former one still stands it gets all traffic at once. Where it was removed it is made
again, as the endpoint's history has it. A tag says meanwhile what is being left, so that the same
command, given again after an interruption, goes on in the same direction.
"""

from collections.abc import Callable
from dataclasses import dataclass

from core.cloud import Cloud
from core.refs import StackOutputs
from deploy.endpoint import DeploymentState, EndpointState, change
from deploy.releasing import history
from deploy.releasing.deployment import Deployments
from deploy.releasing.order import DeployOrder
from deploy.releasing.traffic import WHOLE, move
from deploy.upkeep.autoscale import drop_orphans, settle_scaling

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Way:
    """How an endpoint goes back; either `to` or `former` is given."""

    leaves: DeploymentState | None
    """What goes; None where an interrupted rollback has removed it already."""
    to: DeploymentState | None = None
    """What stands and gets all traffic."""
    former: history.Former | None = None
    """What is made again."""
    is_along_history: bool = False
    """It uses an entry of the history up, which a canary's end does not."""

    def order(self, *, keep: bool) -> DeployOrder:
        """Write the order that makes the former one again."""
        assert self.former is not None
        former = self.former
        return DeployOrder(
            former.model,
            former.vm_size,
            runtime=former.runtime,
            instances=former.instances,
            keep=keep,
            is_rollback=True,
        )


def way_back(state: EndpointState) -> Way | None:
    """Find what to go back to; None where there is nothing."""
    if history.LEAVING in state.tags:
        return _resumed(state, state.named(state.tags[history.LEAVING]))
    tuned, live = state.tuned, state.live
    if not tuned or live is None:
        return None
    newest = tuned[-1]
    if newest.traffic < WHOLE:
        ready = [item for item in tuned[:-1] if item.is_ready]
        to = max(ready, key=lambda item: item.traffic, default=None)
        return Way(newest, to) if to and to.traffic else None
    return _along_history(state, newest)


def is_there(way: Way) -> bool:
    """Say whether all traffic is where the way leads, and only leftovers are to be removed."""
    return way.to is not None and way.to.traffic == WHOLE


def begin(cloud: Cloud, outputs: StackOutputs, way: Way) -> None:
    """Note what is being left, before a former deployment is made again."""
    if way.leaves is not None:
        tags: history.Tags = {history.LEAVING: way.leaves.name}
        change(cloud, outputs, "note the rollback", tags=tags)


def finish(cloud: Cloud, outputs: StackOutputs) -> None:
    """Take the note off."""
    change(cloud, outputs, "end the rollback", tags={history.LEAVING: None})


def go_back(
    cloud: Cloud,
    outputs: StackOutputs,
    state: EndpointState,
    way: Way,
    *,
    keep: bool,
    progress: Progress = lambda _: None,
) -> None:
    """Give the deployment that stands all traffic, and remove the newer one unless it is kept.

    Raises:
        UserError, DeploymentFailed: it is not ready or does not answer; nothing was changed.
        CloudError: Azure refused.
    """
    to, leaves = way.to, way.leaves
    assert to is not None
    removed = leaves is not None and not keep
    if not is_there(way):
        tags = history.popped(state.tags, to) if way.is_along_history else history.Tags()
        tags[history.LEAVING] = leaves.name if leaves is not None and removed else None
        move(cloud, outputs, state, {to.name: WHOLE}, tags=tags, progress=progress)
        progress(f"All traffic goes to {to.name}.")
    if leaves is not None:
        settle_scaling(
            cloud.arm, outputs, state.ref.name, to.name, leaves.name,
            low=None, high=None, progress=progress,
        )  # fmt: skip
    if leaves is not None and removed:
        progress(f"Removing {leaves.name}, which has no traffic any more.")
        Deployments(cloud.workspace(outputs), state.ref.name, progress).delete(leaves.name)
        drop_orphans(cloud.arm, outputs, state.ref.name)
    if removed or history.LEAVING in state.tags:
        finish(cloud, outputs)


def _resumed(state: EndpointState, leaves: DeploymentState | None) -> Way | None:
    """Go on with a rollback that was interrupted."""
    if state.live is not None and (leaves is None or not leaves.traffic):
        return Way(leaves, state.live)
    return _along_history(state, leaves) if leaves is not None else None


def _along_history(state: EndpointState, leaves: DeploymentState) -> Way | None:
    entries = history.read(state.tags)
    if not entries:
        return None
    standing = [
        item
        for item in state.tuned
        if item.name != leaves.name and item.is_ready and entries[0].is_of(item)
    ]
    if standing:
        return Way(leaves, standing[-1], is_along_history=True)
    return Way(leaves, former=entries[0], is_along_history=True)
