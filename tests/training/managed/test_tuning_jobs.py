"""A submission makes exactly one job; jobs are told in the words of the own-GPU route."""

from collections.abc import Callable
from typing import Any

import pytest
from odd_openai import OddOpenAI, Tokens, api, outputs

from core.cloud import Cloud
from core.errors import CloudError, UserError
from core.managed_recipe import OpenAIRecipe
from training.managed.contract import ManagedOrder, Prepared
from training.managed.openai import control, jobs
from training.managed.openai.jobs import STATES
from training.managed.openai.service import OpenAITuning
from training.managed.openai.submission import submit

Write = Callable[..., Prepared]
CREATE = "POST /fine_tuning/jobs"
MODEL = "gpt-4.1-mini-2025-04-14"


def recipe(**chosen: Any) -> OpenAIRecipe:
    return OpenAIRecipe.model_validate(
        {
            "name": "travel",
            "description": "A travel agent.",
            "model_name": "travel",
            "route": "openai",
            "base": {"id": MODEL},
            **chosen,
        }
    )


@pytest.fixture
def order(prepared: Write) -> ManagedOrder:
    validation = prepared("validation.jsonl", b"\xef\xbb\xbf{1}\n")
    return ManagedOrder(recipe(), prepared(), validation, estimate=1.5)


def service(odd: OddOpenAI) -> OpenAITuning:
    cloud = Cloud("subscription", Tokens())  # type: ignore[arg-type]
    return OpenAITuning(cloud, outputs(odd.address), wait=lambda seconds: None)


def sent(odd: OddOpenAI) -> dict[str, Any]:
    return next(b for m, p, b in odd.asked if f"{m} {p}" == CREATE)


def test_a_job_is_sent_with_what_was_chosen_and_nothing_else(
    odd: OddOpenAI, prepared: Write
) -> None:
    chosen = recipe(
        suffix="ft-travel",
        tier="Developer",
        training={"epochs": 2, "learning_rate_multiplier": 0.1, "seed": 42},
    )
    made = service(odd).submit(ManagedOrder(chosen, prepared(), estimate=0.25), print)
    body = sent(odd)
    assert made.status == "Queued"
    assert body["method"] == {
        "type": "supervised",
        "supervised": {"hyperparameters": {"n_epochs": 2, "learning_rate_multiplier": 0.1}},
    }
    assert (body["suffix"], body["seed"], body["trainingType"]) == (
        "ft-travel",
        42,
        "developerTier",
    )
    assert "validation_file" not in body
    assert body["metadata"]["recipe"] == "travel"
    assert body["metadata"]["tunestack-estimate-usd"] == "0.2500"
    assert len(body["metadata"]) <= 16


def test_pairs_are_learned_by_dpo_with_its_own_parameters(odd: OddOpenAI, prepared: Write) -> None:
    chosen = recipe(objective="dpo", training={"beta": 0.2}, tier="Standard")
    service(odd).submit(ManagedOrder(chosen, prepared()), print)
    body = sent(odd)
    assert body["method"] == {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2}}}
    assert (body["trainingType"], "seed" in body, "suffix" in body) == ("Standard", False, False)


LOST = {
    "made, then 500": lambda odd: odd.lose(CREATE, 500),
    "made, then hung up": lambda odd: odd.lose(CREATE, 0),
    "made, then 409": lambda odd: odd.lose(CREATE, 409),
    "not made, 500": lambda odd: odd.refuse(CREATE, 500, {}),
    "not made, 409 twice": lambda odd: odd.refuse(CREATE, 409, {}, times=2),
    "not made, 429": lambda odd: odd.refuse(CREATE, 429, {}, retry_after="2"),
    "not made, then made and lost": lambda odd: (
        odd.refuse(CREATE, 503, {}),
        odd.lose(CREATE, 500),
    ),
}


CASES = [(case, True) for case in LOST] + [(case, False) for case in LOST if "made, then" in case]


@pytest.mark.parametrize(("case", "keeps_metadata"), CASES)
def test_whatever_is_lost_on_the_way_there_is_one_job(
    odd: OddOpenAI, order: ManagedOrder, case: str, keeps_metadata: bool
) -> None:
    odd.keeps_metadata = keeps_metadata
    asks = service(odd)
    # An earlier job of the same recipe and files is not taken for the new one.
    earlier = asks.submit(order, print).name
    LOST[case](odd)
    made = asks.submit(order, print).name
    assert set(odd.jobs) == {earlier, made}
    assert made != earlier


def test_anothers_job_that_appears_meanwhile_is_not_taken_for_ours(
    odd: OddOpenAI, order: ManagedOrder
) -> None:
    odd.refuse(CREATE, 500, {})
    asks = api(odd)
    looks: list[float] = []

    def wait(seconds: float) -> None:
        if not looks:
            files = {"training_file": next(iter(odd.files)), "metadata": {"tunestack-order": "x"}}
            odd.add_job(77, **files)
        looks.append(seconds)

    asks.wait = wait
    assert submit(asks, order, print).id != f"ftjob-{77:032x}"


def test_a_refusal_is_not_repeated(odd: OddOpenAI, order: ManagedOrder) -> None:
    odd.refuse(CREATE, 400, {"error": {"code": "invalidPayload", "message": "no"}})
    with pytest.raises(CloudError, match="invalidPayload"):
        service(odd).submit(order, print)
    assert odd.count(CREATE) == 1


def test_a_service_that_never_does_is_given_up_without_a_job(
    odd: OddOpenAI, order: ManagedOrder
) -> None:
    odd.refuse(CREATE, 503, {}, times=9)
    with pytest.raises(CloudError):
        service(odd).submit(order, print)
    assert odd.count(CREATE) == 3
    assert odd.jobs == {}


def test_where_a_job_may_be_unseen_it_is_said_and_nothing_is_repeated(
    odd: OddOpenAI, order: ManagedOrder
) -> None:
    asks = api(odd)

    def wait(seconds: float) -> None:
        odd.refuse("GET /fine_tuning/jobs", 500, {}, times=3, x_should_retry="false")

    asks.wait = wait
    odd.lose(CREATE, 500)
    with pytest.raises(CloudError) as caught:
        submit(asks, order, print)
    assert "tunestack jobs list" in caught.value.hint
    assert odd.count(CREATE) == 1


def test_the_tokens_trained_on_stand_beside_those_that_were_expected(
    odd: OddOpenAI, prepared: Write
) -> None:
    asks, asked = service(odd), ManagedOrder(recipe(training={"epochs": 2}), prepared())
    name = asks.submit(asked, print).name
    odd.jobs[name] |= {"status": "succeeded", "trained_tokens": 250}
    job = asks.job(name)
    assert job is not None and job.tokens_text == "250 (estimated: 240)"


def test_the_services_own_tier_goes_before_the_one_that_was_asked_for(odd: OddOpenAI) -> None:
    odd.add_job(1, trainingType=1, metadata={"tier": "Developer"})
    odd.add_job(0, metadata={"tier": "Developer"})
    assert [job.tags["tier"] for job in service(odd).jobs()] == ["GlobalStandard", "Developer"]


def test_states_are_azure_mls_and_an_unknown_word_runs(odd: OddOpenAI) -> None:
    words = {**STATES, "polishing": "Running"}
    for number, word in enumerate(words):
        odd.add_job(number, status=word)
    assert {job.service_status: job.status for job in service(odd).jobs()} == words


def test_a_new_job_full_of_nulls_is_read(odd: OddOpenAI) -> None:
    made = odd.add_job(1, created_at=None, status=None, model=None, metadata=None)
    job = service(odd).job(made["id"])
    assert job is not None
    assert (job.status, job.base, job.tuned, job.error, job.created) == ("Running", "", "", "", "")


def test_errors_of_jobs_are_told_and_empty_ones_are_none(odd: OddOpenAI) -> None:
    errors = [
        ({"code": "invalid", "message": "Too short.", "param": None}, "invalid: Too short."),
        ({"code": "invalid", "message": "No.", "param": "seed"}, "invalid: No. (seed)"),
        ({"code": None, "message": None, "param": None}, ""),
        ({}, ""),
    ]
    for number, (error, _) in enumerate(errors):
        odd.add_job(number, status="failed", error=error)
    told = [job.error for job in reversed(service(odd).jobs())]
    assert told == [text for _, text in errors]


def test_jobs_come_newest_first_over_all_pages(
    odd: OddOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "PAGE", 3)
    for number in range(8):
        odd.add_job(number)
    names = [job.name for job in service(odd).jobs()]
    assert names == [f"ftjob-{number:032x}" for number in reversed(range(8))]


def test_what_metadata_do_not_tell_the_files_name_tells(odd: OddOpenAI) -> None:
    file = odd.add_file("tunestack-0123456789abcdef.jsonl")
    settled = {"n_epochs": 3, "batch_size": "auto", "learning_rate_multiplier": -1}
    method = {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1, "n_epochs": -1}}}
    odd.add_job(
        1, training_file=file["id"], suffix="ft-travel", trainingType="DeveloperTier",
        hyperparameters=settled, method=method,
    )  # fmt: skip
    odd.add_job(0, hyperparameters=None, method={"type": "supervised", "supervised": None})
    job, bare = service(odd).jobs()
    assert job.tags["data_file"] == "tunestack-0123456789abcdef.jsonl"
    assert (job.tags["suffix"], job.tags["tier"]) == ("ft-travel", "Developer")
    assert (job.tags["n_epochs"], job.tags["beta"]) == ("3", "0.1")
    assert not {"batch_size", "learning_rate_multiplier"} & set(job.tags)
    assert bare.tags == {"seed": "105"}


def test_only_a_running_job_is_paused_and_only_a_paused_one_resumed(odd: OddOpenAI) -> None:
    asks = service(odd)
    job = odd.add_job(1)
    name = job["id"]
    with pytest.raises(UserError, match=r"cannot be paused: it is Queued \(pending\)"):
        asks.pause(name)
    with pytest.raises(UserError, match="cannot be resumed: it is Queued"):
        asks.resume(name)
    job["status"] = "running"
    assert asks.pause(name).status == "Pausing"
    assert asks.pause(name).status == "Pausing"
    with pytest.raises(UserError, match="still being paused"):
        asks.resume(name)
    job["status"] = "paused"
    assert asks.resume(name).status == "Running"
    assert asks.resume(name).service_status == "resuming"
    job["status"] = "succeeded"
    for ask in (asks.pause, asks.resume):
        with pytest.raises(UserError, match="it is Completed"):
            ask(name)
    assert asks.cancel(name).status == "Completed"
    changes = [path.rpartition("/")[2] for method, path, _ in odd.asked if method == "POST"]
    assert changes == ["pause", "resume"]


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume"])
def test_of_an_unknown_job_nothing_is_asked(odd: OddOpenAI, verb: str) -> None:
    with pytest.raises(UserError, match="There is no fine-tuning job ftjob-x"):
        getattr(service(odd), verb)("ftjob-x")


def test_what_was_done_and_refused_when_sent_again_counts_as_done(odd: OddOpenAI) -> None:
    job = odd.add_job(1, status="running")
    request = f"POST /fine_tuning/jobs/{job['id']}/cancel"
    odd.lose(request, 500)
    odd.refuse(request, 400, {"error": {"code": "unexpectedEntityState", "message": "ended"}})
    assert control.cancel(api(odd), job["id"]).status == "Canceled"


def test_a_refused_pause_tells_the_state(odd: OddOpenAI) -> None:
    job = odd.add_job(1, status="running")
    request = f"POST /fine_tuning/jobs/{job['id']}/pause"
    odd.refuse(request, 400, {"error": {"code": "unexpectedEntityState", "message": "no step"}})
    with pytest.raises(CloudError, match="no step") as caught:
        service(odd).pause(job["id"])
    assert "The job is Running (running)." in caught.value.hint


def test_clearing_ends_and_deletes_what_is_ours_alone(odd: OddOpenAI, order: ManagedOrder) -> None:
    asks = service(odd)
    running = asks.submit(order, print).name
    odd.jobs[running]["status"] = "running"
    results = odd.add_file("results.csv", purpose="fine-tune-results")
    unmarked = odd.add_job(
        50, status="succeeded", training_file=next(iter(odd.files)), result_files=[results["id"]],
        fine_tuned_model=f"{MODEL}.ft-1",
    )  # fmt: skip
    theirs = odd.add_job(51, training_file="file-theirs", status="running")
    kept = odd.add_file("theirs.jsonl")
    gone = list(asks.clear(print))
    assert list(odd.jobs) == [theirs["id"]]
    assert theirs["status"] == "running"
    assert list(odd.files) == [kept["id"]]
    assert f"job {unmarked['id']} with {MODEL}.ft-1" in gone
    assert len(gone) == 5
    assert list(asks.clear(print)) == []


def test_clearing_goes_on_after_a_refusal_and_raises_it_at_the_end(
    odd: OddOpenAI, order: ManagedOrder
) -> None:
    asks = service(odd)
    stuck, other = (asks.submit(order, print).name for _ in range(2))
    for job in odd.jobs.values():
        job["status"] = "succeeded"
    refusal = {"error": {"code": "conflict", "message": "it has an existing deployment"}}
    odd.refuse(f"DELETE /fine_tuning/jobs/{stuck}", 400, refusal)
    first, second = odd.files
    odd.refuse(f"DELETE /files/{first}", 403, {"error": {"code": "forbidden", "message": "no"}})
    told: list[str] = []
    gone: list[str] = []
    with pytest.raises(CloudError, match="existing deployment"):
        for name in asks.clear(told.append):
            gone.append(name)  # noqa: PERF402  what came before the error counts
    assert list(odd.jobs) == [stuck]
    assert list(odd.files) == [first]
    assert any("forbidden" in text for text in told)
    assert [one.partition(" ")[0] for one in gone] == ["job", "file"]
    assert other in gone[0]
    assert odd.count(f"DELETE /files/{second}") == 1
