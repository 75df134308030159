"""Which orders of tuning jobs are refused, before anything is trained."""

from collections.abc import Callable
from typing import Any

import pytest
from ai_account import BASE, AiAccount, chats, refused

from local import customers
from local.ai.tunable import tier_of
from local.operations import Refusal


@pytest.fixture(scope="module")
def file(shared: AiAccount) -> str:
    return shared.upload(chats(1))


def order(shared: AiAccount, file: str, **wrong: Any) -> tuple[int, str, str]:
    return refused(
        lambda: shared.client.fine_tuning.jobs.create(
            **{"model": BASE, "training_file": file, **wrong}
        )
    )


def dpo(**values: Any) -> dict[str, Any]:
    return {"type": "dpo", "dpo": {"hyperparameters": values}}


def supervised(**values: Any) -> dict[str, Any]:
    return {"type": "supervised", "supervised": {"hyperparameters": values}}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"model": "gpt-2"}, "The specified base model does not support fine-tuning."),
        ({"model": "gpt-4.1-mini"}, "The specified base model does not support fine-tuning."),
        ({"model": ""}, "model: is missing."),
        (
            {"model": "o4-mini-2025-04-16"},
            "Finetuning with o4-mini-2025-04-16 requires the reinforcement method of finetuning.",
        ),
        (
            {"model": "gpt-oss-20b"},
            "The specified base model gpt-oss-20b does not support fine-tuning with Standard"
            " TrainingType.",
        ),
        ({"model": "gpt-4o-mini-2024-07-18", "method": dpo()}, "does not support the dpo method"),
        ({"method": {"type": "reinforcement"}}, "'reinforcement' is not played here"),
        ({"suffix": "x" * 41}, "suffix: at most 40"),
        ({"suffix": "ft.travel"}, "suffix: at most 40"),
        ({"seed": 2**31}, "seed: "),
        ({"training_file": "file-x"}, "training_file: there is no file 'file-x'"),
        ({"validation_file": "file-x"}, "validation_file: there is no file 'file-x'"),
        ({"method": supervised(n_epochs=0)}, "hyperparameters.n_epochs: 0"),
        ({"method": supervised(n_epochs=1.5)}, "hyperparameters.n_epochs: 1.5"),
        ({"method": supervised(batch_size=257)}, "hyperparameters.batch_size: 257"),
        ({"hyperparameters": {"n_epochs": "many"}}, "hyperparameters.n_epochs: 'many'"),
        ({"hyperparameters": {"warmup": 1}}, "no such hyperparameter"),
        ({"hyperparameters": [3]}, "hyperparameters: must be an object"),
        ({"method": {"type": "dpo", "dpo": "auto"}}, "dpo: must be an object"),
        ({"method": dpo(beta=3)}, "hyperparameters.beta: 3"),
        ({"extra_body": {"trainingType": "fast"}}, "trainingType: 'fast'"),
        (
            {"model": "gpt-oss-20b", "extra_body": {"trainingType": "developerTier"}},
            "does not support the developer tier",
        ),
    ],
)
def test_what_the_service_does_not_do_is_refused(
    shared: AiAccount, file: str, trainer: None, wrong: dict[str, Any], told: str
) -> None:
    status, code, message = order(shared, file, **wrong)
    assert (status, code) == (400, "invalidPayload")
    assert told in message
    assert shared.client.fine_tuning.jobs.list().data == []


def test_standard_training_stays_in_three_regions(
    make_account: Callable[..., AiAccount], trainer: None
) -> None:
    account = make_account(location="westeurope")
    file = account.upload(chats(1))
    _, _, told = order(account, file)
    assert f"base model {BASE} does not support fine-tuning with Standard TrainingType." in told
    made = account.job(training_file=file, extra_body={"trainingType": "globalstandard"})
    assert made.to_dict()["trainingType"] == "GlobalStandard"


def test_retired_models_are_closed_to_who_did_not_tune_them_before(
    shared: AiAccount, file: str, azure_folder: Any
) -> None:
    customers.set_trained_before(azure_folder, False)
    _, _, told = order(shared, file)
    assert "was retired on 2026-10-14" in told
    open_one = {"model": "gpt-oss-20b", "extra_body": {"trainingType": 1}, "suffix": "."}
    assert "suffix" in order(shared, file, **open_one)[2]


def test_a_file_must_be_processed_and_for_training(
    account: AiAccount, allow: Callable[..., None]
) -> None:
    client = account.client
    new = client.files.create(file=("a.jsonl", chats(1)), purpose="fine-tune")
    assert "is 'pending'; a job takes processed files" in order(account, new.id)[2]
    broken = account.upload(b"no json")
    assert "is 'error'" in order(account, broken)[2]
    done = account.until(account.job().id, "succeeded")
    results = done.result_files[0]
    assert f"purpose of '{results}' is 'fine-tune-results'" in order(account, results)[2]


@pytest.mark.parametrize(
    ("given", "tier"),
    [
        (None, "Standard"),
        (0, "Standard"),
        ("standard", "Standard"),
        (1, "GlobalStandard"),
        ("globalStandard", "GlobalStandard"),
        ("GLOBALSTANDARD", "GlobalStandard"),
        ("developerTier", "developerTier"),
        ("Developer", "developerTier"),
    ],
)
def test_training_types_are_read_in_every_spelling(given: object, tier: str) -> None:
    assert tier_of(given) == tier


@pytest.mark.parametrize("given", [True, 2, "global"])
def test_other_training_types_are_none(given: object) -> None:
    with pytest.raises(Refusal, match="trainingType"):
        tier_of(given)


@pytest.mark.slow
def test_every_shape_of_hyperparameters_is_taken(account: AiAccount) -> None:
    """Slow: trains twice; the newer shape is in every other test's jobs."""
    file = account.upload(chats(10))
    shapes: list[dict[str, Any]] = [
        {"method": supervised(n_epochs=1, batch_size="auto", learning_rate_multiplier=0.5)},
        {"method": None, "hyperparameters": {"n_epochs": 1, "learning_rate_multiplier": 0.5}},
    ]
    made = [account.job(training_file=file, **shape) for shape in shapes]
    for job in made:
        done = account.until(job.id, "succeeded").hyperparameters
        assert (done.n_epochs, done.batch_size, done.learning_rate_multiplier) == (1, 4, 0.5)
