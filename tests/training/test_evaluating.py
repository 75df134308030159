"""Evaluation jobs: ordered, found again, followed, kept; by a quick program on the local Azure."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import commands.evaluate.answers.on_node as on_node
import training.evaluating
import training.follow
from commands.evaluate.answers.on_node import collect_on_node
from commands.evaluate.asked import Asked, OnNode
from commands.session import Session
from core.cloud import Cloud
from core.errors import JobFailed, SettingsError, UserError
from core.refs import StackOutputs
from core.settings import Settings
from evaluation.cases import Case, Decoding, Message
from evaluation.sides import Side
from evaluation.store import AnswerStore
from infra.standing.run_times import last_completed
from infra.standing.workloads import workspace_id
from tests.training.quick import QUICK_JOB, order, recipe
from tests.typed_commands import run
from training.evaluating import (
    NodeSide,
    evaluation_jobs,
    order_evaluation,
    read_replies,
    stage_program,
    submit_evaluation,
)
from training.evaluation_orders import ASKED, EVALUATION_TAG
from training.follow import follow
from training.jobs import list_jobs
from training.kept_orders import code_sha256
from training.models import register
from training.submission import submit

GREEDY = Decoding(max_tokens=8)


@pytest.fixture(autouse=True)
def stack(cloud: Cloud, outputs: StackOutputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the commands at the tests' stack and at the quick program; look often."""
    monkeypatch.setattr(Session, "cloud", cloud)
    monkeypatch.setattr(Session, "outputs", outputs)
    monkeypatch.setattr(Session, "settings", Settings(compute="cpu", low_priority=True))
    monkeypatch.setattr(training.evaluating, "JOB_FOLDER", QUICK_JOB)
    monkeypatch.setattr(training.follow, "FIRST_WAIT", 0.1)
    monkeypatch.setattr(training.follow, "LONGEST_WAIT", 0.1)


@pytest.fixture(scope="module")
def job(cloud: Cloud, outputs: StackOutputs, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A training job with checkpoints, and a model registered of it."""
    chosen = recipe("hold 99", model_name="evaluating")
    made = submit(cloud, outputs, order(tmp_path_factory.mktemp("data"), chosen)).name
    for _ in follow(cloud, outputs, made, wait=lambda _: time.sleep(0.05)):
        pass
    register(cloud, outputs, made)
    return made


def sides(job: str) -> list[NodeSide]:
    return [
        NodeSide("base", job, "base"),
        NodeSide("evaluating:1", job, "model", model="evaluating:1"),
        NodeSide(f"{job}@3", job, "checkpoint", step=3),
    ]


def asked(job: str, *numbers: int) -> list[Asked]:
    return [
        Asked(Side(name=source.name, where="node", identity={"of": str(source)}), OnNode(source))
        for source in (sides(job)[number] for number in numbers)
    ]


def case(question: str, reference: str = "a walk") -> Case:
    return Case(messages=(Message(role="user", content=question),), reference=reference)


def lines(*cases: Case) -> bytes:
    records = [{"id": c.id, "messages": c.asked(), "reference": c.reference} for c in cases]
    return "".join(json.dumps(record) + "\n" for record in records).encode()


Collect = Callable[..., AnswerStore]


@pytest.fixture
def collect(tmp_path: Path) -> Collect:
    """Collects into a store of the test's own; again with the same one."""

    def collected(who: list[Asked], cases: list[Case], folder: str = "store", **more: Any) -> Any:
        store = AnswerStore(tmp_path / folder)
        session = Session("local")
        options = {"yes": True, "max_cost": None} | more
        collect_on_node(session, who, cases, GREEDY, store, **options)
        return store

    return collected


def evaluations(cloud: Cloud, outputs: StackOutputs) -> list[str]:
    return [j["name"] for j in list_jobs(cloud, outputs) if EVALUATION_TAG in j["tags"]]


def test_every_kind_of_side_gets_its_weights_and_its_answers_come_back(
    job: str, cloud: Cloud, outputs: StackOutputs
) -> None:
    asks = (case("A walk?"), case("Rain?"))
    ordered = order_evaluation(cloud, outputs, sides(job), lines(*asks), GREEDY.model_dump())
    assert evaluation_jobs(cloud, outputs, ordered) == []
    made = submit_evaluation(cloud, outputs, ordered)
    for _ in follow(cloud, outputs, made.name, wait=lambda _: time.sleep(0.05)):
        pass
    found = read_replies(cloud, outputs, made.name)
    texts = {side: {line["text"] for line in given} for side, given in found.items()}
    assert texts == {
        "base": {"base: A walk?", "base: Rain?"},
        "evaluating:1": {"quick of 3 steps: A walk?", "quick of 3 steps: Rain?"},
        f"{job}@3": {"3: A walk?", "3: Rain?"},
    }
    again = order_evaluation(cloud, outputs, sides(job), lines(*asks), GREEDY.model_dump())
    (there,) = evaluation_jobs(cloud, outputs, again)
    assert there.name == made.name


def test_whatever_changes_the_answers_makes_another_evaluation(
    job: str, cloud: Cloud, outputs: StackOutputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks, greedy = lines(case("A walk?")), GREEDY.model_dump()
    first = order_evaluation(cloud, outputs, sides(job), asks, greedy)
    same = order_evaluation(cloud, outputs, sides(job)[::-1], asks, greedy)
    others = [
        order_evaluation(cloud, outputs, sides(job)[:2], asks, greedy),
        order_evaluation(cloud, outputs, sides(job), lines(case("Rain?")), greedy),
        order_evaluation(cloud, outputs, sides(job), asks, greedy | {"max_tokens": 9}),
    ]
    folder = tmp_path / "job"
    folder.mkdir()
    for file in (file for file in QUICK_JOB.iterdir() if file.is_file()):
        (folder / file.name).write_bytes(file.read_bytes() + b"\n")
    monkeypatch.setattr(training.evaluating, "JOB_FOLDER", folder)
    others.append(order_evaluation(cloud, outputs, sides(job), asks, greedy))
    assert same.id == first.id
    assert len({first.id, *(other.id for other in others)}) == 5


def test_the_program_is_the_training_s_with_what_core_shares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    code = stage_program(tmp_path)
    names = {path.name for path in code.iterdir()}
    assert {"evaluate.py", "base_model.py", "template_fingerprint.py", "overfit.py"} <= names
    assert code_sha256(code) == code_sha256(stage_program(tmp_path / "again"))


def test_what_is_missing_alone_is_asked_and_a_second_time_nothing(
    job: str, collect: Collect, cloud: Cloud, outputs: StackOutputs
) -> None:
    base, tuned = asked(job, 0, 1)
    one, two = case("One?"), case("Two?", reference="")
    collect([base], [one])
    store = collect([base, tuned], [one, two])
    count = len(evaluations(cloud, outputs))
    assert {len(store.missing(who.side, GREEDY, [one, two])) for who in (base, tuned)} == {0}
    reply = store.get(tuned.side.key, GREEDY.id, one.id, one.reference_id)
    assert reply and (reply.text, reply.nll, reply.tokens) == ("quick of 3 steps: One?", 1.5, 3)
    collect([base, tuned], [one, two])
    assert len(evaluations(cloud, outputs)) == count
    newest = read_replies(cloud, outputs, evaluations(cloud, outputs)[0])
    assert {side: len(given) for side, given in newest.items()} == {"base": 1, "evaluating:1": 2}


def test_a_lost_store_is_filled_from_the_job_that_has_ended(
    job: str, collect: Collect, cloud: Cloud, outputs: StackOutputs
) -> None:
    who, asks = asked(job, 0), [case("Lost?")]
    collect(who, asks)
    count = len(evaluations(cloud, outputs))
    store = collect(who, asks, folder="new")
    assert not store.missing(who[0].side, GREEDY, asks)
    assert len(evaluations(cloud, outputs)) == count


def test_ctrl_c_leaves_the_job_and_the_same_command_takes_it_up(
    job: str,
    collect: Collect,
    cloud: Cloud,
    outputs: StackOutputs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    who, asks = asked(job, 0), [case("First?"), case(f"hold {tmp_path / 'go'}")]
    count = len(evaluations(cloud, outputs))

    def interrupted(*given: Any) -> Iterator[Any]:
        yield next(follow(*given))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(on_node, "follow", interrupted)
        collect(who, asks)
    assert "the same tunestack evaluate again takes the job up" in " ".join(
        capsys.readouterr().err.split()
    )
    (tmp_path / "go").touch()
    store = collect(who, asks)
    assert "runs already" in capsys.readouterr().err
    assert not store.missing(who[0].side, GREEDY, asks)
    assert len(evaluations(cloud, outputs)) == count + 1


def test_of_a_job_that_fails_the_answers_are_kept(
    job: str, collect: Collect, cloud: Cloud, outputs: StackOutputs, tmp_path: Path
) -> None:
    who, asks = asked(job, 0), [case("Before?"), case("fail"), case("After?")]
    with pytest.raises(JobFailed) as failed:
        collect(who, asks)
    assert "1 of 3 answers are kept." in failed.value.hint
    assert "--cluster" in failed.value.hint and "jobs resume" not in failed.value.hint
    store = AnswerStore(tmp_path / "store")
    assert store.missing(who[0].side, GREEDY, asks) == asks[1:]
    collect(who, [asks[0], asks[2]])
    newest = read_replies(cloud, outputs, evaluations(cloud, outputs)[0])
    assert [line["case"] for line in newest["base"]] == [asks[2].id]


def test_of_a_job_that_failed_when_nobody_looked_the_answers_are_taken_over(
    job: str,
    collect: Collect,
    cloud: Cloud,
    outputs: StackOutputs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    who, asks = asked(job, 0), [case("Early?"), case(f"hold {tmp_path / 'on'}"), case("fail")]

    def interrupted(*given: Any) -> Iterator[Any]:
        yield next(follow(*given))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(on_node, "follow", interrupted)
        collect(who, asks)
    (tmp_path / "on").touch()
    with pytest.raises(JobFailed):
        list(follow(cloud, outputs, evaluations(cloud, outputs)[0]))
    with pytest.raises(JobFailed):
        collect(who, asks)
    assert AnswerStore(tmp_path / "store").missing(who[0].side, GREEDY, asks) == asks[2:]
    newest, before = (job["tags"][ASKED] for job in list_jobs(cloud, outputs)[:2])
    assert (newest, before) == ("1", "3")


def test_a_version_that_was_deleted_and_made_again_is_asked_anew(
    job: str, cloud: Cloud, outputs: StackOutputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = (lines(case("A walk?")), GREEDY.model_dump())
    first = order_evaluation(cloud, outputs, sides(job)[1:2], *asks)
    found = training.evaluating.find_model

    def made_again(*given: Any) -> dict[str, Any]:
        return found(*given) | {"created": "2026-11-23T08:00:00+00:00"}

    monkeypatch.setattr(training.evaluating, "find_model", made_again)
    assert order_evaluation(cloud, outputs, sides(job)[1:2], *asks).id != first.id


def test_nothing_is_sent_that_costs_more_than_allowed_or_cannot_be_asked(
    job: str, collect: Collect, cloud: Cloud, outputs: StackOutputs
) -> None:
    count = len(evaluations(cloud, outputs))
    with pytest.raises(SettingsError, match="--max-cost 0: 4 h on one"):
        collect(asked(job, 0), [case("Dear?")], max_cost=0.0)
    unknown = NodeSide("x", job, "model", model="evaluating:99")
    with pytest.raises(UserError, match="no model evaluating:99"):
        order_evaluation(cloud, outputs, [unknown], lines(case("Who?")), {})
    with pytest.raises(SettingsError, match="of one training job"):
        order_evaluation(cloud, outputs, [sides(job)[0], sides("other")[0]], b"", {})
    with pytest.raises(UserError, match="No order was kept for a job nobody"):
        order_evaluation(cloud, outputs, [NodeSide("x", "nobody", "base")], b"", {})
    assert len(evaluations(cloud, outputs)) == count


def test_a_list_of_jobs_tells_an_evaluation_from_a_training(
    job: str, collect: Collect, cloud: Cloud, outputs: StackOutputs
) -> None:
    collect(asked(job, 0, 1), [case("Listed?")])
    (name, *_) = evaluations(cloud, outputs)
    told = run("jobs", "list").stdout
    assert "evaluates base, evaluating:1" in " ".join(told.split())
    assert name in run("jobs", "show", name).stdout
    newest = last_completed(cloud.arm, workspace_id(outputs))
    assert newest is not None and newest.name not in evaluations(cloud, outputs)
