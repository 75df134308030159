"""Names that are one for all of Azure: whether they are free, and who else may have them."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure_group import API, Group, Raw
from click.testing import CliRunner

from core.errors import CloudError, SettingsError, UserError
from local import names
from local.process import LocalAzure

STORAGE, REGISTRY = "Microsoft.Storage/storageAccounts", "Microsoft.ContainerRegistry/registries"
VAULT, ACCOUNT = "Microsoft.KeyVault/vaults", "Microsoft.CognitiveServices/accounts"
TAKEN = "somebodyelses1"


@pytest.fixture(autouse=True)
def freed(azure_folder: Path, local_azure: LocalAzure) -> Iterator[None]:
    """Leave no name taken for the tests that share this Azure."""
    yield
    for type, name in names.taken(azure_folder):
        names.free(azure_folder, type, name)


def ask(raw: Raw, type: str, name: str) -> dict[str, Any]:
    provider = type.partition("/")[0]
    base = f"/subscriptions/{os.environ['AZURE_SUBSCRIPTION_ID']}/providers/{provider}"
    if type == ACCOUNT:
        answer = raw(
            "POST", f"{base}/checkDomainAvailability", {"subdomainName": name, "type": type}
        )
    else:
        answer = raw("POST", f"{base}/checkNameAvailability", {"name": name, "type": type})
    assert answer.status_code == 200, answer.text
    return answer.json()


def vault(group: Group) -> dict[str, Any]:
    properties = {
        "tenantId": os.environ["AZURE_TENANT_ID"],
        "sku": {"family": "A", "name": "standard"},
    }
    return group.put(f"{VAULT}/{group.unique}", {"properties": properties})


@pytest.mark.parametrize("type", [STORAGE, REGISTRY, VAULT])
def test_a_name_is_free_until_somebody_has_it(
    raw: Raw, azure_folder: Path, local_azure: LocalAzure, type: str
) -> None:
    assert ask(raw, type, TAKEN)["nameAvailable"] is True
    names.take(azure_folder, type.rpartition("/")[2], TAKEN)
    answer = ask(raw, type, TAKEN.upper() if type == VAULT else TAKEN)
    assert (answer["nameAvailable"], answer["reason"]) == (False, "AlreadyExists")
    assert answer["message"]
    names.free(azure_folder, type, TAKEN)
    assert ask(raw, type, TAKEN)["nameAvailable"] is True


def test_one_s_own_resources_have_their_names_and_a_deleted_vault_keeps_it(
    group: Group, raw: Raw
) -> None:
    storage, id = group.storage(), vault(group)["id"]
    assert ask(raw, STORAGE, storage["name"])["nameAvailable"] is False
    assert ask(raw, VAULT, group.unique)["nameAvailable"] is False
    group.arm.delete(storage["id"], API)
    group.arm.delete(id, API)
    assert ask(raw, STORAGE, storage["name"])["nameAvailable"] is True
    assert ask(raw, VAULT, group.unique)["nameAvailable"] is False, "held"


def test_a_name_that_breaks_the_rule_is_called_invalid(raw: Raw) -> None:
    assert ask(raw, STORAGE, "Not-Legal")["reason"] == "AccountNameInvalid"
    assert ask(raw, REGISTRY, "no")["reason"] == "Invalid"
    assert ask(raw, VAULT, "1st")["reason"] == "AccountNameInvalid"


def test_a_subdomain_is_free_until_an_account_has_it(
    group: Group, raw: Raw, azure_folder: Path
) -> None:
    name = f"ai-{group.unique}"
    assert ask(raw, ACCOUNT, name)["isSubdomainAvailable"] is True
    body = {"kind": "AIServices", "sku": {"name": "S0"}}
    group.put(f"{ACCOUNT}/{name}", {**body, "properties": {"customSubDomainName": name}})
    answer = ask(raw, ACCOUNT, name)
    assert answer["isSubdomainAvailable"] is False and name in answer["reason"]
    names.take(azure_folder, "accounts", TAKEN)
    assert ask(raw, ACCOUNT, TAKEN)["isSubdomainAvailable"] is False
    with pytest.raises(CloudError, match="CustomDomainInUse"):
        group.put(f"{ACCOUNT}/x{name}", {**body, "properties": {"customSubDomainName": TAKEN}})


@pytest.mark.parametrize(
    ("type", "body", "code"),
    [
        (STORAGE, {"kind": "StorageV2", "sku": {"name": "Standard_LRS"}}, "AlreadyTaken"),
        (REGISTRY, {"sku": {"name": "Basic"}}, "AlreadyInUse"),
    ],
)
def test_what_somebody_else_has_cannot_be_made(
    group: Group, azure_folder: Path, type: str, body: dict[str, Any], code: str
) -> None:
    names.take(azure_folder, type, TAKEN)
    with pytest.raises(CloudError, match=code):
        group.put(f"{type}/{TAKEN}", body)
    names.free(azure_folder, type, TAKEN)
    assert group.put(f"{type}/{TAKEN}", body)["name"] == TAKEN


def test_a_question_about_something_else_is_refused(raw: Raw) -> None:
    path = f"/subscriptions/{os.environ['AZURE_SUBSCRIPTION_ID']}/providers/Microsoft.Storage"
    for body in ({"type": STORAGE}, {"name": "abc", "type": VAULT}):
        refused = raw.refused("POST", f"{path}/checkNameAvailability", body)
        assert refused == (400, "InvalidRequestContent")


def test_the_commands_take_free_and_show_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from commands.local.command import local as cli

    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path))

    def run(*arguments: str) -> Any:
        done = CliRunner().invoke(cli, ["name", *arguments, "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    taken = {"type": VAULT, "name": "theirs"}
    assert run("take", "vaults", "theirs") == taken
    assert run("list") == [taken]
    assert "theirs" in CliRunner().invoke(cli, ["name", "list"]).stdout
    run("free", "vaults", "theirs")
    assert run("list") == []
    with pytest.raises(UserError, match="Nobody else"):
        CliRunner().invoke(cli, ["name", "free", "vaults", "theirs"], catch_exceptions=False)
    with pytest.raises(SettingsError, match="has no names of its own"):
        CliRunner().invoke(cli, ["name", "take", "rockets", "x"], catch_exceptions=False)
