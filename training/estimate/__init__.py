"""What a training run will need and cost, said before it is sent: memory, hours, USD by VM size.

    from training.estimate import DataSize, of_run

    found = of_run(recipe, DataSize(rows=5000, bytes=2_600_000), prices=pricing.price_list(session))
    found.best          # the cheapest offer that fits, or None
    found.tokens.total  # tokens that the training reads, over all epochs

Memory follows from the model's real shapes and from what the job keeps (training/job/); it was held
against measurements on CPUs. Speed is an assumption, low to high, until a job of the same kind
has been measured (`Measured`): no figure here comes from a GPU of ours.
"""

from training.estimate.measured import Measured
from training.estimate.memory import Memory
from training.estimate.offers import Estimate, Fit, Offer, of_run
from training.estimate.shapes import Shape, ShapeUnknown, shape_of
from training.estimate.work import DataSize, Range, Tokens

__all__ = [
    "DataSize",
    "Estimate",
    "Fit",
    "Measured",
    "Memory",
    "Offer",
    "Range",
    "Shape",
    "ShapeUnknown",
    "Tokens",
    "of_run",
    "shape_of",
]
