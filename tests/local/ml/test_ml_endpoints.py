"""Online endpoints and deployments through the real client, and the address that scores."""

import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from azure.ai.ml.entities import (
    CodeConfiguration,
    Environment,
    IdentityConfiguration,
    ManagedIdentityConfiguration,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    OnlineRequestSettings,
    ProbeSettings,
)
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from ml_stack import IMAGE, SERVING, Stack

from local.runner.listening import addresses

Code = Callable[..., Path]
SCORE = """
    import json, os, pathlib, time
    from azureml_inference_server_http.api.aml_response import AMLResponse

    def init():
        global model
        found = list(pathlib.Path(os.environ["AZUREML_MODEL_DIR"]).rglob("m.json"))
        model = json.loads(found[0].read_text())
        print("model is here:", model)

    def run(raw):
        asked = json.loads(raw)
        if asked.get("status"):
            return AMLResponse({"message": "no"}, asked["status"], json_str=True)
        if asked.get("die"):
            os._exit(5)
        time.sleep(asked.get("sleep", 0))
        return {"answer": model["says"], "who": os.environ["WHO"], "pid": os.getpid()}
"""


@pytest.fixture(scope="module")
def endpoint(stack: Stack) -> Iterator[str]:
    name = make_endpoint(stack)
    yield name
    stack.ml.online_endpoints.begin_delete(name).result()


def make_endpoint(stack: Stack, auth_mode: str = "key") -> str:
    name = f"ep-{uuid.uuid4().hex[:8]}"
    stack.ml.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name=name, auth_mode=auth_mode, identity=identity(stack))
    ).result()
    return name


def identity(stack: Stack) -> IdentityConfiguration:
    return IdentityConfiguration(
        type="user_assigned",
        user_assigned_identities=[ManagedIdentityConfiguration(resource_id=stack.endpoint["id"])],
    )


def deployment(
    endpoint: str, name: str, code: Path, model: Model, *, count: int = 1, **more: Any
) -> Any:
    probe = ProbeSettings(initial_delay=1, period=1, timeout=2, failure_threshold=60)
    settings: dict[str, Any] = {
        "environment": Environment(image=IMAGE, conda_file=more.pop("conda", SERVING)),
        "environment_variables": {"WHO": name},
        "readiness_probe": probe,
        "liveness_probe": probe,
        **more,
    }
    return ManagedOnlineDeployment(
        name=name,
        endpoint_name=endpoint,
        model=model.id,
        code_configuration=CodeConfiguration(code=str(code), scoring_script="score.py"),
        instance_type="Standard_E4s_v3",
        instance_count=count,
        **settings,
    )


def deploy(stack: Stack, *arguments: Any, **more: Any) -> Any:
    return stack.ml.online_deployments.begin_create_or_update(
        deployment(*arguments, **more)
    ).result()


def traffic(stack: Stack, name: str, **shares: int) -> None:
    endpoint = stack.ml.online_endpoints.get(name)
    endpoint.traffic = shares
    stack.ml.online_endpoints.begin_create_or_update(endpoint).result()


def ask(stack: Stack, name: str, body: Any, **headers: str) -> httpx.Response:
    """Ask the scoring address, with the endpoint's key unless another authorization is given."""
    key = stack.ml.online_endpoints.get_keys(name).primary_key
    uri = stack.ml.online_endpoints.get(name).scoring_uri
    given = {"authorization": f"Bearer {key}", **headers}
    return httpx.post(uri, json=body, headers=given, timeout=30)


@pytest.fixture(scope="module")
def blue(
    stack: Stack, endpoint: str, model: Model, tmp_path_factory: pytest.TempPathFactory
) -> str:
    import textwrap

    folder = tmp_path_factory.mktemp("serve")
    (folder / "score.py").write_text(textwrap.dedent(SCORE))
    made = deploy(
        stack,
        endpoint,
        "blue",
        folder,
        model,
        request_settings=OnlineRequestSettings(request_timeout_ms=2000),
    )
    assert made.provisioning_state == "Succeeded"
    traffic(stack, endpoint, blue=100)
    return "blue"


def test_an_endpoint_answers_what_its_deployment_says(
    stack: Stack, endpoint: str, blue: str, tmp_path: Path
) -> None:
    (tmp_path / "request.json").write_text("{}")
    answer = json.loads(
        stack.ml.online_endpoints.invoke(endpoint, request_file=str(tmp_path / "request.json"))
    )
    assert (answer["answer"], answer["who"]) == ("hello", "blue")
    by_header = ask(stack, endpoint, {}, **{"azureml-model-deployment": "blue"})
    assert by_header.status_code == 200
    assert by_header.headers["azureml-model-deployment"] == "blue"
    assert "model is here" in stack.ml.online_deployments.get_logs("blue", endpoint, lines=200)


def test_the_process_listens_on_the_loopback_only(stack: Stack, endpoint: str, blue: str) -> None:
    worker = ask(stack, endpoint, {}).json()["pid"]
    parent = psutil.Process(worker).parent()
    assert parent is not None
    assert addresses(parent.pid) == {"127.0.0.1"}


def test_only_a_key_of_the_endpoint_opens_it(stack: Stack, endpoint: str, blue: str) -> None:
    assert ask(stack, endpoint, {}, authorization="Bearer wrong").status_code == 401
    assert ask(stack, endpoint, {}, authorization="").status_code == 401
    before = stack.ml.online_endpoints.get_keys(endpoint)
    stack.group.arm.post(
        f"{stack.workspace['id']}/onlineEndpoints/{endpoint}/regenerateKeys",
        "2023-10-01",
        {"keyType": "Primary"},
    )
    old = ask(stack, endpoint, {}, authorization=f"Bearer {before.primary_key}")
    assert old.status_code == 401
    second = ask(stack, endpoint, {}, authorization=f"Bearer {before.secondary_key}")
    assert second.status_code == 200
    assert ask(stack, endpoint, {}).status_code == 200


@pytest.mark.parametrize(("body", "inner"), [({"status": 400}, "400"), ("nonsense", "500")])
def test_an_error_of_the_model_is_a_424_that_names_its_status(
    stack: Stack, endpoint: str, blue: str, body: Any, inner: str
) -> None:
    answer = ask(stack, endpoint, body)
    assert answer.status_code == 424
    assert answer.headers["ms-azureml-model-error-statuscode"] == inner


def test_a_request_over_its_time_is_a_408(stack: Stack, endpoint: str, blue: str) -> None:
    assert ask(stack, endpoint, {"sleep": 2.5}).status_code == 408


def test_more_requests_than_it_takes_are_a_429(stack: Stack, endpoint: str, blue: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(lambda _: ask(stack, endpoint, {"sleep": 0.5}).status_code, range(6))
        )
    assert 429 in answers and 200 in answers


def test_traffic_adds_up_and_names_what_exists(stack: Stack, endpoint: str, blue: str) -> None:
    with pytest.raises(HttpResponseError, match="90 percent"):
        traffic(stack, endpoint, blue=90)
    with pytest.raises(HttpResponseError, match="'green', which does not exist"):
        traffic(stack, endpoint, blue=50, green=50)
    with pytest.raises(HttpResponseError, match="still gets traffic"):
        stack.ml.online_deployments.begin_delete("blue", endpoint).result()
    assert stack.ml.online_endpoints.get(endpoint).traffic == {"blue": 100}


def test_an_endpoint_without_traffic_is_a_404(stack: Stack) -> None:
    name = make_endpoint(stack)
    assert ask(stack, name, {}).status_code == 404
    stack.ml.online_endpoints.begin_delete(name).result()
    with pytest.raises(ResourceNotFoundError):
        stack.ml.online_endpoints.get(name)


@pytest.mark.parametrize("mode", ["aml_token", "aad_token"])
def test_an_endpoint_with_tokens_takes_only_its_own(
    stack: Stack, mode: str, acting_as: Callable[[dict[str, Any]], Any]
) -> None:
    name = make_endpoint(stack, mode)
    uri = stack.ml.online_endpoints.get(name).scoring_uri
    token = stack.ml.online_endpoints.get_keys(name).access_token
    stranger = acting_as(stack.endpoint).get_token("https://ml.azure.com/.default").token
    codes = [
        httpx.post(uri, json={}, headers={"authorization": f"Bearer {given}"}).status_code
        for given in (token, "wrong", stranger)
    ]
    # Let in, there is no deployment; a stranger has a name but not the right to score.
    assert codes == [404, 401, 401 if mode == "aml_token" else 403]
    stack.ml.online_endpoints.begin_delete(name).result()


def test_an_endpoint_whose_identity_is_not_there_is_refused(stack: Stack) -> None:
    wrong = identity(stack)
    wrong.user_assigned_identities[0].resource_id += "-not"
    with pytest.raises(HttpResponseError, match="endpoint-not"):
        stack.ml.online_endpoints.begin_create_or_update(
            ManagedOnlineEndpoint(name="ep-nobody", auth_mode="key", identity=wrong)
        )


def test_a_script_that_fails_fails_the_deployment_and_shows_the_log(
    stack: Stack, endpoint: str, model: Model, code: Code
) -> None:
    broken = code(score="def init():\n    raise RuntimeError('no weights')\ndef run(raw): return 1")
    with pytest.raises(HttpResponseError, match="no weights"):
        deploy(stack, endpoint, "broken", broken, model)
    assert stack.ml.online_deployments.get("broken", endpoint).provisioning_state == "Failed"
    assert "no weights" in stack.ml.online_deployments.get_logs("broken", endpoint, lines=200)
    stack.ml.online_deployments.begin_delete("broken", endpoint).result()


def test_a_deployment_that_is_not_ready_in_time_fails(
    stack: Stack, endpoint: str, model: Model, code: Code
) -> None:
    slow = code(score="import time\ndef init(): time.sleep(60)\ndef run(raw): return 1")
    probe = ProbeSettings(initial_delay=1, period=1, timeout=1, failure_threshold=1)
    with pytest.raises(HttpResponseError, match="did not answer within 2 s"):
        deploy(stack, endpoint, "slow", slow, model, readiness_probe=probe)
    stack.ml.online_deployments.begin_delete("slow", endpoint).result()


@pytest.mark.parametrize(
    ("grant", "action"),
    [
        ("endpoint: Storage Blob Data Reader", "blobs/read"),
        ("endpoint: AcrPull", "Microsoft.ContainerRegistry/registries/pull/read"),
    ],
)
def test_a_missing_grant_of_the_endpoint_is_named(
    stack: Stack, endpoint: str, model: Model, code: Code, grant: str, action: str
) -> None:
    put_back = stack.revoke(grant)
    try:
        with pytest.raises(HttpResponseError, match=action):
            deploy(stack, endpoint, "denied", code(score=SCORE), model)
    finally:
        put_back()
        stack.ml.online_deployments.begin_delete("denied", endpoint).result()


def test_a_process_that_dies_is_started_again(stack: Stack, endpoint: str, blue: str) -> None:
    worker = ask(stack, endpoint, {}).json()["pid"]
    gunicorn = psutil.Process(worker).parent()
    assert gunicorn is not None
    os.kill(gunicorn.pid, signal.SIGKILL)
    codes, deadline = set(), time.monotonic() + 30
    while time.monotonic() < deadline:
        answer = ask(stack, endpoint, {})
        codes.add(answer.status_code)
        if answer.status_code == 200 and answer.json()["pid"] != worker:
            break
        time.sleep(0.1)
    assert answer.json()["pid"] != worker
    assert codes <= {200, 502, 503} and codes & {502, 503}
    assert "Starting again" in stack.ml.online_deployments.get_logs("blue", endpoint, lines=500)


def test_an_update_serves_until_the_new_process_is_ready_and_a_bad_one_changes_nothing(
    stack: Stack, endpoint: str, blue: str, model: Model, code: Code
) -> None:
    before = ask(stack, endpoint, {}).json()
    with pytest.raises(HttpResponseError, match="no weights"):
        deploy(
            stack,
            endpoint,
            "blue",
            code(score="def init(): raise RuntimeError('no weights')\ndef run(raw): return 1"),
            model,
        )
    assert ask(stack, endpoint, {}).json() == before
    deploy(stack, endpoint, "blue", code(score=SCORE), model, environment_variables={"WHO": "new"})
    after = ask(stack, endpoint, {}).json()
    assert after["who"] == "new" and after["pid"] != before["pid"]
    wait_until_gone(before["pid"])


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 15
    while psutil.pid_exists(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_deleting_an_endpoint_ends_its_processes(stack: Stack, model: Model, code: Code) -> None:
    name = make_endpoint(stack)
    deploy(stack, name, "only", code(score=SCORE), model)
    pid = ask(stack, name, {}, **{"azureml-model-deployment": "only"}).json()["pid"]
    stack.ml.online_endpoints.begin_delete(name).result()
    assert not psutil.pid_exists(pid)
    assert not list((stack.folder / "nodes").glob("only-*"))


def test_what_could_not_be_deployed_is_refused_at_once(
    stack: Stack, endpoint: str, model: Model, code: Code
) -> None:
    wrong = deployment(endpoint, "wrong", code(score=SCORE), model)
    wrong.model, wrong.instance_type = f"{model.id[:-1]}77", "Standard_Nothing"
    with pytest.raises(HttpResponseError) as refused:
        stack.ml.online_deployments.begin_create_or_update(wrong)
    assert "77" in str(refused.value) and "Standard_Nothing" in str(refused.value)
    missing = deployment("no-such-endpoint", "wrong", code(score=SCORE), model)
    with pytest.raises(ResourceNotFoundError):
        stack.ml.online_deployments.begin_create_or_update(missing)
