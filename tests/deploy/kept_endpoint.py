"""An endpoint in memory that holds whoever changes it to the promises, call by call.

It plays the operations of azure-ai-ml that a deploy uses. A change that would be an outage, a new
key or a lost address is an AssertionError there and then; and it can be told to break off, as a
killed program would, right before or right after any call has had its effect.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from core.errors import DeploymentFailed
from core.refs import StackOutputs


class Killed(BaseException):
    """The program is gone."""


def outputs() -> StackOutputs:
    needed = [name for name, field in StackOutputs.model_fields.items() if field.is_required()]
    return StackOutputs(**{**dict.fromkeys(needed, "x"), "workspace": "mlw-dev"})


@dataclass
class KeptEndpoint:
    """The endpoint, its deployments, and what was asked of them."""

    endpoint: Any = None
    deployments: dict[str, Any] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    mute: set[str] = field(default_factory=set)
    """Models that get ready and then do not answer."""
    broken: set[str] = field(default_factory=set)
    """Models that never get ready."""
    kill_at: int | None = None
    kills_after: bool = False
    refuse_delete: bool = False
    model_tags: dict[str, dict[str, str]] = field(default_factory=dict)
    clock: datetime = datetime(2026, 11, 22, tzinfo=UTC)

    # What a Cloud gives: the client is this object, too.
    def workspace(self, _: StackOutputs) -> "KeptEndpoint":
        return self

    @property
    def arm(self) -> Any:
        nothing: Callable[..., Any] = lambda *_: []  # noqa: E731
        return SimpleNamespace(get=lambda *_: None, get_list=nothing, delete=nothing)

    @property
    def online_endpoints(self) -> Any:
        return SimpleNamespace(get=self._get_endpoint, begin_create_or_update=self._put_endpoint,
                               get_keys=lambda _: SimpleNamespace(primary_key="k1"))  # fmt: skip

    @property
    def online_deployments(self) -> Any:
        return SimpleNamespace(
            get=self._get, list=lambda _: list(self.deployments.values()), get_logs=self._logs,
            begin_create_or_update=self._put, begin_delete=self._delete,
        )  # fmt: skip

    @property
    def environments(self) -> Any:
        return SimpleNamespace(get=lambda *_: None)

    @property
    def models(self) -> Any:
        def get(name: str, version: str) -> Any:
            if name == "nothing":
                raise ResourceNotFoundError("no such model")
            return SimpleNamespace(tags=self.model_tags.get(name, {}))

        return SimpleNamespace(get=get)

    def require_answer(self, access: Any, name: str, runtime: str = "") -> None:
        """Stand in for `deploy.releasing.health.require_answer`: the deployment is asked."""
        self._count(f"ask {name}")
        deployment = self.deployments[name]
        assert deployment.provisioning_state == "Succeeded", f"{name} was asked before it is ready"
        if deployment.tags["model"].partition(":")[0] in self.mute:
            raise DeploymentFailed(f"{name} does not answer")
        self.answered.add(name)

    @property
    def shares(self) -> dict[str, int]:
        return dict(self.endpoint.traffic) if self.endpoint else {}

    @property
    def models_served(self) -> dict[str, int]:
        """Percent by model."""
        return {self.deployments[name].tags["model"]: part for name, part in self.shares.items()}

    @property
    def standing(self) -> list[str]:
        return sorted(item.tags["model"] for item in self.deployments.values())

    def _count(self, call: str, effect: Callable[[], Any] = lambda: None) -> Any:
        self.calls.append(call)
        is_now = self.kill_at is not None and len(self.calls) == self.kill_at
        if is_now and not self.kills_after:
            raise Killed(call)
        result = effect()
        if is_now:
            raise Killed(call)
        return result

    def _get_endpoint(self, name: str) -> Any:
        if self.endpoint is None:
            raise ResourceNotFoundError("no such endpoint")
        traffic = {**dict.fromkeys(self.deployments, 0), **self.endpoint.traffic}
        return SimpleNamespace(
            name=name, traffic=traffic, tags=dict(self.endpoint.tags), scoring_uri="https://ep/score",
            auth_mode=self.endpoint.auth_mode, provisioning_state="Succeeded",
        )  # fmt: skip

    def _put_endpoint(self, sent: Any) -> Any:
        return self._count(f"put endpoint {sent.traffic}", lambda: self._take_endpoint(sent))

    def _take_endpoint(self, sent: Any) -> Any:
        traffic = {name: part for name, part in sent.traffic.items() if part}
        assert sum(traffic.values()) in (0, 100)
        assert not self.shares or traffic, "an outage: the traffic is taken from everyone"
        for name in traffic:
            assert name in self.deployments, f"traffic for {name}, which is not there"
            state = self.deployments[name].provisioning_state
            assert state == "Succeeded", f"traffic for {name}, which is {state}"
            assert name in self.answered, f"traffic for {name}, which was not asked"
        if self.endpoint is not None:
            assert sent.auth_mode == self.endpoint.auth_mode
            assert sent.tags.get("someone") == self.endpoint.tags.get("someone"), "a tag is lost"
        assert all(len(value) <= 250 for value in sent.tags.values())
        self.changes.append("endpoint")
        self.endpoint = SimpleNamespace(
            traffic=traffic, tags=dict(sent.tags), auth_mode=sent.auth_mode
        )
        return _done(None)

    def _get(self, name: str, _: str) -> Any:
        if name not in self.deployments:
            raise ResourceNotFoundError("no such deployment")
        found = self.deployments[name]
        if found.provisioning_state == "Creating":  # a killed program does not stop Azure
            found.provisioning_state = "Succeeded"
        return found

    def _put(self, sent: Any) -> Any:
        return self._count(f"put {sent.tags['model']}", lambda: self._take(sent))

    def _take(self, sent: Any) -> Any:
        before = self.deployments.get(sent.name)
        if before is None:
            self.clock += timedelta(minutes=1)
        made = before.creation_context.created_at if before else self.clock
        stored = SimpleNamespace(
            name=sent.name, tags=dict(sent.tags), instance_type=sent.instance_type,
            instance_count=sent.instance_count, provisioning_state="Creating",
            creation_context=SimpleNamespace(created_at=made), sent=sent,
        )  # fmt: skip
        is_broken = sent.tags["model"].partition(":")[0] in self.broken
        self.deployments[sent.name] = stored
        self.changes.append(f"deployment {sent.tags['model']}")

        def result() -> None:
            stored.provisioning_state = "Failed" if is_broken else "Succeeded"
            if is_broken:
                raise HttpResponseError("User container has crashed or terminated")

        return _done(lambda: self._count(f"wait {sent.tags['model']}", result))

    def _delete(self, name: str, _: str) -> Any:
        return self._count(f"delete {name}", lambda: self._drop(name))

    def _drop(self, name: str) -> Any:
        assert not self.shares.get(name), f"an outage: {name} is deleted with traffic"
        if self.refuse_delete:
            raise HttpResponseError("busy")
        if name not in self.deployments:
            raise ResourceNotFoundError("no such deployment")
        del self.deployments[name]
        self.answered.discard(name)
        self.changes.append("delete")
        return _done(None)

    def _logs(self, name: str, endpoint: str, lines: int, container_type: str) -> str:
        if container_type == "storage-initializer":
            return ""
        return "loading\nUnusableModel: Expected one folder with tunestack.json\n"


def _done(result: Callable[[], Any] | None) -> Any:
    return SimpleNamespace(result=result or (lambda: None))
