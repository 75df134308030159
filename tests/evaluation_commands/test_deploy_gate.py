"""`deploy --gate` as it is typed: only what has passed is deployed, and a refusal sends nothing.

The Azure is the local one, scoring and tuning programs are small ones; the evaluations are kept in
the stack's real storage and read from there.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from commands.evaluate.keeping import keep
from commands.session import Session
from core.arm import Arm
from deploy.endpoint import find, undeploy
from deploy.releasing.rollout import deploy as deploy_to_endpoint
from evaluation.results import Evaluation
from local.process import LocalAzure
from tests.deploy.managed.managed_stack import ManagedStack, managed_stack
from tests.evaluation.example import evaluation, side

PROGRAM = Path(__file__).parents[1] / "deploy" / "quick_serving"
STACK = "gated"
DEPLOY = ("deploy", "--yes")
OWN = ("--vm-size", "Standard_E4s_v3", "--ignore", "image.serving-tag")


@pytest.fixture(scope="module")
def stack(
    local_azure: LocalAzure, azure_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ManagedStack]:
    home = tmp_path_factory.mktemp("home")
    with (
        managed_stack(STACK, azure_folder, home, foundry=True) as made,
        pytest.MonkeyPatch.context() as patch,
    ):
        quick = partial(deploy_to_endpoint, program=PROGRAM)
        patch.setattr("commands.deploying.deploy_to_endpoint", quick)
        yield made
        undeploy(made.cloud, made.outputs)


@pytest.fixture(scope="module")
def model(stack: ManagedStack, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A registered model that answers with a word."""
    from azure.ai.ml.entities import Model

    folder = tmp_path_factory.mktemp("model")
    (folder / "word.txt").write_text("held")
    tags = {"experiment": "tunestack", "parameters": "134515008"}
    asset = Model(name="says-held", path=str(folder), type="custom_model", tags=tags)
    stack.cloud.workspace(stack.outputs).models.create_or_update(asset)
    return "says-held:1"


@pytest.fixture
def gate(tmp_path: Path) -> Callable[..., Path]:
    """Write a gate; without thresholds of its own one that the example passes."""

    def write(*lines: str) -> Path:
        path = tmp_path / "mine.yaml"
        wanted = lines or ("{metric: rule.hard, min: 0.9, better: true}",)
        rows = "".join(f"  - {line}\n" for line in wanted)
        path.write_text(f"name: mine\nmin_cases: 50\nrequire:\n{rows}")
        return path

    return write


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was written to Azure's control plane meanwhile."""
    writes: list[str] = []
    for verb in ("put", "delete", "post"):
        real = getattr(Arm, verb)

        def spy(self: Arm, path: str, *given: Any, verb: str = verb, real: Any = real) -> Any:
            writes.append(f"{verb} {path}")
            return real(self, path, *given)

        monkeypatch.setattr(Arm, verb, spy)
    return writes


def judged(model: str, **changes: Any) -> Evaluation:
    made = evaluation(60, ("base", "tuned"), **changes)
    sides = (side("base", model="tiny", role="base"), side("tuned", model=model))
    return made.model_copy(update={"sides": sides})


def test_a_model_that_nobody_evaluated_is_refused_with_the_command_that_does(
    stack: ManagedStack, model: str, gate: Callable[..., Path], sent: list[str]
) -> None:
    path = gate()
    told = stack.run(*DEPLOY, *OWN, "--model", model, "--gate", path, exit_code=1).stderr
    assert f"{model} has not been evaluated against another model" in told
    assert f"tunestack evaluate base {model} --gate {path} --stack {STACK}" in " ".join(
        told.split()
    )
    assert find(stack.cloud, stack.outputs) is None and not sent


def test_what_is_no_gate_is_refused_before_anything_is_read(
    stack: ManagedStack, model: str, gate: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "cloud", property(lambda self: pytest.fail("it was opened")))
    path = gate("{metric: rogue_l, min: 0.5}")
    told = stack.run(
        *DEPLOY, *OWN, "--model", model, "--gate", path, "--vm-size", "big", exit_code=2
    ).stderr
    assert "'big' is not a VM size" in told
    assert "no evaluation has a metric 'rogue_l'. Did you mean rouge_l" in " ".join(told.split())


def test_a_model_that_fails_is_refused_with_every_reason(
    stack: ManagedStack, model: str, gate: Callable[..., Path], sent: list[str]
) -> None:
    keep(Session(STACK), judged(model), "<p>")
    path = gate(
        "{metric: seconds, not_worse: true, sure: true}", "{metric: f1, min: 0.6}",
        "{metric: rule.hard, min: 0.9}",
    )  # fmt: skip
    told = stack.run(*DEPLOY, *OWN, "--model", model, "--gate", path, exit_code=1).stderr
    said = " ".join(told.split())
    assert f"{model} fails the gate mine, and nothing was sent" in said
    for reason in ("seconds: +0.37 against the reference", "f1: 0.51 over 60 cases"):
        assert said.count(reason) == 2, "once among the checks, once among the reasons"
    assert "passed rule.hard: 1 of 60 answers" in said
    assert find(stack.cloud, stack.outputs) is None and not sent


def test_what_passes_is_deployed_and_the_newest_evaluation_counts(
    stack: ManagedStack, model: str, gate: Callable[..., Path]
) -> None:
    keep(Session(STACK), judged(model, made="2026-11-22T09:00:00Z"), "<p>")
    made = stack.json(*DEPLOY, *OWN, "--model", model, "--gate", gate())
    (outcome,) = made["gate"]
    assert outcome["passed"] and outcome["candidate"] == "tuned"
    assert made["traffic"] == {made["deployment"]: 100}
    # Worse by a later one: not even its share of the traffic can be changed by `deploy`.
    worse = judged(model, made="2026-11-22T10:00:00Z").model_copy(update={"metrics": ()})
    keep(Session(STACK), worse, "<p>")
    told = stack.run(*DEPLOY, *OWN, "--model", model, "--gate", gate(), exit_code=1).stderr
    assert "rule.hard: was not measured" in told


def test_a_managed_model_is_held_to_its_gate_by_its_name(
    stack: ManagedStack, gate: Callable[..., Path], sent: list[str]
) -> None:
    tuned = f"{stack.tuned('gated')}:1"
    command = (*DEPLOY, "--model", tuned, "--gate", gate())
    told = stack.run(*command, exit_code=1).stderr
    assert "has not been evaluated against another model" in " ".join(told.split())
    keep(Session(STACK), judged(tuned, made="2026-11-22T09:00:00Z"), "<p>")
    assert not sent
    made = stack.json(*command)
    assert made["gate"][0]["passed"] and made["model"] == tuned
