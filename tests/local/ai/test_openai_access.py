"""At which addresses an account answers, to whom, and in which words it refuses others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ai_account import SCOPE, AiAccount, chats, client_of, refused
from azure.core.credentials import TokenCredential
from azure.identity import DefaultAzureCredential
from azure_group import API, Group
from openai import AzureOpenAI, NotFoundError, OpenAI

from core.errors import CloudError
from local.ai.records import folder
from local.operations import OPERATIONS

RIGHT = "Microsoft.CognitiveServices/accounts/OpenAI/files/read"


@pytest.fixture(scope="module")
def project(shared: AiAccount) -> str:
    path = f"Microsoft.CognitiveServices/accounts/{shared.name}/projects/tuning"
    return str(shared.group.put(path, {"identity": {"type": "SystemAssigned"}})["id"])


@pytest.mark.parametrize(
    "url",
    [
        "https://{0}.openai.azure.com/openai/v1/",
        "https://{0}.cognitiveservices.azure.com/openai/v1/",
        "https://{0}.services.ai.azure.com/openai/v1/",
        "https://{0}.services.ai.azure.com/api/projects/tuning/openai/v1/",
    ],
)
def test_an_account_answers_at_its_three_hosts_and_its_projects(
    shared: AiAccount, project: str, url: str
) -> None:
    id = shared.upload(chats(1))
    assert client_of(url.format(shared.name)).files.retrieve(id).id == id


def test_tokens_for_foundry_are_taken_too(shared: AiAccount) -> None:
    known = DefaultAzureCredential()
    token = known.get_token("https://ai.azure.com/.default").token
    client = client_of(str(shared.client.base_url), api_key=token)
    client.files.list()
    wrong = known.get_token("https://management.azure.com/.default").token
    assert refused(lambda: client.with_options(api_key=wrong).files.list())[0] == 401


@pytest.mark.parametrize("version", ["2024-10-21", "2025-04-01-preview"])
def test_the_dated_api_is_the_same(shared: AiAccount, version: str) -> None:
    known = DefaultAzureCredential()
    client = AzureOpenAI(
        azure_endpoint=f"https://{shared.name}.openai.azure.com",
        api_version=version,
        azure_ad_token_provider=lambda: known.get_token(SCOPE).token,
        max_retries=0,
    )
    file = client.files.create(file=("a.jsonl", chats(1)), purpose="fine-tune")
    assert shared.client.files.retrieve(file.id).id == file.id
    assert client.fine_tuning.jobs.list().data == []


@pytest.mark.parametrize("version", ["v1", "preview"])
def test_v1_takes_no_dated_version(shared: AiAccount, version: str) -> None:
    url = str(shared.client.base_url)
    client_of(url, default_query={"api-version": version}).files.list()
    dated = client_of(url, default_query={"api-version": "2024-10-21"})
    status, _, told = refused(lambda: dated.files.list())
    assert (status, told) == (400, "Error code: 400 - API version not supported")
    undated = client_of(url.replace("/v1/", ""))
    assert refused(lambda: undated.files.list())[:2] == (404, "404")


def test_an_unknown_account_or_project_is_not_found(shared: AiAccount) -> None:
    with pytest.raises(NotFoundError):
        client_of("https://nobody.openai.azure.com/openai/v1/").files.list()
    elsewhere = f"https://{shared.name}.services.ai.azure.com/api/projects/none/openai/v1/"
    with pytest.raises(NotFoundError):
        client_of(elsewhere).files.list()


def test_a_deleted_account_is_gone_with_what_it_held(
    make_account: Callable[..., AiAccount], azure_folder: Path
) -> None:
    account = make_account()
    account.upload(chats(1))
    account.group.arm.delete(account.id, API)
    with pytest.raises(NotFoundError):
        account.client.files.list()
    account.group.put(
        f"Microsoft.CognitiveServices/accounts/{account.name}",
        {
            **{key: account.document[key] for key in ("kind", "sku", "identity")},
            "properties": {"customSubDomainName": account.name, "restore": True},
        },
    )
    assert list(account.client.files.list()) == []
    from local.world import World

    world = World(azure_folder, *[None] * 5)  # type: ignore[arg-type]
    assert not any((folder(world, account.id) / "files").glob("*"))


@pytest.fixture(scope="module")
def reader(shared: AiAccount) -> dict[str, Any]:
    """Somebody with the control plane's rights alone."""
    identity = shared.group.identity("openai-reader")
    shared.group.grant(identity, "Reader", shared.id)
    shared.group.grant(identity, "Contributor", shared.id)
    return identity


def test_the_control_planes_roles_give_no_data(
    shared: AiAccount,
    reader: dict[str, Any],
    acting_as: Callable[[dict[str, Any]], TokenCredential],
) -> None:
    client = client_of(str(shared.client.base_url), acting_as(reader))
    status, code, told = refused(lambda: client.files.list())
    assert (status, code) == (401, "PermissionDenied")
    principal = reader["properties"]["principalId"]
    assert told == (
        f"Error code: 401 - The principal `{principal}` lacks the required data action `{RIGHT}`"
        " to perform `GET /openai/files` operation."
    )


@pytest.mark.parametrize(
    "role", ["Foundry User", "Cognitive Services OpenAI Contributor", "Azure AI Developer"]
)
def test_the_data_planes_roles_do(
    shared: AiAccount, role: str, acting_as: Callable[[dict[str, Any]], TokenCredential]
) -> None:
    identity = shared.group.identity(f"openai-{role.split()[0].lower()}")
    client = client_of(str(shared.client.base_url), acting_as(identity))
    assert refused(lambda: client.files.list())[0] == 401
    shared.group.grant(identity, role, shared.id)
    client.files.list()
    client.fine_tuning.jobs.list()
    client.models.list()


def test_a_right_on_a_project_counts_at_the_projects_address_alone(
    shared: AiAccount, project: str, acting_as: Callable[[dict[str, Any]], TokenCredential]
) -> None:
    identity = shared.group.identity("openai-project")
    shared.group.grant(identity, "Foundry User", project)
    at = f"https://{shared.name}.services.ai.azure.com/api/projects/tuning/openai/v1/"
    client_of(at, acting_as(identity)).files.list()
    whole = client_of(str(shared.client.base_url), acting_as(identity))
    assert refused(lambda: whole.files.list())[0] == 401


def test_a_role_may_exclude_tuning(ai_group: Group) -> None:
    """Every data action is below one of the paths that Microsoft names for blocking tuning."""
    below = "Microsoft.CognitiveServices/accounts/OpenAI"
    mine = {row.data_action for row in OPERATIONS if row.data_action.startswith(below)}
    tuning = {one for one in mine if "/deployments/" not in one}
    assert {one.removeprefix(below).split("/")[1] for one in tuning} <= {
        "files",
        "uploads",
        "fine-tunes",
        "models",
    }


def with_key(account: AiAccount, key: str) -> OpenAI:
    return client_of(str(account.client.base_url), api_key=key)


def test_keys_are_worth_nothing_where_local_auth_is_off(shared: AiAccount) -> None:
    assert refused(lambda: with_key(shared, "a-key").files.list())[:2] == (
        403,
        "AuthenticationTypeDisabled",
    )
    with pytest.raises(CloudError, match="disableLocalAuth"):
        shared.group.arm.post(f"{shared.id}/listKeys", API)


def test_keys_open_an_account_where_local_auth_is_on(
    make_account: Callable[..., AiAccount],
) -> None:
    account = make_account(properties={"disableLocalAuth": False})
    keys = account.group.arm.post(f"{account.id}/listKeys", API)
    assert keys is not None and len(set(keys.values())) == 2
    with_key(account, keys["key1"]).files.list()
    azure = AzureOpenAI(
        azure_endpoint=f"https://{account.name}.openai.azure.com",
        api_version="2024-10-21",
        api_key=keys["key2"],
        max_retries=0,
    )
    azure.files.list()
    assert refused(lambda: with_key(account, "a-key").files.list())[:2] == (401, "401")
