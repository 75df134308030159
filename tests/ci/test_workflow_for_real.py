"""The workflow's commands in their order, as the workflow's identity, on the local Azure.

Whoever runs them has shown GitHub's token (played here) and has the four grants of the setting
`github`, nothing else. Training and scoring program are small ones; what `evaluate` asks of a
model is held by tests/e2e.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from workflow_text import Command, commands, written

from commands.session import Session
from core.cloud import Cloud
from core.errors import CloudError, NotSignedIn
from core.refs import StackOutputs
from core.settings import parse_settings
from deploy.endpoint import undeploy
from deploy.releasing.rollout import deploy as deploy_to_endpoint
from infra.in_process.engine import InProcess
from local.access import Principal
from local.process import LocalAzure
from tests.local.azure_group import MintedCredential
from tests.typed_commands import run
from training.submission import Order

TESTS = Path(__file__).resolve().parents[1]
SAMPLES = TESTS.parent / "training" / "data" / "samples" / "travel"
STACK = "by-workflow"
RECIPE = {
    "name": "quick",
    "model_name": "quick",
    "method": "full",
    "base": {"source": "random", "id": "none", "revision": "r1"},
    "description": "succeed",
}
SIZE = "Standard_E4s_v3"
IGNORED = ("--ignore", "image.serving-tag")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person's repository: data, a recipe, the workflow."""
    folder = tmp_path_factory.mktemp("repository")
    data = folder / "data"
    data.mkdir()
    for name, source in (("train", "train"), ("validation", "heldout")):
        (data / f"{name}.jsonl").write_bytes((SAMPLES / f"{source}.jsonl").read_bytes())
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    return folder


@pytest.fixture(scope="module")
def stack(
    local_azure: LocalAzure, azure_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Cloud, StackOutputs]]:
    """A stack that its owner has made, opened by the commands as the workflow's identity."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESTACK_HOME", str(tmp_path_factory.mktemp("home")))
        owner = Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])
        chosen = {
            "compute": "cpu",
            "personType": "ServicePrincipal",
            "github": "octo-org/travel",
            "person": owner.person().object_id,
        }
        settings = parse_settings(chosen)
        outputs = InProcess(STACK, settings, owner).up(lambda event: None)
        cloud = Cloud(
            owner.subscription_id, MintedCredential(azure_folder, identity(owner, outputs))
        )
        # The engine of the rehearsal looks through the subscription for what only a tag betrays;
        # Pulumi, which works a stack on Azure, does not when it plans.
        for name, value in (
            ("settings", settings), ("cloud", cloud), ("outputs", outputs),
            ("engine", InProcess(STACK, settings, owner)),
        ):  # fmt: skip
            patch.setattr(Session, name, value)
        quick = partial(Order, code=TESTS / "training" / "quick_job")
        patch.setattr("commands.train.ordering.Order", quick)
        served = partial(deploy_to_endpoint, program=TESTS / "deploy" / "quick_serving")
        patch.setattr("commands.deploying.deploy_to_endpoint", served)
        yield cloud, outputs
        undeploy(owner, outputs)
        InProcess(STACK, settings, owner).destroy(lambda event: None)


def identity(owner: Cloud, outputs: StackOutputs) -> Principal:
    group = f"/subscriptions/{outputs.subscription_id}/resourceGroups/{outputs.resource_group}"
    path = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
    (found,) = [
        one for one in owner.arm.get_list(path, "2023-01-31")
        if one["properties"]["clientId"] == outputs.workflow_client_id
    ]  # fmt: skip
    return Principal(
        "ServicePrincipal", found["properties"]["principalId"], found["properties"]["clientId"]
    )


def lines(folder: Path, **variables: str) -> dict[str, list[Command]]:
    """Give the workflow's commands by job, as its shell would call them."""
    chosen: dict[str, Any] = {
        "recipe": str(folder / "recipe.yaml"), "data": str(folder / "data"), "hours": 0.5,
        "held_out": str(folder / "data" / "validation.jsonl"), "question": "hello",
    }  # fmt: skip
    found: dict[str, list[Command]] = {}
    for command in commands(written(folder, **chosen), TUNESTACK_STACK=STACK, **variables):
        found.setdefault(command.job, []).append(command)
    return found


def go(command: Command, *more: str) -> Any:
    words = [word for word in command.words if word not in ("--gate", "travel")]
    return run(*words, "--stack", STACK, *more)


def nobody(session: Session) -> Any:
    raise NotSignedIn("Nobody is signed in.", hint="az login")


def test_a_pull_requests_job_needs_no_sign_in(
    stack: tuple[Cloud, StackOutputs], repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cloud", "engine", "outputs"):
        monkeypatch.setattr(Session, name, property(nobody))
    *before, plan = lines(repository)["check"]
    for command in before:
        run(*command.words)
    told = run(*plan.words, "--stack", STACK).stdout
    assert "id-by-workflow-workflow" in told
    assert "Azure was not asked" in told


@pytest.mark.slow
def test_the_workflows_identity_goes_the_workflows_way_with_its_grants_alone(
    stack: tuple[Cloud, StackOutputs], repository: Path
) -> None:
    """Slow: a job and four deployments, each with a process of its own."""
    plan, doctor, train = lines(repository)["train"]
    go(plan)
    go(doctor)
    job = json.loads(go(train).stdout)["job"]["name"]

    (follow,) = lines(repository, JOB=job)["follow"]
    go(follow)
    go(follow)  # a second turn ends at once
    register, _ = lines(repository, JOB=job)["evaluate"]
    made = json.loads(go(register).stdout)
    assert made == json.loads(go(register).stdout)  # as a run that is begun again does

    first = f"{made['name']}:{made['version']}"
    served = deployed(repository, says(stack[0], stack[1], "old"))
    assert list(served.values()) == [100]
    second = says(stack[0], stack[1], "new")
    assert sorted(deployed(repository, second).values()) == [10, 90]
    assert sorted(deployed(repository, second).values()) == [10, 90]
    asked = lines(repository, MODEL=second)
    _, back = asked["rollback"]
    go(back)
    assert traffic() == {"says-old:1": 100}

    deployed(repository, second)
    promote, chat = asked["promote"]
    go(promote)
    assert traffic() == {"says-new:1": 100}
    assert "new" in go(chat).stdout
    assert first.startswith("quick:")


def test_the_workflows_identity_can_read_all_that_pulumi_would_compare(
    stack: tuple[Cloud, StackOutputs],
) -> None:
    """`plan` of a stack on Azure is Pulumi's, which reads each resource as whoever is signed in."""
    engine = InProcess(STACK, Session(STACK).settings, stack[0])
    assert all(item.is_there for item in engine.resources())


@pytest.mark.parametrize("command", ["up", "destroy"])
def test_the_workflows_identity_can_neither_change_the_stack_nor_take_it_down(
    stack: tuple[Cloud, StackOutputs], command: str
) -> None:
    cloud, outputs = stack
    group = f"/subscriptions/{outputs.subscription_id}/resourceGroups/{outputs.resource_group}"
    with pytest.raises(CloudError, match="does not have authorization"):
        if command == "up":
            cloud.arm.put(group, "2024-03-01", {"location": outputs.location})
        else:
            cloud.arm.delete(group, "2024-03-01")


def says(cloud: Cloud, outputs: StackOutputs, word: str) -> str:
    """Register a model that answers with a word, as a training would leave one."""
    from azure.ai.ml.entities import Model

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "word.txt").write_text(word)
        tags = {"experiment": "tunestack", "parameters": "134515008"}
        asset = Model(name=f"says-{word}", path=folder, type="custom_model", tags=tags)
        cloud.workspace(outputs).models.create_or_update(asset)
    return f"says-{word}:1"


def deployed(repository: Path, model: str) -> dict[str, int]:
    """Deploy as the job `canary` does; give the percent of each deployment."""
    deploy, show, chat, *_ = lines(repository, MODEL=model)["canary"]
    go(deploy, "--vm-size", SIZE, *IGNORED)
    shown = json.loads(go(show).stdout)
    go(chat)
    return {item["name"]: item["traffic"] for item in shown["deployments"]}


def traffic() -> dict[str, int]:
    found = json.loads(run("traffic", "--stack", STACK, "--json").stdout)
    return {item["model"]: item["traffic"] for item in found["deployments"]}
