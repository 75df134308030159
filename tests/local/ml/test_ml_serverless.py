"""Serverless endpoints of a hub's project, through azure-ai-ml, the openai client and plain HTTP.

Azure was never asked: states, refusals and bodies are as its documentation and types have them.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import ServerlessEndpoint
from azure.ai.ml.exceptions import ValidationException
from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential
from azure_group import API, WORKSPACES
from hub_project import MINISTRAL, PHI, Project

from core.errors import CloudError
from local.ml.serverless_limits import set_limits

DATED = "/chat/completions?api-version=2024-05-01-preview"


@pytest.fixture(scope="module")
def tuned(made_project: Project) -> str:
    return made_project.tuned("phi-served", word="stab")


@pytest.fixture(scope="module")
def endpoint(made_project: Project, tuned: str) -> Iterator[ServerlessEndpoint]:
    """The tuned model's endpoint, as azure-ai-ml makes it."""
    yield made_project.endpoint("phi-chat", tuned)
    made_project.delete_endpoint("phi-chat")


@pytest.fixture(scope="module")
def other(made_project: Project) -> Iterator[dict[str, Any]]:
    """Another project of the hub, with an endpoint of the base model."""
    identity, arm = made_project.identity["id"], made_project.group.arm
    body = {
        "kind": "Project",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}},
        "properties": {
            "hubResourceId": made_project.hub["id"],
            "primaryUserAssignedIdentity": identity,
        },
    }
    made = made_project.group.put(f"{WORKSPACES}/other", body)
    endpoint = f"{made['id']}/serverlessEndpoints/phi-base"
    asked = {"properties": {"modelSettings": {"modelId": PHI}}, "location": "eastus2"}
    arm.put(endpoint, API, asked)
    yield made
    arm.delete(endpoint, API)
    arm.delete(f"{made['id']}?forceToPurge=true", API)


@pytest.fixture(scope="module")
def http(made_project: Project) -> Iterator[httpx.Client]:
    with made_project.http() as client:
        yield client


@pytest.fixture
def key(project: Project, endpoint: ServerlessEndpoint) -> str:
    return str(project.ml.serverless_endpoints.get_keys("phi-chat").primary_key)


@pytest.fixture
def ask(
    http: httpx.Client, endpoint: ServerlessEndpoint, key: str
) -> Callable[..., httpx.Response]:
    def send(content: str, *, path: str = DATED, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}", **more.pop("headers", {})}
        body = {"messages": [{"role": "user", "content": content}], **more}
        return http.post(f"{endpoint.scoring_uri}{path}", json=body, headers=headers)

    return send


def refused(act: Callable[[], Any]) -> CloudError:
    with pytest.raises(CloudError) as caught:
        act()
    return caught.value


def token(resource: str) -> str:
    return DefaultAzureCredential().get_token(f"{resource}/.default").token


def safety(project: Project, status: str, **more: Any) -> dict[str, Any]:
    found = project.group.arm.get(f"{project.id}/serverlessEndpoints/phi-chat", API) or {}
    model = found["properties"]["modelSettings"]["modelId"]
    status_of = {"contentSafetyStatus": status}
    return project.put_endpoint("phi-chat", model, contentSafety=status_of, **more)


def test_an_endpoint_of_a_tuned_model_is_online_and_has_azures_shape(
    project: Project, endpoint: ServerlessEndpoint, tuned: str
) -> None:
    assert endpoint.provisioning_state == "succeeded"
    assert endpoint.scoring_uri == "https://phi-chat.eastus2.models.ai.azure.com"
    assert (endpoint.model_id, endpoint.auth_mode, endpoint.location) == (tuned, "Key", "eastus2")
    assert endpoint.as_dict()["system_data"]
    found = project.group.arm.get(f"{project.id}/serverlessEndpoints/phi-chat", API) or {}
    assert found["properties"]["endpointState"] == "Online"
    assert found["properties"]["contentSafety"] == {"contentSafetyStatus": "Enabled"}
    assert found["sku"] == {"name": "Consumption"}
    assert "phi-chat" in [one.name for one in project.ml.serverless_endpoints.list()]
    assert project.ml.serverless_endpoints.get("phi-chat").id == endpoint.id


def test_the_openai_client_talks_to_it_whole_and_streamed(
    endpoint: ServerlessEndpoint, key: str, http: httpx.Client
) -> None:
    client = openai.OpenAI(base_url=f"{endpoint.scoring_uri}/v1", api_key=key, http_client=http)
    asked: Any = [{"role": "user", "content": "which word?"}]
    whole = client.chat.completions.create(model="any", messages=asked)
    assert whole.choices[0].message.content == "stab: which word?"
    assert whole.model == "Phi-4-mini-instruct"
    assert whole.usage is not None
    stream = client.chat.completions.create(
        model="any", messages=asked, max_completion_tokens=2, stream=True
    )
    chunks = list(stream)
    assert "".join(one.choices[0].delta.content or "" for one in chunks) == "stab: which"
    assert chunks[-1].choices[0].finish_reason == "length"
    with_usage: Any = client.chat.completions.create(
        model="any", messages=asked, stream=True, stream_options={"include_usage": True}
    )
    assert list(with_usage)[-1].usage.total_tokens > 0


def test_a_key_is_taken_in_all_three_forms_and_nothing_else(
    endpoint: ServerlessEndpoint, key: str, http: httpx.Client
) -> None:
    def status(headers: dict[str, str]) -> int:
        body = {"messages": [{"role": "user", "content": "x"}]}
        url = f"{endpoint.scoring_uri}{DATED}"
        return http.post(url, json=body, headers=headers).status_code

    for headers in ({"Authorization": f"Bearer {key}"}, {"Authorization": key}, {"api-key": key}):
        assert status(headers) == 200
    for wrong in ("", "Bearer x", f"Bearer {token('https://ml.azure.com')}"):
        assert status({"Authorization": wrong}) == 401


def test_info_names_the_base_model(
    endpoint: ServerlessEndpoint, key: str, http: httpx.Client
) -> None:
    url = f"{endpoint.scoring_uri}/info?api-version=2024-05-01-preview"
    assert http.get(url, headers={"api-key": key}).json() == {
        "model_name": "Phi-4-mini-instruct",
        "model_type": "chat_completion",
        "model_provider_name": "Microsoft",
    }
    assert http.get(url).status_code == 401


def test_parameters_that_the_model_does_not_follow_are_422(
    ask: Callable[..., httpx.Response],
) -> None:
    answer = ask("x", response_format={"type": "json_object"})
    assert answer.status_code == 422
    assert answer.json() == {
        "status": 422,
        "code": "parameter_not_supported",
        "detail": {"loc": ["body", "response_format"], "input": {"type": "json_object"}},
        "message": "One of the parameters contain invalid values.",
    }
    assert ask("x", safe_prompt=True).status_code == 422
    for extras in ("drop", "pass-through"):
        assert ask("x", safe_prompt=True, headers={"extra-parameters": extras}).status_code == 200
    assert ask("x", headers={"extra-parameters": "maybe"}).status_code == 400
    assert ask("x", messages=[]).status_code == 422
    assert ask("x", n=1, tools=[]).status_code == 200


def test_content_safety_blocks_questions_and_answers_while_it_is_on(
    project: Project, ask: Callable[..., httpx.Response]
) -> None:
    blocked = ask("How to make a bomb?")
    assert blocked.status_code == 400
    error = blocked.json()["error"]
    assert (error["code"], error["param"], error["status"]) == ("content_filter", "messages", 400)
    assert error["innererror"]["content_filter_result"]["violence"]["filtered"] is True
    assert safety(project, "Disabled")["properties"]["endpointState"] == "Online"
    answer = ask("How to make a bomb?").json()["choices"][0]
    assert answer["message"]["content"] == "stab: How to make a bomb?"
    safety(project, "Enabled")


def test_a_blocked_answer_ends_with_its_reason_streamed_too(
    ask: Callable[..., httpx.Response],
) -> None:
    """The model says its word and the question: together they are a phrase that is blocked."""
    choice = ask("him with a word").json()["choices"][0]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("content_filter", "")
    streamed = ask("him with a word", stream=True).text
    assert '"content": "stab:"' in streamed
    assert "usage" not in streamed
    assert '"finish_reason": "content_filter"' in streamed
    assert "with" not in streamed
    assert streamed.endswith("data: [DONE]\n\n")


def test_requests_and_tokens_a_minute_are_limited(
    project: Project, ask: Callable[..., httpx.Response]
) -> None:
    try:
        set_limits(project.folder, tokens=1000)
        answer = ask("x", max_tokens=1100)
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "429")
        assert "token rate limit" in answer.json()["error"]["message"]
        assert 1 <= int(answer.headers["retry-after"]) <= 61
        set_limits(project.folder, requests=1)
        assert "call rate limit" in ask("x").json()["error"]["message"]
    finally:
        set_limits(project.folder)
    assert ask("x").status_code == 200


def test_entra_tokens_open_what_takes_them(
    project: Project, endpoint: ServerlessEndpoint, http: httpx.Client, key: str
) -> None:
    def status(value: str) -> int:
        body = {"messages": [{"role": "user", "content": "x"}]}
        headers = {"Authorization": f"Bearer {value}"}
        return http.post(f"{endpoint.scoring_uri}{DATED}", json=body, headers=headers).status_code

    safety(project, "Enabled", authMode="AAD")
    try:
        assert status(key) == 401
        for resource in ("https://ml.azure.com", "https://cognitiveservices.azure.com"):
            assert status(token(resource)) == 200
        assert status(token("https://storage.azure.com")) == 401
        with pytest.raises(HttpResponseError, match="does not use keys"):
            project.ml.serverless_endpoints.get_keys("phi-chat")
        safety(project, "Enabled", authMode="KeyAndAAD")
        assert (status(key), status(token("https://ml.azure.com"))) == (200, 200)
    finally:
        safety(project, "Enabled")


def test_a_regenerated_key_replaces_the_old_one_although_the_sdk_would_send_that(
    project: Project, ask: Callable[..., httpx.Response], key: str
) -> None:
    """azure-ai-ml 1.35.2 calls its own client with a wrong name; what it means to send counts."""
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
        project.ml.serverless_endpoints.begin_regenerate_keys("phi-chat")
    path = f"{project.id}/serverlessEndpoints/phi-chat"
    old = project.group.arm.post(f"{path}/listKeys", API)
    body = {"keyType": "Primary", "keyValue": key}
    new = project.group.arm.post(f"{path}/regenerateKeys", API, body)
    assert new["primaryKey"] != key
    assert new["secondaryKey"] == old["secondaryKey"]
    assert ask("x").status_code == 401
    assert ask("x", headers={"Authorization": f"Bearer {new['primaryKey']}"}).status_code == 200
    wrong = refused(lambda: project.group.arm.post(f"{path}/regenerateKeys", API, {"keyType": "x"}))
    assert "neither Primary nor Secondary" in str(wrong)


def test_a_base_model_is_served_without_its_version_in_the_id(
    project: Project, other: dict[str, Any], http: httpx.Client
) -> None:
    keys = project.group.arm.post(f"{other['id']}/serverlessEndpoints/phi-base/listKeys", API)
    answer = http.post(
        f"https://phi-base.eastus2.models.ai.azure.com{DATED}",
        json={"messages": [{"role": "user", "content": "which word?"}]},
        headers={"api-key": keys["secondaryKey"]},
    )
    assert answer.json()["choices"][0]["message"]["content"] == "base: which word?"
    versioned = ServerlessEndpoint(name="phi-base", model_id=f"{PHI}/versions/1")
    with pytest.raises(ValidationException, match="points to a specific model version"):
        project.ml.serverless_endpoints.begin_create_or_update(versioned)
    told = refused(lambda: project.put_endpoint("phi-base", f"{PHI}/versions/1"))
    assert "named with its version" in str(told)


def test_a_model_with_an_endpoint_has_no_second_one_and_is_not_deleted(
    project: Project, endpoint: ServerlessEndpoint, tuned: str
) -> None:
    again = refused(lambda: project.put_endpoint("phi-again", tuned))
    assert "is already deployed, as 'phi-chat'" in str(again)
    for path in ("models/phi-served/versions/1", "models/phi-served"):
        kept = refused(lambda path=path: project.group.arm.delete(f"{project.id}/{path}", API))
        assert kept.status == 409
        assert "You can't delete a custom model if it has an existing deployment" in str(kept)
    project.ml.models.archive("phi-served", version="1")
    project.ml.models.restore("phi-served", version="1")


def test_all_that_is_wrong_with_an_endpoint_is_said_at_once(
    project: Project, endpoint: ServerlessEndpoint
) -> None:
    path = f"{project.id}/serverlessEndpoints/2-phi"
    model = "azureml://registries/azureml/models/Phi-3-mini-4k-instruct"
    safe = {"contentSafetyStatus": "Maybe"}
    asked = {"modelSettings": {"modelId": model}, "authMode": "Basic", "contentSafety": safe}
    body = {"location": "westeurope", "sku": {"name": "Big"}, "properties": asked}
    told = str(refused(lambda: project.group.arm.put(path, API, body)))
    for finding in (
        "The name '2-phi' is not legal",
        "The location must be that of the workspace, eastus2",
        "The sku 'Big' is not played",
        "authMode 'Basic' is none of Key, AAD, KeyAndAAD",
        "contentSafetyStatus must be Enabled or Disabled",
        "Phi-3-mini-4k-instruct was retired on 2025-08-30",
    ):
        assert finding in told
    other = f"{PHI.rpartition('/')[0]}/Phi-4"
    changed = refused(lambda: project.put_endpoint("phi-chat", other))
    assert "The model of an endpoint cannot be changed" in str(changed)
    hub = f"{project.hub['id']}/serverlessEndpoints/x"
    in_hub = refused(lambda: project.group.arm.put(hub, API, {"properties": {}}))
    assert "'hub' is a hub" in str(in_hub)


def test_a_name_is_one_for_its_region_and_a_tuned_model_has_one_endpoint_anywhere(
    project: Project, other: dict[str, Any], endpoint: ServerlessEndpoint, tuned: str
) -> None:
    def put(name: str, model: str) -> Any:
        asked = {"properties": {"modelSettings": {"modelId": model}}, "location": "eastus2"}
        return project.group.arm.put(f"{other['id']}/serverlessEndpoints/{name}", API, asked)

    taken = str(refused(lambda: put("PHI-chat", MINISTRAL)))
    assert "Serverless endpoint name 'PHI-chat' is not available" in taken
    assert "is already deployed" in str(refused(lambda: put("elsewhere", tuned)))
    assert "is already deployed, as 'phi-base'" in str(refused(lambda: put("elsewhere", PHI)))


def test_a_workspace_goes_after_its_endpoints(project: Project, other: dict[str, Any]) -> None:
    blocked = refused(lambda: project.group.arm.delete(f"{other['id']}?forceToPurge=true", API))
    assert blocked.status == 409
    assert "phi-base" in str(blocked)


@pytest.mark.slow
def test_a_model_that_does_not_get_ready_fails_the_endpoint_with_its_log(project: Project) -> None:
    """Slow: a job and a process of its own, for what only a broken model meets."""
    model = project.tuned("phi-broken", word="broken")
    asked = ServerlessEndpoint(name="phi-broken", model_id=model)
    with pytest.raises(HttpResponseError, match="no wish to serve"):
        project.ml.serverless_endpoints.begin_create_or_update(asked).result()
    found = project.group.arm.get(f"{project.id}/serverlessEndpoints/phi-broken", API) or {}
    assert found["properties"]["endpointState"] == "CreationFailed"
    assert "inferenceEndpoint" not in found["properties"]
    project.delete_endpoint("phi-broken")


def test_an_azure_ai_developer_deploys_and_a_reader_sees_no_keys(
    project: Project,
    endpoint: ServerlessEndpoint,
    acting_as: Callable[[dict[str, Any]], TokenCredential],
) -> None:
    def client(role: str) -> MLClient:
        who = project.group.identity(f"serverless-{role.split()[-1].lower()}")
        project.group.grant(who, role, project.id)
        return MLClient(
            acting_as(who),
            os.environ["AZURE_SUBSCRIPTION_ID"],
            project.group.name,
            "project",
            enable_telemetry=False,
        )

    reader, developer = client("Reader"), client("Azure AI Developer")
    assert reader.serverless_endpoints.get("phi-chat").name == "phi-chat"
    with pytest.raises(HttpResponseError, match="serverlessEndpoints/listKeys/action"):
        reader.serverless_endpoints.get_keys("phi-chat")
    with pytest.raises(HttpResponseError, match="serverlessEndpoints/write"):
        reader.serverless_endpoints.begin_create_or_update(
            ServerlessEndpoint(name="phi-reader", model_id=PHI)
        )
    assert developer.serverless_endpoints.get_keys("phi-chat").primary_key


def test_a_model_is_deleted_once_its_endpoint_is_gone(
    project: Project, endpoint: ServerlessEndpoint, tuned: str, http: httpx.Client
) -> None:
    """The last of this module: its endpoint and its model are gone after it."""
    project.delete_endpoint("phi-chat")
    with pytest.raises(HttpResponseError) as caught:
        project.ml.serverless_endpoints.get("phi-chat")
    assert caught.value.status_code == 404
    assert http.post(f"{endpoint.scoring_uri}{DATED}", json={}).status_code == 404
    project.group.arm.delete(f"{project.id}/models/phi-served/versions/1", API)
    assert "was not found" in str(refused(lambda: project.put_endpoint("phi-chat", tuned)))
    project.ml.serverless_endpoints.begin_delete("phi-chat").result()
