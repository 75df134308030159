"""What a run takes on each VM size: whether it fits, how long it lasts, what it costs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from core.catalog import VM_SIZES, VmSize, vm_size
from core.price_list import DEDICATED, LOW_PRIORITY, PriceList, Quote, shipped
from core.recipe import Recipe
from training.estimate.fixes import fixes
from training.estimate.measured import Measured
from training.estimate.memory import GIB, Memory, device_of, memory_of
from training.estimate.shapes import Shape, shape_of
from training.estimate.speed import seconds_of
from training.estimate.work import DataSize, Range, Tokens, tokens_of

USABLE = {"gpu": 0.97, "cpu": 0.90}
"""Of a GPU's memory, what its driver leaves; of a node's, what the system and Azure's agent do."""
UNCALIBRATED = "not calibrated on this GPU: no job of this kind has been measured"


class Fit(StrEnum):
    """Whether a run fits into a processor's memory."""

    YES = "fits"
    TIGHT = "tight"
    """The least that it may take fits, the most does not."""
    NO = "does not fit"


@dataclass(frozen=True)
class Offer:
    """A VM size for a run."""

    vm_size: str
    priority: str
    processors: str
    """What of the size the run uses, as a person reads it: `1 of 2 A100`."""
    memory: Memory
    capacity: int
    """Bytes that one process may use."""
    fit: Fit
    hours: Range
    """From the submission to the model."""
    quote: Quote | None
    nodes: int
    fixes: tuple[str, ...]
    """Changes to the recipe with which it would fit, as `--set` takes them."""
    basis: str
    """Where the speed comes from."""

    @property
    def price(self) -> Range | None:
        """USD of the whole run; None where the price is not known."""
        return self.hours.times(self.quote.per_hour * self.nodes) if self.quote else None

    def document(self) -> dict[str, Any]:
        """Give it JSON-ready."""
        return {
            "vm_size": self.vm_size,
            "priority": self.priority,
            "processors": self.processors,
            "fit": str(self.fit),
            "memory": self.memory.document(),
            "capacity": self.capacity,
            "hours": asdict(self.hours),
            "usd": asdict(self.price) if self.price else None,
            "usd_per_hour": self.quote.per_hour if self.quote else None,
            "price_source": str(self.quote.source) if self.quote else None,
            "fixes": list(self.fixes),
            "basis": self.basis,
        }


@dataclass(frozen=True)
class Estimate:
    """What a run will need, on every size that was asked about, the cheapest first."""

    recipe: str
    shape: Shape
    tokens: Tokens
    offers: tuple[Offer, ...]

    @property
    def best(self) -> Offer | None:
        """The cheapest offer that surely fits; None where none does, or none has a price."""
        return next((one for one in self.offers if one.fit is Fit.YES and one.price), None)

    def on(self, vm_size: str, priority: str = DEDICATED) -> Offer | None:
        """Look a size's offer up, in any case."""
        return next(
            (
                one
                for one in self.offers
                if one.vm_size.lower() == vm_size.lower() and one.priority == priority
            ),
            None,
        )

    def document(self) -> dict[str, Any]:
        """Give it JSON-ready."""
        best = self.best
        return {
            "recipe": self.recipe,
            "parameters": self.shape.parameters,
            "shape": asdict(self.shape),
            "tokens": asdict(self.tokens),
            "best": {"vm_size": best.vm_size, "priority": best.priority} if best else None,
            "offers": [offer.document() for offer in self.offers],
        }


def of_run(
    recipe: Recipe,
    train: DataSize,
    validation: DataSize | None = None,
    *,
    prices: PriceList | None = None,
    sizes: Sequence[str] | None = None,
    shape: Shape | None = None,
    measured: Sequence[Measured] = (),
    today: date | None = None,
) -> Estimate:
    """Estimate a run of a recipe on VM sizes; nothing is sent but a question to the hub.

    `prices` are those of core/price_list.py or core/retail_prices.py, without them the shipped
    ones; `sizes` are the sizes to look at, without them all of the catalog that are not retired;
    `measured` are jobs of the same kind, each of which rules its own size's speed.

    Raises:
        ShapeUnknown: nobody knows the base model's shapes.
    """
    known = shape or shape_of(recipe.base)
    wanted = _sizes(sizes, today)
    listed = prices or shipped("eastus", [size.name for size in wanted])
    tokens = tokens_of(recipe, train, validation)
    by_size = {one.vm_size.lower(): one for one in reversed(measured)}
    offers = [
        _offer(recipe, known, size, tokens, train, by_size.get(size.name.lower()), quote, priority)
        for size in wanted
        for priority, quote in _quotes(listed, size.name)
    ]
    return Estimate(recipe.name, known, tokens, tuple(sorted(offers, key=_order)))


def _sizes(names: Sequence[str] | None, today: date | None) -> list[VmSize]:
    if names is not None:
        found = [vm_size(name) for name in dict.fromkeys(names)]
        return [size for size in found if size is not None]
    return [size for size in VM_SIZES if size.retired is None or (today and size.retired > today)]


def _quotes(listed: PriceList, name: str) -> list[tuple[str, Quote | None]]:
    """Give dedicated nodes, and low-priority ones where their price is known."""
    low = listed.vm(name, LOW_PRIORITY)
    dedicated: list[tuple[str, Quote | None]] = [(DEDICATED, listed.vm(name))]
    return [*dedicated, (LOW_PRIORITY, low)] if low else dedicated


def _offer(
    recipe: Recipe,
    shape: Shape,
    size: VmSize,
    tokens: Tokens,
    data: DataSize,
    measured: Measured | None,
    quote: Quote | None,
    priority: str,
) -> Offer:
    memory, capacity, fit = fit_of(recipe, shape, size, data, measured)
    return Offer(
        vm_size=size.name,
        priority=priority,
        processors=_processors(recipe, size),
        memory=memory,
        capacity=capacity,
        fit=fit,
        hours=seconds_of(recipe, shape, size, tokens, data, measured).times(1 / 3600),
        quote=quote,
        nodes=recipe.training.nodes,
        fixes=fixes(recipe, shape, size, data) if fit is not Fit.YES else (),
        basis=f"as {measured.job} ran" if measured else UNCALIBRATED,
    )


def fit_of(
    recipe: Recipe,
    shape: Shape,
    size: VmSize,
    data: DataSize | None = None,
    measured: Measured | None = None,
) -> tuple[Memory, int, Fit]:
    """Hold what a process needs against what it may use."""
    memory = memory_of(recipe, shape, device_of(size), data)
    capacity = capacity_of(size, recipe.training.processes)
    low, high = memory.low, memory.high
    if measured is not None and measured.peak_memory:
        low = high = float(measured.peak_memory)
    if size.gpus and recipe.training.processes > size.gpus:
        return memory, capacity, Fit.NO
    if high <= capacity:
        return memory, capacity, Fit.YES
    return memory, capacity, Fit.TIGHT if low <= capacity else Fit.NO


def capacity_of(size: VmSize, processes: int) -> int:
    """Give the bytes that one process may use: a GPU's, or its part of a node's."""
    if size.gpus:
        return int(size.gpu_memory_gib * GIB * USABLE["gpu"])
    return int(size.memory_gib * GIB * USABLE["cpu"] / processes)


def _processors(recipe: Recipe, size: VmSize) -> str:
    count = recipe.training.processes
    if not size.gpus:
        return f"{size.vcpus} virtual cores"
    return f"{count} of {size.gpus} {size.gpu}" if size.gpus > 1 else f"{size.gpus} {size.gpu}"


def _order(offer: Offer) -> tuple[int, float, float]:
    """Put what fits first, then what is cheap, then what is fast."""
    rank = {Fit.YES: 0, Fit.TIGHT: 1, Fit.NO: 2}[offer.fit]
    price = offer.price
    return rank, price.high if price else float("inf"), offer.hours.high
