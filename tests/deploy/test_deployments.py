"""Deploy, redeploy, fail and undeploy through the real SDK, with real processes that answer.

The scoring program is a small one that starts in a second; everything around it is the product's.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from commands.evaluate.answers.live import collect_live
from commands.evaluate.sides.resolving import resolve
from core.cloud import Cloud
from core.errors import CloudError, DeploymentFailed, PrerequisiteError, UserError
from core.refs import EndpointRef, ModelRef, StackOutputs
from core.settings import Settings
from deploy.endpoint import endpoint_name, ensure_endpoint, find, undeploy
from deploy.releasing.order import DeployOrder
from deploy.releasing.rollout import deploy
from deploy.talking.chat import open_conversation
from evaluation.cases import Case, Decoding, Message
from evaluation.store import AnswerStore
from local.process import LocalAzure

PROGRAM = Path(__file__).parent / "quick_serving"
SIZE = "Standard_E4s_v3"


@pytest.fixture(scope="module")
def cloud(local_azure: LocalAzure) -> Cloud:
    return Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])


@pytest.fixture(scope="module")
def outputs(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackOutputs]:
    """A stack of its own for these tests."""
    from infra.in_process.engine import InProcess

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESTACK_HOME", str(tmp_path_factory.mktemp("home")))
        settings = Settings(compute="cpu", person_type="ServicePrincipal")
        engine = InProcess("serving", settings, cloud)
        yield engine.up(lambda event: None)
        engine.destroy(lambda event: None)


@pytest.fixture(scope="module")
def model(
    cloud: Cloud, outputs: StackOutputs, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], ModelRef]:
    """Register a model that answers with a word; `broken` is one that never gets ready."""
    from azure.ai.ml.entities import Model

    def register(word: str) -> ModelRef:
        folder = tmp_path_factory.mktemp("model")
        (folder / "word.txt").write_text(word)
        asset = Model(name=f"says-{word}", path=str(folder), type="custom_model")
        made = cloud.workspace(outputs).models.create_or_update(asset)
        return ModelRef(name=str(made.name), version=str(made.version))

    return register


@pytest.fixture
def serve(cloud: Cloud, outputs: StackOutputs) -> Iterator[Callable[..., EndpointRef]]:
    said: list[str] = []

    def run(model: ModelRef, vm_size: str = SIZE, **chosen: Any) -> EndpointRef:
        said.clear()
        order = DeployOrder(model, vm_size, **chosen)
        return deploy(cloud, outputs, order, progress=said.append, program=PROGRAM)

    run.said = said  # type: ignore[attr-defined]
    yield run
    undeploy(cloud, outputs)


def ask(cloud: Cloud, outputs: StackOutputs, endpoint: EndpointRef, text: str) -> str:
    conversation = open_conversation(cloud, outputs, endpoint)
    try:
        return conversation.ask(text)
    finally:
        conversation.close()


def state(cloud: Cloud, outputs: StackOutputs) -> Any:
    found = find(cloud, outputs)
    assert found is not None
    return found


def test_a_new_model_takes_the_traffic_and_address_and_keys_stay(
    cloud: Cloud, outputs: StackOutputs, model: Any, serve: Any
) -> None:
    first = serve(model("one"))
    key = cloud.workspace(outputs).online_endpoints.get_keys(first.name).primary_key
    assert ask(cloud, outputs, first, "hello") == "one: hello"
    second = serve(model("two"))
    assert ask(cloud, outputs, first, "hello") == "two: hello"
    assert (second.name, second.scoring_url) == (first.name, first.scoring_url)
    assert cloud.workspace(outputs).online_endpoints.get_keys(first.name).primary_key == key
    only = state(cloud, outputs).deployments
    assert [(each.name, each.traffic) for each in only] == [(second.deployment, 100)]
    assert (only[0].model, only[0].vm_size, only[0].instances) == ("says-two:1", SIZE, 1)


def test_the_same_model_again_changes_nothing(
    cloud: Cloud, outputs: StackOutputs, model: Any, serve: Any
) -> None:
    wanted = model("same")
    before = serve(wanted)
    created = deployment(cloud, outputs, before).creation_context.created_at
    assert serve(wanted) == before
    assert deployment(cloud, outputs, before).creation_context.created_at == created
    assert any("up already" in text for text in serve.said)


def test_a_broken_model_is_explained_and_removed_and_the_old_one_serves_on(
    cloud: Cloud, outputs: StackOutputs, model: Any, serve: Any
) -> None:
    good = serve(model("good"))
    with pytest.raises(DeploymentFailed, match="this model has no wish to serve") as caught:
        serve(model("broken"))
    assert f"{good.deployment} still answers" in caught.value.hint
    assert [each.name for each in state(cloud, outputs).deployments] == [good.deployment]
    assert ask(cloud, outputs, good, "hello") == "good: hello"


def test_what_an_interrupted_deploy_left_is_taken_up(
    cloud: Cloud,
    outputs: StackOutputs,
    model: Any,
    serve: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from deploy.releasing.deployment import managed_deployment

    monkeypatch.setattr("deploy.releasing.deployment.POLL_SECONDS", 0.2)
    wanted = model("late")
    plan = planned(cloud, outputs, wanted, tmp_path)
    ensure_endpoint(cloud, outputs, lambda text: None)
    client = cloud.workspace(outputs)
    client.online_deployments.begin_create_or_update(
        managed_deployment(plan, endpoint_name(outputs))
    )
    endpoint = serve(wanted)
    assert endpoint.deployment == plan.name
    assert ask(cloud, outputs, endpoint, "hello") == "late: hello"
    assert any("waiting for it" in text for text in serve.said)


def test_no_such_model_is_said_before_anything_is_made(
    cloud: Cloud, outputs: StackOutputs, serve: Any
) -> None:
    with pytest.raises(UserError, match="There is no model nothing:7"):
        serve(ModelRef(name="nothing", version="7"))
    assert find(cloud, outputs) is None


def test_what_azure_refuses_is_an_error_of_that_operation_and_leaves_no_deployment(
    cloud: Cloud, outputs: StackOutputs, model: Any, serve: Any
) -> None:
    with pytest.raises(CloudError, match="instance type 'Standard_none'") as caught:
        serve(model("tall"), vm_size="Standard_none")
    assert caught.value.operation == "create the deployment"
    assert state(cloud, outputs).deployments == ()


def test_undeploy_leaves_nothing_and_of_nothing_is_fine(
    cloud: Cloud, outputs: StackOutputs, model: Any, serve: Any
) -> None:
    serve(model("gone"))
    assert undeploy(cloud, outputs)
    assert find(cloud, outputs) is None
    assert not undeploy(cloud, outputs)


def test_an_empty_endpoint_cannot_be_talked_to(cloud: Cloud, outputs: StackOutputs) -> None:
    ensure_endpoint(cloud, outputs, lambda text: None)
    try:
        with pytest.raises(PrerequisiteError, match="no deployment with traffic"):
            open_conversation(cloud, outputs, state(cloud, outputs).ref)
    finally:
        undeploy(cloud, outputs)


def test_the_endpoint_runs_as_the_stacks_identity(cloud: Cloud, outputs: StackOutputs) -> None:
    ensure_endpoint(cloud, outputs, lambda text: None)
    try:
        endpoint = cloud.workspace(outputs).online_endpoints.get(endpoint_name(outputs))
        identities = endpoint.identity.user_assigned_identities
        assert [each.resource_id.lower() for each in identities] == [
            outputs.endpoint_identity.lower()
        ]
        assert endpoint.auth_mode == "key"
    finally:
        undeploy(cloud, outputs)


def deployment(cloud: Cloud, outputs: StackOutputs, endpoint: EndpointRef) -> Any:
    client = cloud.workspace(outputs)
    return client.online_deployments.get(endpoint.deployment, endpoint.name)


def planned(cloud: Cloud, outputs: StackOutputs, wanted: ModelRef, work: Path) -> Any:
    from core.environments import ensure_environment
    from deploy.environment import code_digest, stage_code
    from deploy.releasing.deployment import Plan
    from deploy.runtimes import RUNTIMES, build_environment

    code = stage_code(work, PROGRAM)
    runtime = RUNTIMES["transformers"]
    environment = ensure_environment(cloud, outputs, build_environment(runtime, SIZE, PROGRAM))
    return Plan(wanted, SIZE, environment, code, code_digest(code), runtime)


def test_an_evaluation_asks_a_deployment_by_its_name_and_then_nobody(
    cloud: Cloud, outputs: StackOutputs, model: Any, serve: Any, tmp_path: Path
) -> None:
    endpoint = serve(model("five"))
    session: Any = SimpleNamespace(
        stack="serving", cloud=cloud, outputs=outputs, is_rehearsal=False,
        settings=Settings(compute="cpu"),
    )  # fmt: skip
    asked = resolve(session, [f"endpoint/{endpoint.deployment}"], live=False)
    side, store = asked[0].side, AnswerStore(tmp_path)
    assert (side.model, side.route) == ("says-five:1", "azureml")
    assert side.price.per_hour_usd
    case = Case(messages=(Message(role="user", content="hello"),))
    collect_live(asked, [case], Decoding(), store)
    reply = store.get(side.key, Decoding().id, case.id)
    assert reply is not None
    assert (reply.text, reply.finish) == ("five: hello", "stop")
    assert reply.first_token_seconds is None, "this program does not stream"
    assert reply.seconds
    undeploy(cloud, outputs)
    collect_live(asked, [case], Decoding(), store)
