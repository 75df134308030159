"""A stack as `sides.resolve` meets it, its lookups answered from lists: no Azure is asked."""

from dataclasses import dataclass, field
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from core.catalog import Source
from core.errors import UserError
from core.price_list import DEDICATED, PriceList, Quote
from core.refs import EndpointRef, ModelRef
from deploy.endpoint import DeploymentState, EndpointState
from deploy.managed.contract import Hosted
from training.kept_orders import DataAsset, KeptOrder, Place
from training.managed.contract import Checkpoint, ManagedJob, TunedModel
from training.models import Paid, is_export
from training.recipes import load_recipe

SIZE = "Standard_E4s_v3"
GPT = "gpt-4.1-mini-2025-04-14"
TUNED_GPT = f"{GPT}.ft-0e20-travel"


def registered(name: str, version: str, created: str, **tags: str) -> dict[str, Any]:
    told = {"job": f"{name}-job-{version}", "base": "tiny", "base_revision": "r1", **tags}
    return {"name": name, "version": version, "created": created, "path": "", "tags": told}


def deployed(name: str, model: str, traffic: int = 0, **known: Any) -> DeploymentState:
    state = known.pop("state", "Succeeded")
    created = known.pop("created", "2026-11-20T10:00:00+00:00")
    return DeploymentState(name, model, state, traffic, SIZE, 2, created=created, **known)


def hosted(name: str, model: str, serves: Any, **known: Any) -> Hosted:
    fields: dict[str, Any] = {
        "state": "Succeeded", "route": "openai", "sku": "GlobalStandard", "capacity": 50,
        "created": "2026-11-20T10:00:00Z", "per_hour": 1.7 if serves == "tuned" else 0.0,
    }  # fmt: skip
    return Hosted(name=name, model=model, serves=serves, **{**fields, **known})


def order(job: str, **known: Any) -> KeptOrder:
    recipe = load_recipe("rehearsal")
    data = {
        part: DataAsset(asset=f"azureml:tunestack-{part}:1", sha256=sha256, bytes=10)
        for part, sha256 in (("train", "t1"), ("validation", "v1"))
    }
    fields: dict[str, Any] = {
        "job": job, "submitted": "2026-11-20T09:00:00Z", "place": Place(run=job), "recipe": recipe,
        **data, "environment": "e:1", "cluster": "cpu", "device": "cpu", "timeout_hours": 1,
        "code_sha256": "c", "price_per_hour_usd": 0.25, "vm_size": SIZE,
    }  # fmt: skip
    return KeptOrder(**{**fields, **known})


class Service:
    """A tuning service with one job, its model and a checkpoint."""

    route = "openai"

    def __init__(self) -> None:
        self._job = ManagedJob("ftjob-1", "openai", "Completed", "succeeded", GPT, TUNED_GPT,
                               trained_tokens=2_000_000,
                               tags={"tier": "Standard", "data_sha256": "t9"})  # fmt: skip
        self._model = TunedModel(ModelRef(name=TUNED_GPT, version="1"), "openai", GPT,
                                 "2026-11-21T10:00:00Z", "ftjob-1", TUNED_GPT)  # fmt: skip

    def job(self, name: str) -> ManagedJob | None:
        return self._job if name == "ftjob-1" else None

    def models(self) -> list[TunedModel]:
        return [self._model]

    def checkpoints(self, name: str) -> list[Checkpoint]:
        return [Checkpoint(f"{TUNED_GPT}:ckpt-step-20", 20)]

    def curve(self, name: str) -> list[dict[str, float]]:
        return [{"step": 10, "train_loss": 1.0}, {"step": 20, "train_loss": 0.5},
                {"step": 20, "full_valid_loss": 1.2}]  # fmt: skip


@dataclass
class Stack:
    """What stands there; a test changes it before it resolves."""

    models: list[dict[str, Any]] = field(default_factory=list)
    deployments: list[DeploymentState] = field(default_factory=list)
    managed: list[tuple[Any, Hosted]] = field(default_factory=list)
    service: Service | None = None
    managed_is_newest: bool = False
    orders: dict[str, KeptOrder] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)
    checkpoints: list[int] = field(default_factory=list)
    report: bytes | None = None
    data: dict[str, bytes] = field(default_factory=dict)
    is_rehearsal: bool = False

    @property
    def session(self) -> Any:
        outputs = SimpleNamespace(
            subscription_id="s", resource_group="g", workspace="ml-dev", ai_account="ai-dev",
            project="", ai_project="p" if self.service else "",
        )  # fmt: skip
        return SimpleNamespace(
            stack="dev", cloud=None, outputs=outputs, is_rehearsal=self.is_rehearsal
        )

    def find_model(self, cloud: Any, outputs: Any, wanted: ModelRef) -> dict[str, Any]:
        for model in sorted(self.models, key=lambda one: one["created"], reverse=True):
            fits = model["name"] == wanted.name if wanted.name else not is_export(model)
            if fits and wanted.version in ("", model["version"]):
                return model
        raise UserError(f"There is no model {wanted}.", hint="tunestack models list")

    def managed_model(self, session: Any, wanted: ModelRef) -> Any:
        if self.service is None:
            return None
        model = self.service.models()[0]
        newest = not wanted.name and (self.managed_is_newest or not self.models)
        return (self.service, model) if newest or wanted.name == model.ref.name else None

    def find_managed_job(self, cloud: Any, outputs: Any, name: str) -> Any:
        job = self.service.job(name) if self.service else None
        return (self.service, job) if job else None

    def endpoint(self, cloud: Any, outputs: Any) -> EndpointState | None:
        ref = EndpointRef(name="ep-dev", scoring_url="https://ep-dev/score")
        return (
            EndpointState(ref, "Succeeded", tuple(self.deployments)) if self.deployments else None
        )

    def read_order(self, cloud: Any, outputs: Any, job: str) -> KeptOrder:
        if job not in self.orders:
            raise UserError(f"No order was kept for a job {job}.", hint="tunestack jobs list")
        return self.orders[job]

    def read_data(self, cloud: Any, outputs: Any, asset: str) -> bytes:
        if asset not in self.data:
            raise UserError(f"The data asset {asset} is not in the workspace any more.")
        return self.data[asset]

    def answers(self, patch: pytest.MonkeyPatch) -> "Stack":
        """Have every lookup of the sides answered by this."""
        source = Source("a test", "westeurope", date(2026, 11, 22))
        listed = PriceList("westeurope", {(SIZE.lower(), DEDICATED): Quote(0.3, source)})
        report = SimpleNamespace(read=lambda name: self.report)
        for name, instead in {
            "sides.places.find": self.endpoint,
            "sides.places.find_model": self.find_model,
            "sides.places.managed_model": self.managed_model,
            "sides.places.standing_in": lambda session: self.managed,
            "sides.resolving.find_managed_job": self.find_managed_job,
            "sides.own.read_order": self.read_order,
            "sides.own.find_job": lambda *given: SimpleNamespace(),
            "sides.own.whole_steps": lambda *given: self.checkpoints,
            "sides.own.output_folder": lambda *given: report,
            "sides.own.paid_for": lambda *given: Paid(4.0, "two jobs"),
            "sides.own.model_folder": lambda *given: None,
            "sides.own.model_manifest": lambda folder: self.manifest,
            "sides.managed.services": lambda *given: [self.service],
            "held_out.services": lambda *given: [self.service],
            "held_out.find_order": lambda cloud, outputs, job: self.orders.get(job),
            "held_out.read_data": self.read_data,
            "sides.prices.find_order": lambda cloud, outputs, job: self.orders.get(job),
            "sides.prices.job_cost": lambda *given: SimpleNamespace(hours=lambda now: 2.0),
            "sides.prices.pricing.price_list": lambda *given: listed,
        }.items():
            patch.setattr(f"commands.evaluate.{name}", instead)
        return self
