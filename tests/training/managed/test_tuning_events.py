"""What jobs tell is given once and in order; curves, checkpoints and models read odd answers."""

from typing import Any

import pytest
from odd_openai import OddOpenAI, Tokens, outputs

from core.cloud import Cloud
from core.errors import CloudError, UserError
from training.managed.openai import events
from training.managed.openai.events import read_results
from training.managed.openai.service import OpenAITuning

TUNED = "gpt-4.1-mini-2025-04-14.ft-0e208cf33a6a466994aff31a08aba678-ft-travel"


@pytest.fixture
def asks(odd: OddOpenAI) -> OpenAITuning:
    cloud = Cloud("subscription", Tokens())  # type: ignore[arg-type]
    return OpenAITuning(cloud, outputs(odd.address), wait=lambda seconds: None)


def event(number: int, text: str = "", **more: Any) -> dict[str, Any]:
    made = {"id": f"ftevent-{number}", "object": "fine_tuning.job.event", "type": "message"}
    at = 1_790_000_000 + number // 5  # several in one second
    return {**made, "created_at": at, "level": "info", "message": text or f"{number}", **more}


def test_events_are_given_oldest_first_over_all_pages_and_read_on(
    odd: OddOpenAI, asks: OpenAITuning, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "PAGE", 4)
    told = odd.events["ftjob-1"] = [event(number) for number in range(11)]
    assert [one.text for one in asks.events("ftjob-1")] == [str(n) for n in range(11)]
    before = len(odd.asked)
    told += [event(number) for number in range(11, 17)]
    assert [one.text for one in asks.events("ftjob-1")] == [str(n) for n in range(17)]
    assert len(odd.asked) - before == 3  # two pages with something new, one without


def test_a_look_that_fails_half_way_loses_nothing(
    odd: OddOpenAI, asks: OpenAITuning, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "PAGE", 4)
    odd.events["ftjob-1"] = [event(number) for number in range(11)]
    path = "GET /fine_tuning/jobs/ftjob-1/events"
    real = odd.failures
    pages: list[int] = []

    class FailsAtTheSecondPage(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            pages.append(1)
            broken = key == path and len(pages) == 2
            return [(400, {}, {}, False)] if broken else real.get(key, default)

    odd.failures = FailsAtTheSecondPage()
    with pytest.raises(CloudError):
        asks.events("ftjob-1")
    assert [one.text for one in asks.events("ftjob-1")] == [str(n) for n in range(11)]


def test_an_event_that_comes_late_among_the_newest_is_not_lost(
    odd: OddOpenAI, asks: OpenAITuning
) -> None:
    told = odd.events["ftjob-1"] = [event(number) for number in (0, 10, 20)]
    asks.events("ftjob-1")
    told.insert(1, event(5))
    assert [one.text for one in asks.events("ftjob-1")] == ["0", "5", "10", "20"]


def test_a_list_without_has_more_is_one_page(odd: OddOpenAI, asks: OpenAITuning) -> None:
    odd.refuse(
        "GET /fine_tuning/jobs/ftjob-1/events", 200, {"data": [event(2), event(1)], "object": "l"}
    )
    assert [one.text for one in asks.events("ftjob-1")] == ["1", "2"]
    odd.refuse("GET /fine_tuning/jobs/ftjob-2/events", 200, {"data": None})
    assert asks.events("ftjob-2") == []


def test_levels_and_measurements_are_read(odd: OddOpenAI, asks: OpenAITuning) -> None:
    data = {"step": 10, "train_loss": "0.5", "valid_loss": None, "full_valid_loss": float("nan")}
    odd.events["ftjob-1"] = [
        event(0, level="warn"),
        event(5, level="warning"),
        event(10, level="error", message=None),
        event(15, type="metrics", data=data),
        event(20, "Step 50: training loss=0.1696014404296875", type="metrics", data=None),
        event(25, "Job succeeded.", data={}),
    ]
    told = asks.events("ftjob-1")
    assert [one.level for one in told[:4]] == ["warning", "warning", "error", "info"]
    assert told[3].metrics == {"step": 10, "train_loss": 0.5}
    assert told[4].metrics == {"step": 50, "train_loss": 0.1696014404296875}
    assert told[5].metrics == {}
    assert told[0].at == "2026-09-21T14:13:20+00:00"


HEAD = "step,train_loss,train_mean_token_accuracy,valid_loss,{}_mean_token_accuracy,full_valid_loss"


@pytest.mark.parametrize("spelling", ["valid", "validation"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_results_are_read_in_either_spelling(spelling: str, mark: str) -> None:
    rows = f"{mark}{HEAD.format(spelling)}\r\n1,2.5,0.4,2.6,0.3,\r\n\r\n2,1.5,0.5,,,nan\r\n"
    assert read_results(rows.encode()) == [
        {
            "step": 1, "train_loss": 2.5, "train_mean_token_accuracy": 0.4, "valid_loss": 2.6,
            "valid_mean_token_accuracy": 0.3,
        },
        {"step": 2, "train_loss": 1.5, "train_mean_token_accuracy": 0.5},
    ]  # fmt: skip


def test_a_curve_is_the_results_at_the_end_and_the_events_before(
    odd: OddOpenAI, asks: OpenAITuning
) -> None:
    results = odd.add_file("results.csv", b"step,train_loss\n1,3\n2,2\n")
    job = odd.add_job(1, status="running", result_files=[results["id"]])
    name = job["id"]
    odd.events[name] = [event(0, data={"step": 1, "train_loss": 3.0})]
    assert asks.curve(name) == [{"step": 1, "train_loss": 3}]
    job["status"] = "succeeded"
    assert asks.curve(name) == [{"step": 1, "train_loss": 3}, {"step": 2, "train_loss": 2}]
    del odd.files[results["id"]]
    assert asks.curve(name) == [{"step": 1, "train_loss": 3}]


def checkpoint(step: int, model: str, created: int) -> dict[str, Any]:
    return {
        "id": f"ftchkpt-{step}", "object": "fine_tuning.job.checkpoint", "created_at": created,
        "fine_tuned_model_checkpoint": model, "fine_tuning_job_id": "x", "step_number": step,
        "metrics": {"step": float(step), "train_loss": 0.1, "valid_loss": None},
    }  # fmt: skip


@pytest.fixture
def tuned(odd: OddOpenAI) -> dict[str, Any]:
    job = odd.add_job(
        1, status="succeeded", fine_tuned_model=TUNED, trained_tokens=900, finished_at=1_790_000_500
    )
    odd.checkpoints[job["id"]] = [
        checkpoint(30, TUNED, 1_790_000_600),
        checkpoint(20, f"{TUNED}:ckpt-step-20", 1_790_000_590),
        checkpoint(10, f"{TUNED}:ckpt-step-10", 1_790_000_100),
    ]
    return job


def test_checkpoints_are_those_besides_the_model(
    odd: OddOpenAI, asks: OpenAITuning, tuned: dict[str, Any]
) -> None:
    found = asks.checkpoints(tuned["id"])
    assert [one.model for one in found] == [f"{TUNED}:ckpt-step-20", f"{TUNED}:ckpt-step-10"]
    assert found[0].metrics == {"step": 20, "train_loss": 0.1}


def test_models_are_listed_before_their_checkpoints_which_are_never_newer(
    odd: OddOpenAI, asks: OpenAITuning, tuned: dict[str, Any]
) -> None:
    newer = odd.add_job(2, status="paused")
    base = "gpt-4.1-mini-2025-04-14.ft-1"
    odd.checkpoints[newer["id"]] = [checkpoint(7, f"{base}:ckpt-step-7", 1_790_000_700)]
    odd.add_job(3, status="failed")
    found = asks.models()
    assert [str(model.ref) for model in found] == [
        f"{base}:ckpt-step-7", f"{TUNED}:1", f"{TUNED}:ckpt-step-20", f"{TUNED}:ckpt-step-10",
    ]  # fmt: skip
    assert found[1].path == TUNED
    assert found[2].path == str(found[2].ref)
    assert found[1].document()["tags"]["trained_tokens"] == "900"
    newest = max(found[1:], key=lambda model: model.created)
    assert newest.ref.version == "1"


def test_a_model_goes_with_its_job_and_a_checkpoint_only_so(
    odd: OddOpenAI, asks: OpenAITuning, tuned: dict[str, Any]
) -> None:
    model, state, _ = asks.models()
    with pytest.raises(UserError, match="is a checkpoint"):
        asks.delete_model(state)
    tuned["status"] = "running"
    with pytest.raises(UserError, match="has not ended"):
        asks.delete_model(model)
    tuned["status"] = "succeeded"
    path = f"DELETE /fine_tuning/jobs/{tuned['id']}"
    odd.refuse(path, 400, {"error": {"code": "unexpectedEntityState", "message": "in use"}})
    with pytest.raises(CloudError) as caught:
        asks.delete_model(model)
    assert "tunestack undeploy" in caught.value.hint
    asks.delete_model(model)
    assert odd.jobs == {}
    asks.delete_model(model)  # gone already
