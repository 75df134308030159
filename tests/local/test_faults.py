"""Faults by rule: what a client meets, how often, and who may set them while it runs."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from azure.core.exceptions import HttpResponseError, ServiceResponseError
from azure.core.pipeline.transport import HttpRequest, RequestsTransport
from azure.identity import DefaultAzureCredential
from azure.storage.blob import ContainerClient
from azure_group import API, Group, Raw
from click.testing import CliRunner

from core.arm import Arm
from core.errors import CloudError, SettingsError, UserError
from local import faults
from local.faults import Fault
from local.process import LocalAzure, stop

ACCOUNTS = "Microsoft.Storage/storageAccounts"


@pytest.fixture(autouse=True)
def cleared(azure_folder: Path, local_azure: LocalAzure) -> Iterator[None]:
    """Leave no fault behind for the tests that share this Azure."""
    yield
    faults.clear(azure_folder)


def identity(group: Group) -> str:
    return group.path("Microsoft.ManagedIdentity/userAssignedIdentities/some")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (429, "TooManyRequests"),
        (500, "InternalServerError"),
        (502, "BadGateway"),
        (503, "ServiceUnavailable"),
        (504, "GatewayTimeout"),
    ],
)
def test_a_status_is_answered_in_the_service_s_shape(
    azure_folder: Path, group: Group, raw: Raw, status: int, code: str
) -> None:
    faults.add(azure_folder, Fault(status=status, retry_after=7))
    answer = raw("GET", group.id)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers["Retry-After"] == "7"
    assert raw("GET", group.id).status_code == 200


def test_a_rule_hits_what_it_names_and_nothing_else(
    azure_folder: Path, group: Group, raw: Raw
) -> None:
    rule = Fault("put", "MANAGEMENT.*", "*/userassignedidentities/*", status=500)
    faults.add(azure_folder, rule)
    body = {"location": "eastus2"}
    group.arm.get(group.id, API)
    assert raw("GET", identity(group)).status_code == 404
    assert raw("PUT", identity(group), body).status_code == 500
    assert raw("GET", identity(group)).status_code == 404, "nothing was performed"
    assert raw("PUT", identity(group), body).status_code == 201
    [spent] = faults.rules(azure_folder)
    assert (spent.seen, spent.hits, spent.is_spent) == (1, 1, True)


def test_skip_and_times_are_counted(azure_folder: Path, group: Group, raw: Raw) -> None:
    faults.add(azure_folder, Fault(path=group.id, status=503, skip=1, times=2))
    assert [raw("GET", group.id).status_code for _ in range(5)] == [200, 503, 503, 200, 200]
    faults.add(azure_folder, Fault(path=group.id, status=503, times=0))
    assert {raw("GET", group.id).status_code for _ in range(5)} == {503}
    assert faults.clear(azure_folder, 2) == 1
    assert raw("GET", group.id).status_code == 200
    with pytest.raises(UserError, match="no fault 2"):
        faults.clear(azure_folder, 2)


def test_of_two_rules_the_later_one_sees_what_the_first_lets_pass(
    azure_folder: Path, group: Group, raw: Raw
) -> None:
    faults.add(azure_folder, Fault(path=group.id, status=500))
    faults.add(azure_folder, Fault(path=group.id, status=502))
    assert [raw("GET", group.id).status_code for _ in range(3)] == [500, 502, 200]


def test_our_client_waits_as_long_as_azure_asks(azure_folder: Path, group: Group) -> None:
    faults.add(azure_folder, Fault(path=group.id, status=429, retry_after=1, times=2))
    began = time.monotonic()
    assert group.arm.get(group.id, API)
    assert time.monotonic() - began >= 2
    assert faults.rules(azure_folder)[0].hits == 2


def test_a_cut_connection_is_one_to_every_client(
    azure_folder: Path, local_azure: LocalAzure, group: Group, raw: Raw
) -> None:
    faults.add(azure_folder, Fault(path=group.id, drop=True, times=0))
    with pytest.raises(httpx.RemoteProtocolError):
        raw("GET", group.id)
    url = f"https://management.azure.com{group.id}?api-version={API}"
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(url, headers={"Authorization": f"Bearer {raw.token}"}, timeout=10)
    with RequestsTransport() as transport, pytest.raises(ServiceResponseError):
        transport.send(HttpRequest("GET", url), connection_timeout=10)
    faults.clear(azure_folder)
    assert raw("GET", group.id).status_code == 200


def test_a_connection_is_cut_before_or_after_the_operation(
    azure_folder: Path, group: Group, raw: Raw
) -> None:
    body = {"location": "eastus2"}
    for after, left in ((False, 404), (True, 200)):
        faults.add(azure_folder, Fault("PUT", path=identity(group), drop=True, after=after))
        with pytest.raises(httpx.RemoteProtocolError):
            raw("PUT", identity(group), body)
        assert raw("GET", identity(group)).status_code == left


def test_our_client_goes_on_after_cut_connections(azure_folder: Path, group: Group) -> None:
    for after in (False, True):
        faults.add(azure_folder, Fault("PUT", path="*/storageAccounts/*", drop=True, after=after))
    assert group.storage()["properties"]["provisioningState"] == "Succeeded"
    faults.add(azure_folder, Fault("DELETE", path="*/storageAccounts/*", drop=True, after=True))
    group.arm.delete(group.path(f"{ACCOUNTS}/{group.unique}"), API)
    assert group.arm.get(group.path(f"{ACCOUNTS}/{group.unique}"), API) is None


def test_a_slow_answer_is_late(azure_folder: Path, group: Group, raw: Raw) -> None:
    faults.add(azure_folder, Fault(path=group.id, slow=300))
    began = time.monotonic()
    assert raw("GET", group.id).status_code == 200
    assert time.monotonic() - began >= 0.3
    faults.add(azure_folder, Fault("PUT", path=identity(group), slow=1500))
    with pytest.raises(httpx.ReadTimeout):
        raw.client.put(
            f"https://management.azure.com{identity(group)}?api-version={API}",
            json={"location": "eastus2"},
            headers={"Authorization": f"Bearer {raw.token}"},
            timeout=0.5,
        )
    assert raw("GET", identity(group)).status_code == 200, "late, but performed"


def test_blobs_and_the_login_fail_in_their_own_shape(
    azure_folder: Path, group: Group, raw: Raw
) -> None:
    host = f"{group.unique}.blob.core.windows.net"
    faults.add(azure_folder, Fault(host="*.blob.core.windows.net", status=503, times=0))
    container = ContainerClient(f"https://{host}", "box", DefaultAzureCredential(), retry_total=0)
    with container, pytest.raises(HttpResponseError) as caught:
        container.get_container_properties()
    assert caught.value.status_code == 503
    assert "ErrorCode:ServerBusy" in str(caught.value)
    faults.add(azure_folder, Fault(host="login.*", path="*/token", status=503))
    answer = raw.client.post("https://login.microsoftonline.com/any/oauth2/v2.0/token")
    assert (answer.status_code, answer.json()["error"]) == (503, "ServiceUnavailable")


def test_a_wrong_rule_names_all_that_is_wrong(azure_folder: Path) -> None:
    wrong = Fault("FETCH", path="", status=404, drop=True, retry_after=-1, times=-1, skip=-2)
    with pytest.raises(SettingsError) as caught:
        faults.add(azure_folder, wrong)
    found = str(caught.value).splitlines()
    parts = ("effect", "status", "retry-after", "times", "skip", "method", "host and path")
    assert [line.partition(":")[0] for line in found] == list(parts)
    with pytest.raises(SettingsError, match="it has none"):
        faults.add(azure_folder, Fault())
    with pytest.raises(SettingsError, match="slow answer comes after"):
        faults.add(azure_folder, Fault(slow=5, after=True))
    assert faults.rules(azure_folder) == []


def test_rules_and_counters_survive_a_restart(
    fresh_azure: Callable[[], LocalAzure], tmp_path: Path
) -> None:
    folder = tmp_path / "local"
    fresh_azure()
    arm = Arm(DefaultAzureCredential())
    faults.add(folder, Fault(path="/subscriptions", status=503, skip=1, times=0))
    assert arm.get("/subscriptions", API)
    assert stop(folder)
    fresh_azure()
    [rule] = faults.rules(folder)
    assert (rule.seen, rule.hits) == (1, 0)
    with pytest.raises(CloudError, match="ServiceUnavailable"):
        Arm(DefaultAzureCredential(), patience=1)._send("GET", "/subscriptions", API, None)


def test_the_commands_set_show_and_clear_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from commands.local.command import local as cli

    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path))

    def run(*arguments: str) -> Any:
        done = CliRunner().invoke(cli, ["fault", *arguments, "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    made = run("add", "--method", "PUT", "--path", "*/vaults/*", "--status", "429",
               "--retry-after", "2", "--times", "3", "--skip", "1")  # fmt: skip
    assert (made["number"], made["status"], made["retry_after"]) == (1, 429, 2)
    assert run("add", "--drop", "--after", "--host", "*.blob.*")["number"] == 2
    assert run("role-delay", "4") == {"role_delay": 4}
    folder = tmp_path / "local"
    assert all(path.stat().st_mode & 0o077 == 0 for path in (folder, *folder.iterdir()))
    listed = run("list")
    assert listed["role_delay"] == 4
    assert [rule["hits"] for rule in listed["faults"]] == [0, 0]
    shown = CliRunner().invoke(cli, ["fault", "list"]).stdout
    assert "PUT * */vaults/* -> 429, Retry-After 2; 3 times after 1" in shown
    assert run("clear", "2") == {"cleared": 1}
    assert run("clear") == {"cleared": 1}
    assert run("list") == {"faults": [], "role_delay": 0}
    with pytest.raises(SettingsError, match="status: 418"):
        CliRunner().invoke(cli, ["fault", "add", "--status", "418"], catch_exceptions=False)
    with pytest.raises(SettingsError, match="checks: -1"):
        CliRunner().invoke(cli, ["fault", "role-delay", "--", "-1"], catch_exceptions=False)
