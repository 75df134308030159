"""Whether a model has learned its data by heart: how much worse it is on what it has not seen.

Standard library only: this very file is copied into the upload of the training job, so that the
job's verdict and a gate judge by the same code.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

HEALTHY, MILD, MODERATE = 1.2, 1.5, 2.0
"""Validation loss over training loss: below the first it is healthy, above the last severe."""
BANDS = ("healthy", "mild", "moderate", "severe")
"""From the best to the worst."""
UNKNOWN = "cannot be told"
NEAR = 3
"""Points of the training loss that are taken together: one alone is noisy."""
FEWEST = 2
"""Evaluations after training began; fewer show no course."""

ADVICE = {
    "healthy": "Unseen data is answered about as well as the training data.",
    "mild": "Usual after several epochs; more data or fewer epochs would narrow the gap.",
    "moderate": "Train fewer epochs, or keep the best checkpoint (training.keep: best).",
    "severe": "The training data was learned by heart: add data, lower training.epochs or"
    " training.learning_rate, and keep the best checkpoint (training.keep: best).",
}


@dataclass(frozen=True)
class Verdict:
    """What the two losses say about the kept model."""

    band: str
    """`healthy`, `mild`, `moderate`, `severe` or `cannot be told`."""
    ratio: float | None
    """Validation loss over training loss at the kept step."""
    advice: str

    def as_dict(self) -> dict[str, Any]:
        """Give it as metrics.json holds it."""
        return asdict(self)

    def __str__(self) -> str:
        losses = "" if self.ratio is None else f" (validation / training loss {self.ratio:.2f})"
        return f"over-fit: {self.band}{losses}. {self.advice}"


def judge(
    curve: list[dict[str, Any]],
    evaluations: list[dict[str, Any]],
    kept_step: int,
    objective: str = "sft",
) -> Verdict:
    """Judge the model of `kept_step` by the training loss near it and its validation loss.

    Only losses per token are compared: a preference loss goes to zero by itself.
    """
    measured = [p for p in evaluations if p["step"] > 0]
    kept = [p["eval_loss"] for p in measured if p["step"] == kept_step]
    near = [p["loss"] for p in curve if p["step"] <= kept_step][-NEAR:]
    if objective != "sft":
        return Verdict(UNKNOWN, None, "A preference loss has no bands; compare the answers.")
    if len(measured) < FEWEST or not kept or not near:
        return Verdict(UNKNOWN, None, "Measure more often: set training.eval_steps.")
    found = ratio(kept[-1], sum(near) / len(near))
    if found is None:
        return Verdict(UNKNOWN, None, "A loss is zero, or no number.")
    advice = _worse_than_base(evaluations, kept[-1]) or ADVICE[band(found)]
    return Verdict(band(found), found, advice)


def _worse_than_base(evaluations: list[dict[str, Any]], kept: float) -> str:
    """Say so when the training made the model worse, whatever the ratio is."""
    before = [p["eval_loss"] for p in evaluations if p["step"] == 0]
    if not before or kept <= before[0]:
        return ""
    return (
        f"The base model was better on the validation file ({before[0]:.3f} against {kept:.3f}):"
        " lower training.learning_rate or training.epochs."
    )


def ratio(unseen: float, trained: float) -> float | None:
    """Divide the loss per token on unseen data by that on training data, to three digits.

    None where the training loss is none to divide by, or one is no number.
    """
    is_told = trained > 0 and math.isfinite(unseen) and math.isfinite(trained)
    return round(unseen / trained, 3) if is_told else None


def band(ratio: float | None) -> str:
    """Name the band of a ratio; `cannot be told` where there is none."""
    if ratio is None:
        return UNKNOWN
    if ratio < HEALTHY:
        return "healthy"
    if ratio < MILD:
        return "mild"
    return "moderate" if ratio <= MODERATE else "severe"


def is_within(found: str, worst: str) -> bool:
    """Tell whether a band is no worse than `worst`; one that cannot be told never is."""
    return found in BANDS and BANDS.index(found) <= BANDS.index(worst)
