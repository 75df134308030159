"""What should make no difference makes none: how a batch is split, and what chance does."""

import re
from pathlib import Path
from typing import Any

import pytest
import train as program
from job_runs import arguments, conversations, recipe

STEPS = {"max_steps": 5, "logging_steps": 1, "warmup": 0.2}
DROPPING = {"rank": 4, "dropout": 0.5}
TIMED = re.compile("runtime|per_second")
BY_TOKEN = {"eval_mean_token_accuracy", "eval_entropy"}
"""What TRL measures of pairs as a mean over their tokens; weighed by pairs it is near enough."""


def uneven(count: int = 13) -> list[dict[str, Any]]:
    """Make conversations of very different lengths; 13 leave a rest in batches of eight."""
    records = conversations(count)
    for number, record in enumerate(records):
        record["messages"][-1]["content"] += " And so on." * (number * number % 11)
    return records


def pairs(count: int = 13) -> list[dict[str, Any]]:
    """Make preferences of different lengths: the true answer rather than a stranger's."""
    records = []
    for record in uneven(count):
        *prompt, answer = record["messages"]
        other = {"role": "assistant", "content": "Nobody can know that."}
        records.append({"prompt": prompt, "chosen": [answer], "rejected": [other]})
    return records


def learned(
    folder: Path, records: list[dict[str, Any]], **changes: Any
) -> tuple[list[float], list[dict[str, Any]], dict[str, Any]]:
    """Train the tiny model; give losses, evaluations and final weights."""
    import torch
    from base_model import load_base
    from conversations import read_conversations
    from dataset import tokenised
    from device import Device
    from material import read_material
    from preferences import read_pairs, tokenised_pairs
    from recipe_file import read_recipe
    from trainers import build_trainer

    changes["training"] = STEPS | changes.get("training", {})
    order = program.parse(arguments(folder, recipe(**changes), records, records[:5]))
    chosen, device = read_recipe(order.recipe), Device("cpu", torch.float32)
    is_dpo = chosen.objective == "dpo"
    material = read_material(order, read_pairs if is_dpo else read_conversations)
    base = load_base(chosen, None, material.texts, device)
    data = (tokenised_pairs if is_dpo else tokenised)(material, base[1], chosen)
    trainer = build_trainer(chosen, device, base, data, folder, first_evaluation=True, callbacks=[])
    trainer.args.save_strategy = "no"
    trainer.train()
    history = trainer.state.log_history
    weights = {name: part.detach().clone() for name, part in trainer.model.named_parameters()}
    return (
        [point["loss"] for point in history if "loss" in point],
        [point for point in history if "eval_loss" in point],
        weights,
    )


CASES = {
    "full": ({}, uneven()),
    "lora": ({"method": "lora", "lora": {"rank": 4}}, uneven()),
    "packed": ({"training": {"packing": True, "max_length": 64}}, uneven(30)),
    "dpo": ({"objective": "dpo"}, pairs()),
    "dpo-lora": ({"objective": "dpo", "method": "lora", "lora": {"rank": 4}}, pairs()),
}


@pytest.mark.parametrize(
    "case",
    # Slow: three trainings each; one case stays in the fast tier.
    [c if c == "full" else pytest.param(c, marks=pytest.mark.slow) for c in CASES],
)
def test_a_batch_learns_the_same_however_it_is_split(case: str, tmp_path: Path) -> None:
    changes, records = CASES[case]
    losses, evaluations = [], []
    for size, accumulation in ((8, 1), (4, 2), (2, 4)):
        split = {"batch_size": size, "accumulation": accumulation}
        training = changes.get("training", {}) | split
        found = learned(tmp_path / str(size), records, **changes | {"training": training})
        losses.append(found[0])
        evaluations.append([point["eval_loss"] for point in found[1]])
    assert len(losses[0]) == 5 and len(set(losses[0])) >= 4
    for other in losses[1:]:
        assert other == pytest.approx(losses[0], abs=2e-5)
    for other in evaluations[1:]:
        assert other == pytest.approx(evaluations[0], abs=2e-5)


def test_the_seed_decides_everything_that_chance_does(tmp_path: Path) -> None:
    """The order of the data, the first adapters, dropout."""
    import torch

    found = [
        learned(tmp_path, uneven(), method="lora", lora=DROPPING, training={"seed": seed})
        for seed in (0, 0, 1)
    ]
    (losses, _, weights), again, other = found
    assert again[0] == losses and other[0] != losses
    assert all(torch.equal(part, again[2][name]) for name, part in weights.items())
    assert not all(torch.equal(part, other[2][name]) for name, part in weights.items())


@pytest.mark.slow
def test_dropout_is_at_work_in_training(tmp_path: Path) -> None:
    """Else the seeds of the test above would prove nothing of dropout. Slow: two more trainings."""
    with_it, _, _ = learned(tmp_path, uneven(), method="lora", lora=DROPPING)
    without, _, _ = learned(tmp_path, uneven(), method="lora", lora={"rank": 4})
    assert with_it[0] == without[0]  # adapters begin at zero
    assert with_it[1:] != without[1:]


@pytest.mark.parametrize("objective", ["sft", pytest.param("dpo", marks=pytest.mark.slow)])
def test_measures_do_not_depend_on_the_batch(objective: str, tmp_path: Path) -> None:
    """transformers weighs a batch of few tokens like one of many, TRL one of few pairs."""
    records = uneven() if objective == "sft" else pairs()
    found = []
    for size in (1, 4):
        training = {"max_steps": 1, "batch_size": size, "accumulation": 8 // size}
        found.append(learned(tmp_path, records, objective=objective, training=training)[1])
    for one, other in zip(*found, strict=True):
        names = [name for name in one if name.startswith("eval_") and not TIMED.search(name)]
        assert {"eval_loss", "eval_mean_token_accuracy"} <= set(names)
        for name in names:
            if not (objective == "dpo" and ("logits" in name or name in BY_TOKEN)):
                assert one[name] == pytest.approx(other[name], abs=1e-5), name


def test_processes_that_train_alone_are_refused() -> None:
    from types import SimpleNamespace

    from accelerate.utils import DistributedType
    from distribution import check_distribution
    from failure import JobError
    from recipe_file import Recipe as JobRecipe

    two = JobRecipe(training=JobRecipe(processes=2, nodes=1))
    together = SimpleNamespace(distributed_type=DistributedType.MULTI_CPU, num_processes=2)
    check_distribution(together, two)
    for alone in (
        SimpleNamespace(distributed_type=DistributedType.NO, num_processes=1),
        SimpleNamespace(distributed_type=DistributedType.NO, num_processes=2),
        SimpleNamespace(distributed_type=DistributedType.MULTI_CPU, num_processes=4),
    ):
        with pytest.raises(JobError, match="asks for 2 processes that train together"):
            check_distribution(alone, two)
