"""Every grant of the program, taken away in turn: what fails then says who lacks what, and where.

The stack is the program's own, the operations are the product's own; only the job's and the
endpoint's programs are small ones that take a second.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from commands.grants import naming_missing_grants
from commands.session import Session
from core.cloud import Cloud
from core.errors import CloudError, UserError
from core.recipe import Recipe
from core.refs import ModelRef, StackOutputs
from core.settings import Settings
from deploy.endpoint import undeploy
from deploy.releasing.order import DeployOrder
from deploy.releasing.rollout import deploy
from infra.grant_table import GRANTS
from infra.in_process.engine import InProcess
from infra.roles import Grant, Who
from local.process import LocalAzure
from training.data.check import check_file
from training.follow import follow
from training.submission import Order, submit

TESTS = Path(__file__).resolve().parents[1]
SAMPLES = TESTS.parent / "training" / "data" / "samples" / "travel"
ASKED = next(grant for grant in GRANTS if grant.reason.startswith("asked for"))
"""Contributor on the group, for the endpoint: asked for by name, needed by nothing."""
ML_API = "2024-10-01"
SETTINGS = Settings(compute="cpu", person_type="ServicePrincipal")


@dataclass
class Stack:
    """A stack that is up, and the operations that need its grants."""

    engine: InProcess
    cloud: Cloud
    outputs: StackOutputs
    model: ModelRef

    @property
    def session(self) -> Session:
        """The stack as a command opens it."""
        session = Session("grants")
        session.__dict__.update(settings=SETTINGS, cloud=self.cloud, engine=self.engine)
        return session

    def up(self) -> None:
        self.engine.up(lambda event: None)

    def take_away(self, grant: Grant) -> None:
        [found] = [row for row in self.engine.resources() if row.name == grant.name]
        assert self.cloud.arm.delete(found.id, "2022-04-01")

    def train(self) -> None:
        base = {"source": "random", "id": "none", "revision": "r1"}
        recipe = Recipe.model_validate(
            {"name": "quick", "model_name": "quick", "method": "full", "base": base,
             "description": "succeed"}
        )  # fmt: skip
        train, validation = (check_file(SAMPLES / f"{name}.jsonl") for name in ("train", "heldout"))
        code = TESTS / "training" / "quick_job"
        job = submit(self.cloud, self.outputs, Order(recipe, train, validation, "cpu", 0.1, code))
        for _ in follow(self.cloud, self.outputs, job.name):
            pass

    def serve(self) -> None:
        try:
            deploy(
                self.cloud, self.outputs, DeployOrder(self.model, "Standard_E4s_v3"),
                progress=lambda text: None, program=TESTS / "deploy" / "quick_serving",
            )  # fmt: skip
        finally:
            undeploy(self.cloud, self.outputs)

    def manage(self) -> None:
        """Update workspace and cluster as `up` would after a change of their settings."""
        group = f"/subscriptions/{self.outputs.subscription_id}/resourceGroups"
        workspace = (
            f"{group}/{self.outputs.resource_group}/providers"
            f"/Microsoft.MachineLearningServices/workspaces/{self.outputs.workspace}"
        )
        for path in (workspace, f"{workspace}/computes/{self.outputs.cluster}"):
            body = self.cloud.arm.get(path, ML_API)
            assert body is not None
            self.cloud.arm.put(path, ML_API, body)


@pytest.fixture(scope="module")
def stack(local_azure: LocalAzure, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    from azure.ai.ml.entities import Model

    cloud = Cloud.sign_in(local_azure.environment["AZURE_SUBSCRIPTION_ID"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESTACK_HOME", str(tmp_path_factory.mktemp("home")))
        engine = InProcess("grants", SETTINGS, cloud)
        outputs = engine.up(lambda event: None)
        folder = tmp_path_factory.mktemp("model")
        (folder / "word.txt").write_text("hello")
        asset = Model(name="says-hello", path=str(folder), type="custom_model")
        cloud.workspace(outputs).models.create_or_update(asset)
        yield Stack(engine, cloud, outputs, ModelRef(name="says-hello", version="1"))
        engine.destroy(lambda event: None)


NEEDED_BY: dict[Who, Callable[[Stack], None]] = {
    Who.JOB: Stack.train,
    Who.PERSON: Stack.train,
    Who.ENDPOINT: Stack.serve,
    Who.WORKSPACE: Stack.manage,
}


def called(grant: Grant, stack: Stack) -> str:
    """The name under which a refusal speaks of the one who lacks the grant."""
    if grant.who is Who.PERSON:
        return stack.cloud.person().object_id
    identities = {
        Who.JOB: stack.outputs.job_identity,
        Who.ENDPOINT: stack.outputs.endpoint_identity,
        Who.WORKSPACE: stack.outputs.workspace_identity,
    }
    return identities[grant.who].rpartition("/")[2]


@pytest.mark.parametrize("does", [Stack.train, Stack.serve, Stack.manage])
def test_with_all_grants_everything_works(stack: Stack, does: Callable[[Stack], None]) -> None:
    does(stack)


@pytest.mark.parametrize(
    "grant", [grant for grant in GRANTS if grant is not ASKED], ids=lambda grant: grant.name
)
def test_without_a_grant_the_operation_fails_and_names_it(stack: Stack, grant: Grant) -> None:
    stack.take_away(grant)
    if grant.who is Who.ENDPOINT:
        stack.take_away(ASKED)  # Contributor on the group lets its holder pull images, too
    try:
        with (
            pytest.raises((UserError, CloudError)) as caught,
            naming_missing_grants(stack.session),
        ):
            NEEDED_BY[grant.who](stack)
    finally:
        stack.up()
    told = f"{caught.value} {caught.value.hint}"
    assert called(grant, stack) in told, told
    assert "Microsoft." in told, told
    assert f"lacks {grant.role.title} on the {grant.scope}" in caught.value.hint
    assert grant.needed_by in caught.value.hint
    assert "tunestack up --stack grants makes it again" in caught.value.hint


def test_what_was_only_asked_for_is_missed_by_nothing(stack: Stack) -> None:
    stack.take_away(ASKED)
    stack.serve()
    stack.up()
