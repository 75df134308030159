"""How far a model over-fits, told from its two losses."""

import job_runs  # noqa: F401  (puts the job's folder on the path)
import pytest
from overfit import UNKNOWN, judge


def points(name: str, *values: tuple[int, float]) -> list[dict[str, float]]:
    return [{"step": step, name: value} for step, value in values]


@pytest.mark.parametrize(
    ("validation", "band"),
    [
        (0.90, "healthy"),
        (1.19, "healthy"),
        (1.20, "mild"),
        (1.49, "mild"),
        (1.50, "moderate"),
        (2.00, "moderate"),
        (2.01, "severe"),
        (9.00, "severe"),
    ],
)
def test_the_ratio_of_the_losses_decides_the_band(validation: float, band: str) -> None:
    curve = points("loss", (10, 4.0), (18, 1.1), (19, 1.0), (20, 0.9))
    evaluations = points("eval_loss", (0, 9.5), (10, 3.0), (20, validation))
    verdict = judge(curve, evaluations, 20)
    assert (verdict.band, verdict.ratio) == (band, validation)
    assert (
        verdict.advice
        and f"over-fit: {band}" in str(verdict)
        and f"{validation:.2f}" in str(verdict)
    )


def test_the_kept_step_is_judged_and_not_the_last_one() -> None:
    curve = points("loss", (8, 2.0), (9, 2.0), (10, 2.0), (18, 0.1), (19, 0.1), (20, 0.1))
    evaluations = points("eval_loss", (10, 2.2), (20, 3.0))
    assert judge(curve, evaluations, 10).band == "healthy"
    assert judge(curve, evaluations, 20).band == "severe"


def test_a_model_worse_than_its_base_is_told_so_whatever_the_ratio() -> None:
    curve = points("loss", (10, 3.0), (20, 3.0))
    evaluations = points("eval_loss", (0, 2.5), (10, 3.1), (20, 3.2))
    verdict = judge(curve, evaluations, 20)
    assert verdict.band == "healthy"
    assert "base model was better" in verdict.advice and "2.500 against 3.200" in verdict.advice


@pytest.mark.parametrize(
    ("curve", "evaluations", "step", "objective"),
    [
        ([], points("eval_loss", (5, 1.0), (10, 1.0)), 10, "sft"),
        (points("loss", (10, 1.0)), [], 10, "sft"),
        (points("loss", (10, 1.0)), points("eval_loss", (0, 2.0), (10, 1.0)), 10, "sft"),
        (points("loss", (10, 1.0)), points("eval_loss", (4, 1.0), (8, 1.0)), 10, "sft"),
        (points("loss", (10, 0.0)), points("eval_loss", (5, 1.0), (10, 1.0)), 10, "sft"),
        (points("loss", (10, 1.0)), points("eval_loss", (5, 1.0), (10, 1.0)), 10, "dpo"),
    ],
)
def test_what_cannot_be_told_is_not_told(
    curve: list[dict[str, float]], evaluations: list[dict[str, float]], step: int, objective: str
) -> None:
    verdict = judge(curve, evaluations, step, objective)
    assert verdict.band == UNKNOWN and verdict.ratio is None and verdict.advice


def test_a_loss_that_is_no_number_has_no_band() -> None:
    curve = points("loss", (18, 1.0), (19, 1.0), (20, 1.0))
    broken = points("eval_loss", (10, 1.1), (20, float("nan")))
    assert judge(curve, broken, 20).band == UNKNOWN
