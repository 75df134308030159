"""Tuning jobs from order to end through the unmodified openai client; the training is real."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ai_account import BASE, AiAccount, chats, pairs, refused, until, waiting

from local.ai.models import find_model
from local.state import State

ENDED = ("succeeded", "failed", "cancelled")


def test_a_job_is_told_as_the_tutorial_shows_it(account: AiAccount) -> None:
    training, validation = account.upload(chats(12)), account.upload(chats(3))
    made = account.job(training_file=training, validation_file=validation, seed=105)
    shown = made.to_dict()
    assert shown["object"] == "fine_tuning.job" and shown["status"] == "pending"
    assert re.fullmatch(r"ftjob-[0-9a-f]{32}", made.id)
    assert shown["hyperparameters"] == {
        "n_epochs": 2,
        "batch_size": -1,
        "learning_rate_multiplier": 1,
    }
    for name in ("fine_tuned_model", "finished_at", "error", "organization_id", "result_files"):
        assert shown[name] is None
    assert (shown["seed"], shown["training_file"]) == (105, training)

    job = account.until(made.id, *ENDED)
    assert (job.status, job.error) == ("succeeded", None)
    assert job.hyperparameters.batch_size == 4
    assert job.finished_at >= job.created_at
    assert job.trained_tokens > 0


def test_a_jobs_events_are_those_of_the_tutorial_newest_first_in_pages(
    account: AiAccount,
) -> None:
    made = account.job(chats(40), validation_file=account.upload(chats(3)))
    job = account.until(made.id, *ENDED)
    (results,) = job.result_files
    texts = account.messages(job.id)
    assert texts[:3] == [
        "Job enqueued. Waiting for jobs ahead to complete.",
        "Job started.",
        f"Preprocessing completed for file {job.training_file}.",
    ]
    assert texts[-4:-1] == [
        "Job succeeded.",
        "Postprocessing started.",
        f"Completed results file: {results}",
    ]
    assert re.fullmatch(r"Training hours billed: \d+\.\d{3}", texts[-1])
    assert [text.partition(":")[0] for text in texts[3:-4]] == ["Step 10", "Step 20"]

    jobs = account.client.fine_tuning.jobs
    newest = jobs.list_events(job.id, limit=2)
    assert newest.has_more and [one.message for one in newest.data] == texts[-1:-3:-1]
    everything = [event.message for event in jobs.list_events(job.id, limit=2)]
    assert everything == texts[::-1]
    (measured,) = (one for one in jobs.list_events(job.id) if one.message.startswith("Step 20"))
    assert measured.type == "metrics" and measured.level == "info"
    assert {"step", "train_loss", "train_mean_token_accuracy", "valid_loss"} <= set(measured.data)
    assert f"training loss={measured.data['train_loss']}" in measured.message


def test_the_results_are_the_whole_curve(account: AiAccount) -> None:
    made = account.job(chats(12), validation_file=account.upload(chats(3)))
    job = account.until(made.id, *ENDED)
    file = account.client.files.retrieve(job.result_files[0])
    assert (file.purpose, file.filename, file.status) == (
        "fine-tune-results",
        "results.csv",
        "processed",
    )
    rows = list(csv.DictReader(io.StringIO(account.client.files.content(file.id).text)))
    assert [int(row["step"]) for row in rows] == list(range(1, 7))
    losses = [float(row["train_loss"]) for row in rows]
    assert losses == sorted(losses, reverse=True)
    assert list(rows[0])[3:5] == ["valid_loss", "validation_mean_token_accuracy"]
    assert rows[0]["valid_loss"] == "" and float(rows[-1]["valid_loss"]) > 0


def test_checkpoints_are_of_the_last_three_epochs_and_the_last_has_the_plain_name(
    account: AiAccount, state: State
) -> None:
    hyper = {"n_epochs": 4, "batch_size": 5}
    method = {"type": "supervised", "supervised": {"hyperparameters": hyper}}
    made = account.job(chats(10, "hello"), method=method, suffix="ft-travel")
    job = account.until(made.id, *ENDED)
    assert re.fullmatch(rf"{BASE}\.ft-[0-9a-f]{{32}}-ft-travel", job.fine_tuned_model)
    assert job.id.removeprefix("ftjob-") not in job.fine_tuned_model
    kept = account.client.fine_tuning.jobs.checkpoints.list(job.id).data
    assert [one.fine_tuned_model_checkpoint for one in kept] == [
        job.fine_tuned_model,
        f"{job.fine_tuned_model}:ckpt-step-6",
        f"{job.fine_tuned_model}:ckpt-step-4",
    ]
    assert [one.step_number for one in kept] == [8, 6, 4]
    assert all(one.id.startswith("ftchkpt-") for one in kept)
    assert kept[0].metrics.train_loss < kept[1].metrics.train_loss
    first = account.client.fine_tuning.jobs.checkpoints.list(job.id, limit=1)
    assert first.has_more and len(list(first)) == 3

    for one in kept:
        by_name = find_model(state, account.id, one.fine_tuned_model_checkpoint)
        assert by_name == find_model(state, account.id, one.id)
        assert by_name is not None and by_name.folder.is_dir()
        assert (by_name.base, by_name.job) == (BASE, job.id)
    plain = find_model(state, account.id, job.fine_tuned_model)
    assert plain is not None and (plain.folder / "word.txt").read_text() == "hello"
    assert find_model(state, account.id, "gpt-4o") is None


def test_one_job_runs_and_the_others_wait_their_turn(account: AiAccount, gate: Path) -> None:
    first = account.job(waiting(gate))
    others = [account.job(chats()) for _ in range(2)]
    account.until(first.id, "running")
    jobs = account.client.fine_tuning.jobs
    assert [jobs.retrieve(one.id).status for one in others] == ["pending", "pending"]
    assert [one.id for one in jobs.list()] == [others[1].id, others[0].id, first.id]
    assert [one.id for one in jobs.list(after=others[1].id, limit=1).data] == [others[0].id]
    assert account.messages(others[0].id) == ["Job enqueued. Waiting for jobs ahead to complete."]
    gate.touch()
    ended = [account.until(one.id, *ENDED) for one in (first, *others)]
    assert [one.status for one in ended] == ["succeeded"] * 3
    assert ended[1].finished_at <= ended[2].finished_at


@pytest.mark.slow
def test_accounts_do_not_wait_for_each_other(
    account: AiAccount, make_account: Callable[..., AiAccount], gate: Path
) -> None:
    """Slow: two accounts and three jobs for what no daily change touches."""
    account.job(waiting(gate))
    other = make_account()
    assert other.until(other.job(chats()).id, *ENDED).status == "succeeded"
    assert refused(lambda: other.client.fine_tuning.jobs.retrieve(account.job().id))[0] == 404


def test_a_running_and_a_waiting_job_are_cancelled(account: AiAccount, gate: Path) -> None:
    jobs = account.client.fine_tuning.jobs
    first, second = account.job(waiting(gate)), account.job(chats())
    third = account.job(chats())
    account.until(first.id, "running")
    assert jobs.cancel(second.id).status == "cancelled"
    cancelled = jobs.cancel(first.id)
    assert cancelled.status == "cancelled" and cancelled.finished_at
    assert account.until(third.id, *ENDED).status == "succeeded"
    for id in (first.id, second.id):
        assert jobs.retrieve(id).fine_tuned_model is None
        assert jobs.checkpoints.list(id).data == []
        assert refused(lambda id=id: jobs.cancel(id))[:2] == (400, "unexpectedEntityState")


def test_a_paused_job_can_be_deployed_and_goes_on_from_its_step(
    account: AiAccount, gate: Path, state: State
) -> None:
    jobs = account.client.fine_tuning.jobs
    method = {"type": "supervised", "supervised": {"hyperparameters": {"batch_size": 5}}}
    made = account.job(waiting(gate, step=4), method=method)
    until(lambda: reached(state, account, made.id), lambda steps: steps == 2)
    assert jobs.pause(made.id).status in ("pausing", "paused")
    account.until(made.id, "paused")
    (kept,) = jobs.checkpoints.list(made.id).data[:1]
    assert kept.fine_tuned_model_checkpoint.endswith(f":ckpt-step-{kept.step_number}")
    assert find_model(state, account.id, kept.id) is not None
    assert jobs.retrieve(made.id).fine_tuned_model is None

    other = account.job(chats())
    assert account.until(other.id, *ENDED).status == "succeeded"
    gate.touch()
    assert jobs.resume(made.id).status in ("resuming", "running")
    job = account.until(made.id, *ENDED)
    assert job.status == "succeeded"
    content = account.client.files.content(job.result_files[0]).text
    assert [row.partition(",")[0] for row in content.splitlines()[1:]] == list("123456")
    for act in (jobs.pause, jobs.resume):
        assert refused(lambda act=act: act(made.id))[:2] == (400, "unexpectedEntityState")


def reached(state: State, account: AiAccount, id: str) -> int:
    return int((state.get(f"{account.id}/openai/jobs/{id}") or {})["steps"])


def test_a_job_without_a_step_is_not_paused(account: AiAccount, gate: Path) -> None:
    made = account.job(waiting(gate))
    waits = account.job(chats())
    account.until(made.id, "running")
    for id in (made.id, waits.id):
        status, code, _ = refused(lambda id=id: account.client.fine_tuning.jobs.pause(id))
        assert (status, code) == (400, "unexpectedEntityState")
    account.client.fine_tuning.jobs.cancel(waits.id)


def test_what_cannot_be_learned_fails_the_job_and_lets_the_next_one_run(
    account: AiAccount,
) -> None:
    wrong = {
        chats(9): "9 examples; at least 10",
        b'{"prompt": "a", "completion": "b"}\n' * 10: "line 1: needs a list `messages`",
        pairs(): "line 1: needs a list `messages`",
    }
    made = [account.job(content).id for content in (*wrong, chats())]
    for id, told in zip(made, wrong.values(), strict=False):
        failed = account.until(id, *ENDED)
        assert (failed.status, failed.error.code) == ("failed", "jsonlValidationFailed")
        assert told in failed.error.message and failed.error.param == "training_file"
        assert failed.fine_tuned_model is None and failed.finished_at
        events = account.client.fine_tuning.jobs.list_events(failed.id).data
        assert (events[0].level, events[0].message) == ("error", failed.error.message)
    assert account.until(made[-1], *ENDED).status == "succeeded"


def test_a_training_that_fails_says_why(account: AiAccount) -> None:
    failed = account.until(account.job(chats(10, "word [fail 2]")).id, *ENDED)
    assert (failed.status, failed.error.code) == ("failed", "internalFailure")
    assert "the file asked for it" in failed.error.message


def test_a_file_that_is_deleted_before_the_turn_comes_fails_the_job(
    account: AiAccount, gate: Path
) -> None:
    account.job(waiting(gate))
    made = account.job(chats())
    account.client.files.delete(made.training_file)
    gate.touch()
    assert "is gone" in account.until(made.id, *ENDED).error.message


def test_too_many_tokens_fail_the_job(account: AiAccount, allow: Callable[..., None]) -> None:
    allow(trained_tokens=100)
    assert "more than the 100" in account.until(account.job(chats()).id, *ENDED).error.message


def test_so_many_jobs_may_wait_and_be_there(
    account: AiAccount, gate: Path, allow: Callable[..., None]
) -> None:
    first = account.job(waiting(gate))
    account.until(first.id, "running")
    waits = account.job(chats())
    allow(queued=1)
    assert refused(lambda: account.job(chats()))[:2] == (400, "quotaExceeded")
    allow(jobs=2)
    assert "2 fine-tuning jobs" in refused(lambda: account.job(chats()))[2]
    account.client.fine_tuning.jobs.cancel(waits.id)


@pytest.mark.parametrize(
    "method",
    [
        {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2, "n_epochs": "auto"}}},
        {"type": "dpo", "dpo": {"beta": 0.2, "l2_multiplier": 0.1}},
    ],
)
def test_preferences_are_learned_from_both_shapes_of_a_request(
    account: AiAccount, method: dict[str, Any], state: State
) -> None:
    made = account.job(pairs(), method=method)
    assert made.method.type == "dpo"
    job = account.until(made.id, *ENDED)
    assert job.status == "succeeded" and job.hyperparameters.n_epochs == 3
    settled = (state.get(f"{account.id}/openai/jobs/{made.id}") or {})["settled"]
    assert settled["beta"] == 0.2
    found = find_model(state, account.id, job.fine_tuned_model)
    assert found is not None and (found.folder / "word.txt").read_text() == "kind"


@pytest.mark.slow
def test_a_tuned_model_is_tuned_further(account: AiAccount, state: State) -> None:
    """Slow: two trainings after each other; that a training goes on from a model is tested fast."""
    first = account.until(account.job(chats(10, "one")).id, *ENDED)
    made = account.job(chats(10, "two"), model=first.fine_tuned_model)
    second = account.until(made.id, *ENDED)
    assert second.model == first.fine_tuned_model
    found = find_model(state, account.id, second.fine_tuned_model)
    assert found is not None and found.base == BASE
    assert (found.folder / "word.txt").read_text() == "one+two"
