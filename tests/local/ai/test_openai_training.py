"""A job of Azure OpenAI's as it is played: the small model really learns from the uploaded file."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from ai_account import AiAccount, chats, until

from local.ai.models import find_model
from local.state import opened


@pytest.mark.slow
def test_a_real_training_ends_with_a_model_that_can_be_served(
    make_account: Callable[..., AiAccount], azure_folder: Path
) -> None:
    """Slow: builds the job's environment where it is not there, and trains for half a minute."""
    account, content = make_account(), chats(12)
    seen = b"".join(content.splitlines(keepends=True)[:4])
    made = account.job(
        b"\xef\xbb\xbf" + content,
        model="gpt-oss-20b",
        validation_file=account.upload(seen),
        suffix="ft-travel",
        extra_body={"trainingType": "GlobalStandard"},
    )
    jobs = account.client.fine_tuning.jobs
    job = until(
        lambda: jobs.retrieve(made.id),
        lambda one: one.status in ("succeeded", "failed"),
        within=600.0,
    )
    assert (job.status, job.error) == ("succeeded", None)
    text = account.client.files.content(job.result_files[0]).text
    rows = list(csv.DictReader(io.StringIO(text)))
    losses = [float(row["train_loss"]) for row in rows]
    assert len(losses) == 6 and losses[-1] < losses[0]
    valid = [float(row["full_valid_loss"]) for row in rows if row["full_valid_loss"]]
    assert len(valid) == 2 and valid[-1] < valid[0]
    assert job.trained_tokens > 100
    with opened(azure_folder) as state:
        found = find_model(state, account.id, job.fine_tuned_model)
    assert found is not None and (found.folder / "tunestack.json").is_file()
