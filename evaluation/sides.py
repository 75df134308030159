"""Who answers: what is told of a side, what decides its answers, and what it costs."""

from functools import cached_property
from typing import Literal

from pydantic import Field

from evaluation.cases import fingerprint
from evaluation.record import Record

Where = Literal["node", "endpoint", "file"]


class Price(Record):
    """What a side costs; None where nobody can say. USD, list prices."""

    training_usd: float | None = None
    """What its training has cost (or was charged for)."""
    training_source: str = ""
    per_hour_usd: float | None = None
    """Of what answers: all instances of a deployment, or a managed model's hosting."""
    input_usd_per_million: float | None = None
    output_usd_per_million: float | None = None
    """Of tokens, where tokens are billed."""
    source: str = ""
    """Whose prices these are, and of which day."""


class Overfit(Record):
    """What the training said of over-fit: validation loss over training loss, and its band."""

    ratio: float | None = None
    band: str = ""
    """As core/overfit.py names it: healthy, mild, moderate, severe, or cannot be told."""


class Side(Record):
    """One of the models that are compared, at one place where it answers."""

    name: str
    """As the person named it and tables show it; unique in an evaluation."""
    model: str = ""
    """`name:version` of a registered or managed model, a checkpoint's name, or the base's id."""
    role: Literal["base", "tuned", "checkpoint", "other"] = "other"
    route: str = ""
    """azureml, serverless or openai; empty where it is none of the stack's."""
    where: Where = "endpoint"
    """A node of the cluster (text and losses), an endpoint (text and latency), or saved answers."""
    identity: dict[str, str] = Field(default_factory=dict)
    """All that decides its answers: model version or hash, deployment, runtime."""
    price: Price = Price()
    overfit: Overfit | None = None

    @cached_property
    def key(self) -> str:
        """16 hex digits of what decides its answers; under it they are kept."""
        return fingerprint({"where": self.where, **self.identity})
