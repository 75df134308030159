"""The models of an account through the unmodified openai client."""

import pytest
from ai_account import BASE, AiAccount, refused

from local.models import MODELS


def test_base_models_are_listed_with_what_can_be_done_and_until_when(shared: AiAccount) -> None:
    listed = {model.id: model.to_dict() for model in shared.client.models.list()}
    assert len(listed) >= len(MODELS)
    mini = listed[BASE]
    assert mini["object"] == "model" and mini["lifecycle_status"] == "generally-available"
    assert mini["capabilities"] == {
        "fine_tune": True,
        "inference": True,
        "completion": False,
        "chat_completion": True,
        "embeddings": False,
    }
    assert mini["deprecation"] == {"fine_tune": 1791936000, "inference": 1791936000}
    # Field notes of Microsoft's: the flag is false for open models, which can be tuned.
    assert listed["gpt-oss-20b"]["capabilities"]["fine_tune"] is False


@pytest.mark.parametrize("name", [BASE, "gpt-oss-20b"])
def test_a_base_model_is_read_by_its_id(shared: AiAccount, name: str) -> None:
    assert shared.client.models.retrieve(name).id == name


def test_an_unknown_model_is_not_found(shared: AiAccount) -> None:
    assert refused(lambda: shared.client.models.retrieve("gpt-2"))[:2] == (404, "notFound")


def test_a_tuned_model_names_its_base_and_its_job(account: AiAccount) -> None:
    job = account.until(account.job(suffix="ft-travel").id, "succeeded")
    model = account.client.models.retrieve(job.fine_tuned_model).to_dict()
    assert (model["model"], model["fine_tune"]) == (BASE, job.id)
    assert (model["object"], model["status"]) == ("model", "succeeded")
    assert "fine_tune" not in model["deprecation"] and model["deprecation"]["inference"]
    listed = [one.id for one in account.client.models.list()]
    assert {one for one in listed if ".ft-" in one} == {
        one.fine_tuned_model_checkpoint
        for one in account.client.fine_tuning.jobs.checkpoints.list(job.id)
    }
