"""A job's checkpoints against its base: who is asked where, and that nothing stays behind."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from commands.evaluate import bake_off as own
from commands.evaluate import managed_bake_off as managed
from commands.evaluate.bake_off import bake_off, print_ranking, require_choice, sides
from commands.evaluate.managed_bake_off import managed_bake_off
from commands.evaluate.running import Order
from commands.session import Session
from core.errors import PrerequisiteError, SettingsError, UserError
from deploy.managed.contract import Hosted, HostedOrder
from deploy.managed.hostings import hostings
from evaluation.gates.gate import Gate
from evaluation.gates.ranking import Ranking, rank
from evaluation.numbers.measuring import measure
from evaluation.replies import Reply
from evaluation.results import Evaluation
from evaluation.sides import Side
from evaluation.suites.suite import parse_suite
from local.process import LocalAzure
from tests.deploy.managed.managed_stack import chat, managed_stack
from tests.evaluation.example import evaluation, side
from tests.evaluation_commands.standing_stack import TUNED_GPT, Service, Stack, hosted, order
from training import kept_orders
from training.managed.contract import Checkpoint
from training.managed.services import services

SUITE = "name: brief\ndecoding: {max_tokens: 20}\n"
JOB = "ftjob-1"
MARK = "bake-off-3c114718-"


class Hosting:
    """An account that has a deployment once it is made, and tells what was done to it."""

    route = "openai"

    def __init__(self, *standing: Hosted) -> None:
        self.found = {one.name: one for one in standing}
        self.done: list[str] = []
        self.refuses: list[str] = []

    def deployments(self) -> list[Hosted]:
        return list(self.found.values())

    def findings(self, orders: Sequence[HostedOrder]) -> list[str]:
        assert len(orders) == 1, "each goes before the next comes"
        return self.refuses

    def per_hour(self, order: HostedOrder) -> float | None:
        return 0.0

    def deploy(self, order: HostedOrder, tell: Callable[[str], None]) -> Hosted:
        assert order.serves == "base" or order.sku == "DeveloperTier"
        self.done.append(f"deploy {order.name}")
        made = hosted(order.name, order.model, order.serves, created=f"2026-11-22T{len(self.done)}")
        self.found[order.name] = made
        return made

    def delete(self, name: str, tell: Callable[[str], None]) -> None:
        self.done.append(f"delete {name}")
        self.found.pop(name, None)

    def access(self, hosted: Hosted) -> Any:
        raise AssertionError("nobody is asked in these tests")


class Asking:
    """Answers for everybody; `stops_at` is where the person presses Ctrl-C."""

    def __init__(self, hosting: Hosting) -> None:
        self.hosting, self.stops_at, self.asked = hosting, "", []

    def __call__(self, asked: Any, cases: Any, decoding: Any, store: Any) -> tuple[str, ...]:
        (one,) = asked
        for case in store.missing(one.side, decoding, cases):
            if one.side.name == self.stops_at and len(self.asked) % 12 == 5:
                raise KeyboardInterrupt
            self.asked.append(one.side.name)
            store.add(Reply(case=case.id, side=one.side.key, decoding=decoding.id,
                            text=f"{one.side.name} says word"))  # fmt: skip
        return ()


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path / "home"))
    path = tmp_path / "chats.jsonl"
    path.write_text("".join(json.dumps(chat(number, "word")) + "\n" for number in range(12)))
    return path


class Kitchen:
    """A managed job with two checkpoints, and the account in which they are tried."""

    def __init__(self, data: Path, patch: pytest.MonkeyPatch) -> None:
        self.service = Service()
        self.hosting = Hosting(hosted("travel", TUNED_GPT, "tuned"))
        self.asking = Asking(self.hosting)
        self.session = Stack(service=self.service).answers(patch).session
        self.session.outputs.content_filter = "stack"
        kept = [Checkpoint(f"{TUNED_GPT}:ckpt-step-{step}", step) for step in (20, 10)]
        patch.setattr(self.service, "checkpoints", lambda name: kept)
        patch.setattr(managed, "hostings", lambda *given: (self.hosting,))
        patch.setattr(managed, "collect_live", self.asking)
        patch.setattr("commands.evaluate.running.measure", partial(measure, resamples=50))
        self.order = Order((), parse_suite(SUITE, "brief"), SUITE, data=data, yes=True)

    def bake(self, **changes: Any) -> Evaluation:
        job = self.service.job(JOB)
        assert job is not None
        return managed_bake_off(
            self.session,
            self.service,
            job,
            replace(self.order, **changes),  # type: ignore[arg-type]
        )


@pytest.fixture
def kitchen(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kitchen]:
    yield Kitchen(data, monkeypatch)


def tried(*ends: str) -> list[str]:
    return [f"{verb} {MARK}{end}" for end in ends for verb in ("deploy", "delete")]


def test_each_is_deployed_asked_and_taken_down_and_what_stands_is_left(kitchen: Kitchen) -> None:
    found = kitchen.bake()
    assert [side.name for side in found.sides] == ["base", f"{JOB}@10", f"{JOB}@20", "tuned"]
    assert [side.model for side in found.sides][1:] == [
        f"{TUNED_GPT}:ckpt-step-10", f"{TUNED_GPT}:ckpt-step-20", f"{TUNED_GPT}:1"
    ]  # fmt: skip
    assert kitchen.hosting.done == tried("base", "10", "20")
    assert list(kitchen.hosting.found) == ["travel"]
    assert all(len(case.replies) == 4 for case in found.cases)


def test_again_it_asks_nobody_and_deploys_nothing(kitchen: Kitchen) -> None:
    first = kitchen.bake()
    kitchen.hosting.done.clear()
    asked = len(kitchen.asking.asked)
    second = kitchen.bake()
    assert second.metrics == first.metrics
    assert kitchen.hosting.done == [] and len(kitchen.asking.asked) == asked == 48


def test_ctrl_c_leaves_nothing_behind_and_the_next_run_goes_on(kitchen: Kitchen) -> None:
    kitchen.asking.stops_at = f"{JOB}@10"
    with pytest.raises(KeyboardInterrupt):
        kitchen.bake()
    assert kitchen.hosting.done == tried("base", "10")
    kitchen.asking.stops_at = ""
    kitchen.hosting.done.clear()
    kitchen.bake()
    assert kitchen.hosting.done == tried("10", "20")
    assert len(kitchen.asking.asked) == 48, "nobody was asked anything twice"


def test_what_a_kill_left_is_removed_first_and_only_that(kitchen: Kitchen) -> None:
    kitchen.bake()
    for name in (f"{MARK}20", "bake-off-00000000-20", "travel-step-20"):
        kitchen.hosting.found[name] = hosted(name, f"{TUNED_GPT}:ckpt-step-20", "tuned")
    kitchen.hosting.done.clear()
    kitchen.bake()
    assert kitchen.hosting.done == [f"delete {MARK}20"]


def test_what_would_stop_it_is_told_before_anything_is_sent(kitchen: Kitchen) -> None:
    kitchen.hosting.refuses = ["no quota for DeveloperTier"]
    with pytest.raises(PrerequisiteError) as caught:
        kitchen.bake()
    assert str(caught.value).count("no quota for DeveloperTier") == 1
    assert not kitchen.hosting.done and not kitchen.asking.asked


def test_what_costs_more_than_allowed_is_not_begun(kitchen: Kitchen) -> None:
    with pytest.raises(SettingsError, match="--max-cost 1e-06") as caught:
        kitchen.bake(max_cost=0.000001)
    assert f"{JOB}@10: $" in str(caught.value)
    assert not kitchen.hosting.done
    assert kitchen.bake(max_cost=1.0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"status": "Running"}, "is Running: it has not ended"), ({}, "no checkpoint is kept")],
)
def test_a_job_without_checkpoints_is_told_so(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], told: str
) -> None:
    kitchen.service._job = replace(kitchen.service._job, **changes)
    kitchen.service.no_checkpoints = "no checkpoint is kept yet"  # type: ignore[attr-defined]
    monkeypatch.setattr(kitchen.service, "checkpoints", lambda name: [])
    with pytest.raises(UserError, match=told):
        kitchen.bake()


def test_of_ones_own_job_the_whole_checkpoints_are_asked_from_the_earliest_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ["checkpoint-100/whole.json", "checkpoint-100/model.safetensors", "best.json",
             "checkpoint-20/whole.json", "checkpoint-60/model.safetensors",
             "unfinished/whole.json"]  # fmt: skip
    status = SimpleNamespace(status="Completed")
    monkeypatch.setattr(own, "find_job", lambda *given: status)
    monkeypatch.setattr(own, "read_order", lambda cloud, outputs, job: order(job))
    folder = SimpleNamespace(names=lambda: names)
    monkeypatch.setattr(kept_orders, "blob_folder", lambda *given: folder)
    session: Any = SimpleNamespace(cloud=None, outputs=None, stack="dev")
    assert sides(session, "j") == ("base", "j@20", "j@100")
    names.clear()
    with pytest.raises(UserError, match="no whole checkpoint is kept"):
        sides(session, "j")
    status.status = "Running"
    with pytest.raises(UserError, match="come and go until it has ended"):
        sides(session, "j")


def test_the_ranking_is_shown_and_a_gate_that_nobody_passes_is_a_failure(
    kitchen: Kitchen, capsys: pytest.CaptureFixture[str]
) -> None:
    found = kitchen.bake()
    ranking = rank(found)
    print_ranking(ranking, found)
    require_choice(ranking)
    shown = capsys.readouterr()
    assert "Ranked by chrf" in shown.out and f"{JOB}@10" in shown.out
    assert "confirm the choice on cases that had no part in it" in " ".join(shown.err.split())
    wanted = {"name": "high", "min_cases": 5, "require": [{"metric": "chrf", "min": 99}]}
    nobody = rank(found, Gate.model_validate(wanted))
    print_ranking(nobody, found)
    with pytest.raises(UserError) as caught:
        require_choice(nobody)
    assert caught.value.exit_code == 1
    for name in (f"{JOB}@10", f"{JOB}@20", "tuned"):
        assert f"{name}: chrf: " in str(caught.value)


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        (side("j@40", model="j@40", role="checkpoint"), "models register j@40 --stack dev, then"),
        (
            side("c", model=f"{TUNED_GPT}:ckpt-step-20", role="checkpoint", route="openai"),
            f"deploy --model {TUNED_GPT}:1 --checkpoint 20 --stack dev",
        ),
        (side("tuned", model="travel:3"), "deploy --model travel:3 --stack dev"),
    ],
)
def test_the_last_line_names_the_command_that_takes_the_choice(
    chosen: Side, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = evaluation(4, ("base", chosen.name), stack="dev")
    made = made.model_copy(update={"sides": (side("base"), chosen)})
    print_ranking(Ranking(metric="chrf", best=chosen.name, chosen=chosen.name, rows=()), made)
    *_, last = capsys.readouterr().err.replace("\n", " ").partition("Next: tunestack ")
    assert " ".join(last.split()).startswith(told)


@pytest.mark.slow
def test_on_the_local_azure_checkpoints_really_come_answer_and_go(
    local_azure: LocalAzure, azure_folder: Path, tmp_path: Path, data: Path
) -> None:
    """Slow: a training and three deployments, on a stack of its own."""
    with managed_stack("baked", azure_folder, tmp_path / "home", foundry=True) as stack:
        stack.tuned("word")
        (service,) = services(stack.cloud, stack.outputs)
        (job,) = service.jobs()
        (hosting,) = hostings(stack.cloud, stack.outputs)
        mark = managed.mark_of(job)
        left = HostedOrder(f"{mark}tuned", job.tuned, base=job.base, sku="GlobalStandard")
        hosting.deploy(left, lambda text: None)
        text = SUITE
        order = Order((), parse_suite(text, "brief"), text, data=data, yes=True)
        found, ranking = bake_off(Session("baked"), "", order)
        assert hosting.deployments() == []
        steps = [one.step for one in service.checkpoints(job.name)]
        assert [side.name for side in found.sides] == [
            "base", *(f"{job.name}@{step}" for step in sorted(steps)), "tuned"
        ]  # fmt: skip
        assert all(len(case.replies) == len(found.sides) for case in found.cases)
        assert ranking.metric == "chrf" and ranking.chosen
