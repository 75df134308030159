"""A new model takes the old one's place: started beside it, asked, and only then given traffic.

At no moment does a deployment take traffic that is not ready or has not answered. Killed anywhere,
the same order goes on from what is there: nothing is kept of it but what Azure has.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from core.azure_errors import operation
from core.cloud import Cloud
from core.environments import ensure_environment
from core.errors import DeploymentFailed, UserError
from core.refs import EndpointRef, ModelRef, StackOutputs
from deploy.access import open_access
from deploy.endpoint import (
    EndpointState,
    change,
    ensure_endpoint,
    find,
    require,
    require_auth,
)
from deploy.environment import SERVING
from deploy.memory import parameters_of, weights_gb
from deploy.releasing import health, history
from deploy.releasing.deployment import Deployments, Plan
from deploy.releasing.order import DeployOrder
from deploy.runtimes import choose, stage
from deploy.upkeep.alerts import watch
from deploy.upkeep.autoscale import drop_orphans, settle_scaling

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

Progress = Callable[[str], None]
Plans = Callable[[ModelRef, Literal["tuned", "base"]], Plan]


def deploy(
    cloud: Cloud,
    outputs: StackOutputs,
    order: DeployOrder,
    *,
    progress: Progress = lambda _: None,
    program: Path = SERVING,
) -> EndpointRef:
    """Serve a registered model on the stack's endpoint, as ordered, and give the address.

    What is there already is kept: the same order again changes nothing.

    Raises:
        UserError: there is no such model.
        SettingsError: runtime, size or authentication do not fit; nothing was changed.
        DeploymentFailed: it did not get healthy or does not answer; what served before still does.
        CloudError: Azure refused.
    """
    return Rollout(cloud, outputs, progress, program).run(order)


@dataclass(frozen=True)
class Rollout:
    """One stack's endpoint, on which orders are carried out."""

    cloud: Cloud
    outputs: StackOutputs
    progress: Progress
    program: Path = SERVING

    def run(self, order: DeployOrder) -> EndpointRef:
        """Carry an order out, as `deploy` says."""
        for model in filter(None, (order.model, order.base)):
            choose(order.runtime if model == order.model else "", self._tags(model), order.vm_size)
        require_auth(find(self.cloud, self.outputs), order.auth)
        name = ensure_endpoint(self.cloud, self.outputs, self.progress, order.auth)
        watch(self.cloud.arm, self.outputs, name, self.progress)
        deployments = Deployments(self._client, name, self.progress)
        with self._plans(order) as plan:
            self._serve(order, plan(order.model, "tuned"), deployments)
            if order.base is not None:
                self._serve_base(plan(order.base, "base"), deployments)
        drop_orphans(self.cloud.arm, self.outputs, name)
        return self._state().ref

    def _serve(self, order: DeployOrder, plan: Plan, deployments: Deployments) -> None:
        deployments.ensure(plan)
        state = self._state()
        self._scale(order, plan.name, state)
        wanted = shares_after(state, plan.name, order.canary)
        if wanted != state.shares:
            self._require_answer(plan, deployments)
            self.progress(f"{plan.name} has answered; {told_shares(wanted, plan.name)}.")
            tags = _tags_after(state, wanted, plan.name, order)
            change(
                self.cloud, self.outputs, "move the endpoint's traffic", traffic=wanted, tags=tags
            )
        self._clear(deployments, "tuned", wanted, keeps=order.keep)

    def _scale(self, order: DeployOrder, name: str, state: EndpointState) -> None:
        live = state.live.name if state.live else ""
        settle_scaling(
            self.cloud.arm, self.outputs, state.ref.name, name, live,
            low=order.instances, high=order.max_instances, progress=self.progress,
        )  # fmt: skip

    def _serve_base(self, plan: Plan, deployments: Deployments) -> None:
        """Bring the base model up beside the tuned one; it takes no traffic."""
        stood = self._state().named(plan.name)
        deployments.ensure(plan)
        if stood is None or not stood.is_ready:
            self._require_answer(plan, deployments)
            self.progress(f"{plan.name} has answered: the base model, without traffic.")
        self._clear(deployments, "base", {plan.name: 0}, keeps=False)

    def _require_answer(self, plan: Plan, deployments: Deployments) -> None:
        access = open_access(self.cloud, self.outputs, self._state().ref)
        try:
            health.require_answer(access, plan.name, plan.runtime.name)
        except DeploymentFailed as error:
            if self._state().shares.get(plan.name):
                raise
            raise deployments.give_up(plan.name, error) from error

    def _clear(
        self, deployments: Deployments, side: str, wanted: Mapping[str, int], *, keeps: bool
    ) -> None:
        """Remove what has no traffic and no use any more: each one costs as long as it stands."""
        for item in self._state().deployments:
            is_kept = item.name in wanted or item.traffic or (keeps and item.is_ready)
            if item.serves == side and not is_kept:
                self.progress(f"Removing {item.name}, which has no traffic any more.")
                deployments.delete(item.name)

    @contextmanager
    def _plans(self, order: DeployOrder) -> Iterator[Plans]:
        """Give what plans a deployment; what it stages stays until the end."""
        with tempfile.TemporaryDirectory() as work:
            yield lambda model, serves: self._plan(order, model, serves, Path(work))

    def _plan(
        self, order: DeployOrder, model: ModelRef, serves: Literal["tuned", "base"], work: Path
    ) -> Plan:
        tags = self._tags(model)
        runtime = choose(order.runtime if serves == "tuned" else "", tags, order.vm_size)
        place = work / serves
        place.mkdir()
        staged = stage(runtime, order.vm_size, place, self.program)
        environment = (
            ensure_environment(self.cloud, self.outputs, staged.environment)
            if staged.environment is not None
            else ""
        )
        plan = Plan(
            model=model,
            vm_size=order.vm_size,
            environment=environment,
            code=staged.code,
            code_digest=staged.code_digest,
            runtime=runtime,
            serves=serves,
            weights_gb=weights_gb(parameters_of(tags), runtime.name, order.vm_size),
        )
        state = self._state()
        count = order.count(state, state.named(plan.name)) if serves == "tuned" else 1
        return replace(plan, instances=count)

    def _state(self) -> EndpointState:
        return require(find(self.cloud, self.outputs), "of the stack")

    @property
    def _client(self) -> "MLClient":
        return self.cloud.workspace(self.outputs)

    def _tags(self, model: ModelRef) -> dict[str, str]:
        from azure.core.exceptions import ResourceNotFoundError

        with operation(f"read the model {model}"):
            try:
                found = self._client.models.get(model.name, model.version)
            except ResourceNotFoundError as error:
                hint = "tunestack models list"
                raise UserError(f"There is no model {model}.", hint=hint) from error
        return dict(found.tags or {})


def shares_after(state: EndpointState, name: str, canary: int | None) -> dict[str, int]:
    """Share the traffic once `name` is ready: all of it, or a part beside what has most now."""
    others = {key: share for key, share in state.shares.items() if key != name}
    if canary is None or not others:
        return {name: 100}
    keeper = max(others, key=lambda key: others[key])
    return {key: share for key, share in ((name, canary), (keeper, 100 - canary)) if share}


def told_shares(shares: Mapping[str, int], name: str) -> str:
    """Say what a deployment gets."""
    share = shares.get(name, 0)
    if share == 100:
        return "all traffic goes to it now"
    others = ", ".join(f"{key} {part} %" for key, part in shares.items() if key != name)
    return f"it gets {share} % of the traffic, {others}"


def _tags_after(
    state: EndpointState, wanted: Mapping[str, int], name: str, order: DeployOrder
) -> history.Tags:
    """Note what gave its place up, in the request that takes it."""
    if order.is_rollback:
        now = state.named(name)
        return history.popped(state.tags, now) if now else {}
    others = [item for item in state.deployments if item.traffic and item.name != name]
    former = max(others, key=lambda item: item.traffic, default=None)
    tags: history.Tags = {history.LEAVING: None}
    if wanted == {name: 100} and former is not None:
        tags |= history.pushed(state.tags, former)
    return tags
