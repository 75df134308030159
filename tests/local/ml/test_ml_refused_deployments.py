"""What the local Azure cannot play is refused by name; what fails has Azure's code and its log."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.ai.ml.entities import BuildContext, Environment, ManagedOnlineDeployment, Model
from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential
from ml_stack import IMAGE, Stack
from test_ml_endpoints import SCORE, deploy, deployment, make_endpoint

from local.access import Principal
from local.login.tokens import ML_AUDIENCE, mint

Code = Callable[..., Path]
ROUTE = {"path": "/health", "port": 8000}
ROUTES = {
    "liveness_route": ROUTE,
    "readiness_route": ROUTE,
    "scoring_route": {"path": "/v1/chat/completions", "port": 8000},
}


@pytest.fixture(scope="module")
def endpoint(stack: Stack) -> Iterator[str]:
    name = make_endpoint(stack)
    yield name
    stack.ml.online_endpoints.begin_delete(name).result()


def own_container(folder: Path) -> Environment:
    return Environment(name="own-container", image="vllm/vllm-openai", inference_config=ROUTES)


def from_dockerfile(folder: Path) -> Environment:
    (folder / "context").mkdir()
    (folder / "context" / "Dockerfile").write_text("FROM scratch\n")
    return Environment(name="from-dockerfile", build=BuildContext(path=str(folder / "context")))


def image_alone(folder: Path) -> Environment:
    return Environment(name="image-alone", image=IMAGE)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (own_container, "Custom containers are not played"),
        (from_dockerfile, "Images from a Dockerfile are not played"),
        (image_alone, "An image alone is not played"),
    ],
)
def test_an_environment_that_needs_its_image_is_registered_and_refused_when_deployed(
    stack: Stack,
    endpoint: str,
    model: Model,
    code: Code,
    tmp_path: Path,
    make: Callable[[Path], Environment],
    reason: str,
) -> None:
    made = stack.ml.environments.create_or_update(make(tmp_path))
    asked = deployment(endpoint, "image", code(score=SCORE), model, environment=made.id)
    if make is own_container:
        asked.code_configuration = None
    with pytest.raises(HttpResponseError, match=reason) as refused:
        stack.ml.online_deployments.begin_create_or_update(asked)
    assert refused.value.status_code == 400
    assert refused.value.error is not None
    assert refused.value.error.code == "NotImplementedLocally"
    assert list(stack.ml.online_deployments.list(endpoint)) == []


def test_no_code_is_for_models_of_mlflow(
    stack: Stack, endpoint: str, model: Model, tmp_path: Path
) -> None:
    def without_code(model: Model) -> Any:
        return ManagedOnlineDeployment(
            name="bare", endpoint_name=endpoint, model=model.id, instance_type="Standard_E4s_v3"
        )

    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "weights").write_text("no MLmodel beside it")
    asset = Model(name="unlabelled", path=str(tmp_path / "folder"), type="mlflow_model")
    empty = stack.ml.models.create_or_update(asset)
    for wrong, reason in ((model, "only MLflow models do without"), (empty, "holds no MLmodel")):
        with pytest.raises(HttpResponseError, match=reason):
            stack.ml.online_deployments.begin_create_or_update(without_code(wrong))


def test_an_image_that_cannot_be_built_is_an_image_build_failure(
    stack: Stack, endpoint: str, model: Model, code: Code
) -> None:
    conda = {"name": "c", "dependencies": ["python=3.11", "cudatoolkit"]}
    with pytest.raises(HttpResponseError, match="cudatoolkit") as failed:
        deploy(stack, endpoint, "unbuilt", code(score=SCORE), model, conda=conda)
    assert failed.value.error is not None and failed.value.error.code == "ImageBuildFailure"
    assert stack.ml.online_deployments.get("unbuilt", endpoint).provisioning_state == "Failed"
    stack.ml.online_deployments.begin_delete("unbuilt", endpoint).result()


def test_a_missing_right_is_a_bad_argument(
    stack: Stack, endpoint: str, model: Model, code: Code
) -> None:
    put_back = stack.revoke("endpoint: AcrPull")
    try:
        with pytest.raises(HttpResponseError, match="registries/pull/read") as failed:
            deploy(stack, endpoint, "denied", code(score=SCORE), model)
    finally:
        put_back()
    assert failed.value.error is not None and failed.value.error.code == "BadArgument"
    stack.ml.online_deployments.begin_delete("denied", endpoint).result()


@pytest.mark.slow
def test_a_container_that_is_killed_is_told_as_killed_and_its_log_stays(
    stack: Stack, endpoint: str, model: Model, code: Code
) -> None:
    """Slow: a deployment that is started, and killed as the kernel kills for memory."""
    killed = code(
        score="""
            import os, signal
            def init():
                print("loading the weights", flush=True)
                os.killpg(os.getpgrp(), signal.SIGKILL)
            def run(raw): return 1
        """
    )
    with pytest.raises(HttpResponseError, match=r"exit code 137.*as is done when memory") as failed:
        deploy(stack, endpoint, "killed", killed, model)
    assert failed.value.error is not None and failed.value.error.code == "ResourceNotReady"
    log = stack.ml.online_deployments.get_logs("killed", endpoint, lines=100)
    assert "loading the weights" in log
    stack.ml.online_deployments.begin_delete("killed", endpoint).result()


def test_an_endpoint_for_entra_takes_current_tokens_for_itself_and_asks_for_the_right_to_score(
    stack: Stack, azure_folder: Path, acting_as: Callable[[dict[str, Any]], Any]
) -> None:
    name = make_endpoint(stack, "aad_token")
    uri = str(stack.ml.online_endpoints.get(name).scoring_uri)
    person, stranger = DefaultAzureCredential(), acting_as(stack.group.identity("stranger"))

    def asked_with(token: str) -> int:
        return httpx.post(uri, json={}, headers={"authorization": f"Bearer {token}"}).status_code

    def of(credential: Any, scope: str = ML_AUDIENCE) -> str:
        return credential.get_token(f"{scope}/.default").token

    nobody = Principal("ServicePrincipal", "nobody", "nobody")
    expired = mint(azure_folder, nobody, ML_AUDIENCE, lifetime=-1)
    assert asked_with(of(person)) == 404, "let in, there is no deployment"
    assert asked_with(of(person, "https://management.azure.com")) == 401
    assert [asked_with(one) for one in ("x", "a.b.c", expired)] == [401] * 3
    assert asked_with(of(stranger)) == 403
    scope = f"{stack.workspace['id']}/onlineEndpoints/{name}"
    stack.group.grant(stack.group.identity("stranger"), "AzureML Data Scientist", scope)
    assert asked_with(of(stranger)) == 404
    stack.ml.online_endpoints.begin_delete(name).result()


@pytest.mark.slow
def test_the_sdk_invokes_an_endpoint_for_entra(
    stack: Stack, model: Model, code: Code, tmp_path: Path
) -> None:
    """Slow: a deployment of its own."""
    name = make_endpoint(stack, "aad_token")
    deploy(stack, name, "only", code(score=SCORE), model)
    request = tmp_path / "request.json"
    request.write_text("{}")
    answer = stack.ml.online_endpoints.invoke(
        name, request_file=str(request), deployment_name="only"
    )
    assert '"answer"' in answer and "hello" in answer
    stack.ml.online_endpoints.begin_delete(name).result()
