"""The whole life of OpenAI tuning on the local Azure, through the unmodified client.

The trainer is one of a second; everything else is what `tunestack train` does.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from core.cloud import Cloud
from core.errors import CloudError, JobFailed, UserError
from core.managed_recipe import OpenAIRecipe
from core.refs import StackOutputs
from core.settings import parse_settings
from local import customers
from local.access import Principal
from local.login.tokens import AUDIENCES, mint
from local.process import LocalAzure
from local.tuning import programs
from training.follow import Event, LogLine, Metrics, Status
from training.managed.contract import ManagedJob, ManagedOrder, Prepared
from training.managed.following import JobPaused, follow, read_events
from training.managed.openai import files
from training.managed.openai.service import OpenAITuning

BASE = "gpt-4.1-mini-2025-04-14"
API = "2025-06-01"
QUICK = Path(__file__).parents[2] / "local" / "tuning"
WITHIN = 30.0


def pause(seconds: float) -> None:
    """Wait, but never long: the local Azure's time is short, too."""
    time.sleep(min(seconds, 0.05))


@pytest.fixture(scope="module")
def stack(
    local_azure: LocalAzure, azure_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StackOutputs]:
    """A stack with Foundry, of a customer who tuned the model before it was retired."""
    from infra.in_process.engine import InProcess

    cloud = Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])
    asked = {"personType": "ServicePrincipal", "compute": "cpu", "foundry": True}
    patch = pytest.MonkeyPatch()
    patch.setenv("TUNESTACK_HOME", str(tmp_path_factory.mktemp("home")))
    engine = InProcess("tuning-openai", parse_settings(asked), cloud)
    programs.use(azure_folder, job=QUICK / "quick_trainer", serving=QUICK / "quick_server")
    customers.set_trained_before(azure_folder, True)
    yield engine.up(lambda event: None)
    customers.set_trained_before(azure_folder, False)
    programs.clear(azure_folder)
    engine.destroy(lambda event: None)
    patch.undo()


@pytest.fixture
def tuning(stack: StackOutputs) -> Iterator[OpenAITuning]:
    service = OpenAITuning(Cloud.sign_in(stack.subscription_id), stack, wait=pause)
    yield service
    list(service.clear(lambda text: None))


@pytest.fixture
def order(tmp_path: Path) -> Callable[..., ManagedOrder]:
    """Make an order; `does` is what the trainer reads in the file."""

    def make(does: str = "", rows: int = 12, **chosen: Any) -> ManagedOrder:
        training = {"epochs": 3, "batch_size": 4, **chosen.pop("training", {})}
        fields = {
            "name": "travel",
            "description": "A travel agent.",
            "model_name": "travel",
            "route": "openai",
            "base": {"id": BASE},
            "suffix": "ft-travel",
            "training": training,
            **chosen,
        }
        recipe = OpenAIRecipe.model_validate(fields)
        train = chats(tmp_path / "train.jsonl", range(rows), does)
        return ManagedOrder(recipe, train, chats(tmp_path / "validation.jsonl", range(90, 94)), 0.5)

    return make


def chats(path: Path, numbers: range, does: str = "") -> Prepared:
    asked = [{"role": "user", "content": f"Question {number} {does}"} for number in numbers]
    given = [{"role": "assistant", "content": f"Answer {number}"} for number in numbers]
    return written(path, [{"messages": list(one)} for one in zip(asked, given, strict=True)])


def pair(number: int) -> dict[str, Any]:
    return {
        "input": {"messages": [{"role": "user", "content": f"Question {number}"}]},
        "preferred_output": [{"role": "assistant", "content": f"Answer {number}"}],
        "non_preferred_output": [{"role": "assistant", "content": "I do not know."}],
    }


def written(path: Path, lines: list[dict[str, Any]]) -> Prepared:
    """Write lines as the service takes them."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8-sig")
    content = path.read_bytes()
    return Prepared(path, len(lines), len(content), sha256(content).hexdigest(), len(content))


def submit(tuning: OpenAITuning, order: ManagedOrder) -> str:
    return tuning.submit(order, lambda text: None).name


def told(tuning: OpenAITuning, job: str) -> list[Event]:
    return list(follow(tuning, job, wait=pause))


def until(tuning: OpenAITuning, job: str, ready: Callable[[ManagedJob], bool]) -> ManagedJob:
    """Look until a job is as it should be."""
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        found = tuning.job(job)
        assert found is not None
        if ready(found):
            return found
        pause(1)
    raise AssertionError(f"{job} is {found}")


def paused(tuning: OpenAITuning, job: str) -> None:
    """Pause a job as soon as it has made a step, which Azure asks for."""
    deadline = time.monotonic() + WITHIN
    until(tuning, job, lambda one: one.status == "Running")
    while True:
        try:
            tuning.pause(job)
            return
        except CloudError:
            assert time.monotonic() < deadline
            pause(1)


def test_from_the_file_to_the_model_and_its_end(
    tuning: OpenAITuning, order: Callable[..., ManagedOrder]
) -> None:
    said: list[str] = []
    name = tuning.submit(order(training={"seed": 7}), said.append).name
    events = told(tuning, name)
    assert [event.status for event in events if isinstance(event, Status)][-1] == "Completed"
    texts = [event.text for event in events if isinstance(event, LogLine)]
    assert texts[0] == "Job enqueued. Waiting for jobs ahead to complete."
    assert texts.index("Job started.") < texts.index("Job succeeded.")
    losses = [event.values["loss"] for event in events if isinstance(event, Metrics)]
    assert losses
    assert list(read_events(tuning, name)) == [e for e in events if not isinstance(e, Status)]

    job = tuning.job(name)
    assert job is not None
    assert job.tuned.startswith(f"{BASE}.ft-")
    assert job.tuned.endswith("-ft-travel")
    assert job.trained_tokens
    assert (job.tags["recipe"], job.tags["tunestack-estimate-usd"]) == ("travel", "0.5000")
    assert [one.name for one in tuning.jobs()] == [name]

    curve = tuning.curve(name)
    assert [point["step"] for point in curve] == list(range(1, 10))
    assert curve[-1]["train_loss"] < curve[0]["train_loss"]
    states = tuning.checkpoints(name)
    # The trainer lets go of all but two states; what the local Azure has caught of them is kept.
    assert [one.step for one in states] in ([6], [6, 3])

    model, *earlier = tuning.models()
    assert (model.path, model.job, str(model.ref)) == (job.tuned, name, f"{job.tuned}:1")
    assert [one.path for one in earlier] == [one.model for one in states]
    assert earlier[0].path == f"{job.tuned}:ckpt-step-6"
    assert model.created >= earlier[0].created

    again = submit(tuning, order(does="", training={"seed": 8}))
    assert sum("Uploading" in text for text in said) == 2
    assert len(uploaded(tuning)) == 2
    told(tuning, again)
    tuning.delete_model(model)
    assert tuning.job(name) is None
    assert {one.job for one in tuning.models()} == {again}
    gone = list(tuning.clear(said.append))
    assert any(again in one for one in gone)
    assert (tuning.jobs(), tuning.models(), uploaded(tuning)) == ([], [], [])


def uploaded(tuning: OpenAITuning) -> list[str]:
    return [file.filename for file in files.list_files(tuning._api) if files.is_ours(file.filename)]


@pytest.mark.slow
def test_a_tuned_model_is_tuned_on(
    tuning: OpenAITuning, order: Callable[..., ManagedOrder]
) -> None:
    """Slow: two trainings one after the other."""
    first = submit(tuning, order())
    told(tuning, first)
    job = tuning.job(first)
    assert job is not None
    second = submit(tuning, order(base={"id": job.tuned}))
    told(tuning, second)
    found = tuning.job(second)
    assert found is not None
    assert found.base == job.tuned


def test_pairs_are_learned_from_a_large_file_that_goes_up_in_parts(
    tuning: OpenAITuning,
    order: Callable[..., ManagedOrder],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files, "PARTS_FROM", 500)
    monkeypatch.setattr(files, "PART", 400)
    recipe = order(objective="dpo", training={"beta": 0.2}).recipe
    asked = ManagedOrder(recipe, written(tmp_path / "pairs.jsonl", [pair(n) for n in range(12)]))
    said: list[str] = []
    name = tuning.submit(asked, said.append).name
    assert sum("MB sent" in text for text in said) >= 3
    (stored,) = [
        file.id
        for file in files.list_files(tuning._api)
        if file.filename == files.file_name(asked.train.sha256)
    ]
    assert files.read_file(tuning._api, stored) == asked.train.path.read_bytes()
    assert told(tuning, name)[-1] == Status("Completed")
    (job,) = tuning.jobs()
    assert (job.tags["method"], job.tags["beta"]) == ("dpo", "0.2")


def test_a_job_is_paused_and_goes_on_from_its_step(
    tuning: OpenAITuning, order: Callable[..., ManagedOrder], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    name = submit(tuning, order(f"[wait 4 {gate}]"))
    paused(tuning, name)
    with pytest.raises(JobPaused) as caught:
        told(tuning, name)
    assert caught.value.hint == f"Go on: tunestack jobs resume {name}"
    assert [one.step for one in tuning.checkpoints(name)]
    assert all(model.ref.version.startswith("ckpt-step-") for model in tuning.models())
    gate.touch()
    assert tuning.resume(name).status == "Running"
    told(tuning, name)
    assert [point["step"] for point in tuning.curve(name)] == list(range(1, 10))


def test_a_job_is_cancelled_and_stays_so(
    tuning: OpenAITuning, order: Callable[..., ManagedOrder], tmp_path: Path
) -> None:
    name = submit(tuning, order(f"[wait {tmp_path / 'never'}]"))
    until(tuning, name, lambda one: one.status == "Running")
    assert tuning.cancel(name).status == "Canceled"
    assert tuning.cancel(name).status == "Canceled"
    with pytest.raises(JobFailed, match="ended as Canceled"):
        told(tuning, name)
    with pytest.raises(UserError, match="cannot be resumed: it is Canceled"):
        tuning.resume(name)


def test_a_job_that_fails_says_why(
    tuning: OpenAITuning, order: Callable[..., ManagedOrder]
) -> None:
    name = submit(tuning, order("[fail 2]"))
    with pytest.raises(JobFailed, match="ended as Failed") as caught:
        told(tuning, name)
    job = tuning.job(name)
    assert job is not None
    assert job.error
    assert job.error.rstrip(".") in str(caught.value)


def test_a_file_that_is_no_data_fails_before_or_in_the_job_with_its_reason(
    tuning: OpenAITuning, order: Callable[..., ManagedOrder], tmp_path: Path
) -> None:
    asked = order()
    path = tmp_path / "odd.jsonl"
    path.write_bytes(b"\xef\xbb\xbfnot json\n" * 12)
    content = path.read_bytes()
    odd = Prepared(path, 12, len(content), sha256(content).hexdigest(), 12)
    with pytest.raises(UserError, match=r"odd\.jsonl"):
        tuning.submit(ManagedOrder(asked.recipe, odd), lambda text: None)
    assert tuning.jobs() == []


@pytest.mark.parametrize(
    ("base", "helps"),
    [
        ("o9-2031-01-01", "tunestack recipe list"),
        ("o4-mini-2025-04-16", "tunestack recipe list"),
        ("gpt-oss-20b", "tier: GlobalStandard"),
    ],
)
def test_a_model_that_is_not_tuned_so_is_refused_with_what_helps(
    tuning: OpenAITuning, order: Callable[..., ManagedOrder], base: str, helps: str
) -> None:
    with pytest.raises(CloudError, match="invalidPayload") as caught:
        submit(tuning, order(tier="Standard", base={"id": base}))
    assert caught.value.status == 400
    assert helps in caught.value.hint
    assert caught.value.request_id in caught.value.hint
    assert tuning.jobs() == []


@pytest.mark.slow
def test_a_model_that_is_served_stays_until_its_deployment_is_gone(
    tuning: OpenAITuning, stack: StackOutputs, order: Callable[..., ManagedOrder]
) -> None:
    """Slow: a training and a deployment."""
    told(tuning, submit(tuning, order()))
    model = tuning.models()[0]
    account = (
        f"/subscriptions/{stack.subscription_id}/resourceGroups/{stack.resource_group}"
        f"/providers/Microsoft.CognitiveServices/accounts/{stack.ai_account}"
    )
    arm = Cloud.sign_in(stack.subscription_id).arm
    served = {"format": "OpenAI", "name": model.path, "version": model.ref.version}
    body = {"sku": {"name": "DeveloperTier", "capacity": 5}, "properties": {"model": served}}
    arm.put(f"{account}/deployments/travel", API, body)
    with pytest.raises(CloudError, match="existing deployment") as caught:
        tuning.delete_model(model)
    assert "tunestack undeploy" in caught.value.hint
    arm.delete(f"{account}/deployments/travel", API)
    tuning.delete_model(model)
    assert tuning.models() == []


class Nobody:
    """Signs somebody in who has no role anywhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        audience = AUDIENCES[scopes[0].removesuffix("/.default")]
        somebody = Principal("ServicePrincipal", "somebody", "somebody")
        return AccessToken(mint(self.folder, somebody, audience), 2**32)


def test_who_has_no_role_is_told_which_is_missing(
    stack: StackOutputs, azure_folder: Path, order: Callable[..., ManagedOrder]
) -> None:
    cloud = Cloud(stack.subscription_id, Nobody(azure_folder))
    with pytest.raises(CloudError, match="PermissionDenied") as caught:
        OpenAITuning(cloud, stack).submit(order(), lambda text: None)
    assert caught.value.status == 401
    assert "Cognitive Services OpenAI Contributor" in caught.value.hint


@pytest.mark.slow
def test_a_follow_that_is_killed_is_taken_up_without_a_gap(
    tuning: OpenAITuning,
    stack: StackOutputs,
    order: Callable[..., ManagedOrder],
    tmp_path: Path,
) -> None:
    """Slow: a follower in a process of its own, and a training of 24 steps.

    That a follow begun anew misses nothing is in test_tuning_following.py, every day.
    """
    gate = tmp_path / "gate"
    asked = order(f"[wait 15 {gate}]", training={"epochs": 8})
    name = submit(tuning, asked)
    argv = [sys.executable, str(Path(__file__).with_name("killed_follower.py"))]
    root = str(Path(__file__).parents[3])
    process = subprocess.Popen(
        [*argv, stack.model_dump_json(), name],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert process.stdout is not None
    before = []
    for line in process.stdout:
        before.append(line.strip())
        if "Metrics" in line:
            break
    process.kill()
    assert process.wait() == -9
    process.stdout.close()
    gate.touch()
    until(tuning, name, lambda one: one.status == "Completed")  # nobody looked meanwhile
    after = [str(event) for event in told(tuning, name)]
    lines = [line for line in before if not line.startswith("Status")]
    assert lines
    assert after[: len(lines)] == lines
    assert len(after) - 1 == len(tuning.events(name))
    assert after[-1] == "Status(status='Completed')"
