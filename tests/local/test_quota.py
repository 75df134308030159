"""Limits, usages and sizes of a location: what Azure answers, what is refused for lack of it."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure_group import API, WORKSPACES, Group, Raw, workspace_body
from click.testing import CliRunner

from core.arm import Arm
from core.errors import SettingsError
from local import quota, tokens
from local.cores import instances_counted
from local.process import LocalAzure
from local.sizes import A100, ESV3, FAMILIES, SIZES, size_of
from local.state import State

ML_API, AI_API = "2025-12-01", "2023-05-01"


@pytest.fixture(autouse=True)
def cleared(azure_folder: Path, local_azure: LocalAzure) -> Iterator[None]:
    """Leave no limit behind for the tests that share this Azure."""
    yield
    quota.clear(azure_folder)


@pytest.fixture
def location() -> Callable[..., str]:
    """Give the path of a provider's location."""

    def path(rest: str, provider: str = "MachineLearningServices", where: str = "eastus2") -> str:
        subscription = f"/subscriptions/{os.environ['AZURE_SUBSCRIPTION_ID']}"
        return f"{subscription}/providers/Microsoft.{provider}/locations/{where}/{rest}"

    return path


def rows(arm: Arm, path: str, api: str = ML_API) -> list[dict[str, Any]]:
    return (arm.get(path, api) or {})["value"]


def by_name(arm: Arm, path: str, api: str = ML_API) -> dict[str, dict[str, Any]]:
    return {row["name"]["value"]: row for row in rows(arm, path, api)}


def test_a_new_subscription_has_cpu_cores_and_no_gpus(
    arm: Arm, location: Callable[..., str]
) -> None:
    found = by_name(arm, location("usages"))
    a100 = found[A100.code]
    assert a100["name"]["localizedValue"] == "Standard NCADSA100v4 Family Cluster Dedicated vCPUs"
    assert a100["type"] == "Microsoft.MachineLearningServices/vmFamily/dedicatedCores/usages"
    assert {one.code for one in FAMILIES if found[one.code]["limit"] == 0} == {
        size.family.code for size in SIZES if size.gpus
    }
    low = found["TotalLowPriorityCores"]
    assert low["name"]["localizedValue"] == "Total Cluster LowPriority Regional vCPUs"
    assert (low["limit"], low["currentValue"]) == (100, 0)


def test_a_limit_holds_at_once_where_it_was_set(
    arm: Arm, azure_folder: Path, location: Callable[..., str]
) -> None:
    quota.set_limit(azure_folder, ESV3.quota.upper(), 24)
    quota.set_limit(azure_folder, ESV3.code, 8, "West Europe")
    for where, limit in (("eastus2", 24), ("westeurope", 8)):
        for noun in ("usages", "quotas"):
            assert by_name(arm, location(noun, where=where))[ESV3.code]["limit"] == limit
    assert quota.clear(azure_folder) == 2
    assert by_name(arm, location("usages"))[ESV3.code]["limit"] == ESV3.starting_cores


def test_every_size_has_a_family_that_has_a_usage(arm: Arm, location: Callable[..., str]) -> None:
    sizes, usages = rows(arm, location("vmSizes")), by_name(arm, location("usages"))
    assert all(size["family"] in usages for size in sizes)
    found = {size["name"]: size for size in sizes}
    a100 = found["Standard_NC24ads_A100_v4"]
    assert (a100["vCPUs"], a100["gpus"], a100["memoryGB"]) == (24, 1, 220)
    assert "Standard_NC6s_v3" not in found, "retired"


def test_a_withdrawn_size_is_gone_from_its_location_alone(
    arm: Arm, azure_folder: Path, location: Callable[..., str]
) -> None:
    quota.withdraw(azure_folder, "standard_e4s_V3", "westeurope")

    def names(where: str) -> set[str]:
        return {size["name"] for size in rows(arm, location("vmSizes", where=where))}

    assert names("eastus2") - names("westeurope") == {"Standard_E4s_v3"}
    quota.offer(azure_folder, "Standard_E4s_v3")
    assert names("eastus2") == names("westeurope")


@pytest.mark.parametrize(
    ("size", "instances", "counted"),
    [
        ("Standard_E4s_v3", 1, 2),
        ("Standard_E4s_v3", 4, 5),
        ("Standard_E4s_v3", 5, 6),
        ("Standard_E4s_v3", 10, 12),
        ("Standard_NC4as_T4_v3", 1, 2),
        ("Standard_NC24ads_A100_v4", 3, 3),
        ("Standard_ND96isr_H100_v5", 1, 1),
    ],
)
def test_a_deployment_takes_a_fifth_more_unless_its_family_is_exempt(
    size: str, instances: int, counted: int
) -> None:
    found = size_of(size)
    assert found and instances_counted(found, instances) == counted


def cluster(parts: dict[str, dict[str, Any]], size: str, **more: Any) -> dict[str, Any]:
    inner = {"vmSize": size, "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 2}, **more}
    own = {"type": "UserAssigned", "userAssignedIdentities": {parts["identity"]["id"]: {}}}
    return {"identity": own, "properties": {"computeType": "AmlCompute", "properties": inner}}


@pytest.fixture
def workspace(group: Group, parts: dict[str, dict[str, Any]]) -> str:
    made = group.put(f"{WORKSPACES}/main", workspace_body(parts))
    group.grant(parts["identity"], "Contributor", made["id"])
    return str(made["id"])


def refusal(raw: Raw, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = raw("PUT", path, {"location": "eastus2", **body})
    assert answer.status_code == 400, answer.text
    return answer.json()["error"]


def test_a_cluster_is_refused_where_the_family_has_no_room_for_a_node(
    workspace: str, parts: dict[str, dict[str, Any]], raw: Raw, arm: Arm, azure_folder: Path
) -> None:
    path, body = f"{workspace}/computes/gpu", cluster(parts, "Standard_NC24ads_A100_v4")
    error = refusal(raw, path, body)
    assert error["code"] == "ClusterMinNodesExceedCoreQuota"
    assert "Standard NCADSA100v4 family vCPU quota of 0" in error["message"]
    assert "which maps to 24 vCPUs" in error["message"]
    assert raw("GET", path).status_code == 404, "nothing is left behind"
    quota.set_limit(azure_folder, A100.code, 24)
    assert arm.put(path, API, {"location": "eastus2", **body})["id"] == path


def test_a_low_priority_cluster_asks_the_pool_and_not_the_family(
    workspace: str, parts: dict[str, dict[str, Any]], raw: Raw, arm: Arm, azure_folder: Path
) -> None:
    path = f"{workspace}/computes/low"
    body = cluster(parts, "Standard_NC24ads_A100_v4", vmPriority="LowPriority")
    quota.set_limit(azure_folder, "TotalLowPriorityCores", 23)
    assert "total vCPU quota of 23" in refusal(raw, path, body)["message"]
    quota.set_limit(azure_folder, "TotalLowPriorityCores", 24)
    assert arm.put(path, API, {"location": "eastus2", **body})["id"] == path


def test_a_cluster_of_a_size_that_is_not_offered_is_refused_with_those_that_are(
    workspace: str, parts: dict[str, dict[str, Any]], raw: Raw, azure_folder: Path
) -> None:
    quota.withdraw(azure_folder, "Standard_E4s_v3", "eastus2")
    error = refusal(raw, f"{workspace}/computes/cpu", cluster(parts, "Standard_E4s_v3"))
    assert error["code"] == "InvalidPropertyValue"
    assert "Standard_E4s_v3" in error["message"]
    offered = error["details"][0]["message"].split(",")
    assert "STANDARD_E8S_V3" in offered and "STANDARD_E4S_V3" not in offered


def test_models_have_limits_by_kind_of_deployment_and_tuned_ones_their_own(
    arm: Arm, azure_folder: Path, location: Callable[..., str]
) -> None:
    path = location("usages", "CognitiveServices")
    before = by_name(arm, path, AI_API)
    mini = before["OpenAI.Standard.gpt-4.1-mini"]
    assert mini["name"]["localizedValue"] == "Tokens Per Minute (thousands) - gpt-4.1-mini"
    assert (mini["currentValue"], mini["unit"]) == (0.0, "Count")
    quota.set_limit(azure_folder, "OpenAI.Standard.gpt-4.1-mini-finetune", 0)
    after = by_name(arm, path, AI_API)
    changed = {name for name, row in after.items() if row["limit"] != before[name]["limit"]}
    assert changed == {"OpenAI.Standard.gpt-4.1-mini-finetune"}


def test_models_say_until_when_and_which_usage_they_take_from(
    arm: Arm, location: Callable[..., str]
) -> None:
    def models(where: str) -> dict[str, dict[str, Any]]:
        path = location("models", "CognitiveServices", where)
        return {row["model"]["name"]: row["model"] for row in rows(arm, path, "2025-06-01")}

    found, usages = models("eastus2"), location("usages", "CognitiveServices")
    known = by_name(arm, usages, AI_API)
    assert all(sku["usageName"] in known for one in found.values() for sku in one["skus"])
    mini = found["gpt-4.1-mini"]
    assert mini["deprecation"]["inference"] == "2026-10-14T00:00:00Z"
    assert mini["lifecycleStatus"] == "Deprecated"
    assert found["Qwen3-32B"]["lifecycleStatus"] == "GenerallyAvailable"
    assert mini["capabilities"]["fineTune"] == "true"
    assert "fineTune" not in models("westeurope")["gpt-4.1-mini"]["capabilities"]


def test_deployed_models_count_where_their_account_is(tmp_path: Path) -> None:
    state = State(tmp_path)
    account = f"/subscriptions/s/resourceGroups/g/providers/{tokens.ACCOUNTS}/a"
    state.put(account, tokens.ACCOUNTS, {"id": account, "location": "eastus2"})
    for name, model, capacity in (
        ("base", "gpt-4.1-mini", 30),
        ("tuned", "gpt-4.1-mini-2025-04-14.ft-0123456789abcdef", 5),
        ("strange", "somebody-elses-model", 7),
    ):
        body = {
            "sku": {"name": "standard", "capacity": capacity},
            "properties": {"model": {"name": model}},
        }
        state.put(f"{account}/deployments/{name}", tokens.DEPLOYMENTS, body)
    used = tokens.used(state, "eastus2")
    assert used == {
        "OpenAI.Standard.gpt-4.1-mini": 30,
        "OpenAI.Standard.gpt-4.1-mini-finetune": 5,
    }
    assert not tokens.used(state, "westeurope")


def test_a_wrong_name_or_limit_is_refused_with_one_that_fits(azure_folder: Path) -> None:
    with pytest.raises(SettingsError, match="for example standardESv3Family"):
        quota.set_limit(azure_folder, "standardESv33Family", 4)
    with pytest.raises(SettingsError, match="-1 is less than 0"):
        quota.set_limit(azure_folder, ESV3.code, -1)
    with pytest.raises(SettingsError, match="no VM size 'Standard_E5'"):
        quota.withdraw(azure_folder, "Standard_E5")


def test_the_commands_set_show_and_clear_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from commands.local.command import local as cli

    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path))

    def run(*arguments: str) -> Any:
        done = CliRunner().invoke(cli, ["quota", *arguments, "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    made = run("set", A100.quota, "48", "--location", "East US 2")
    assert made == {"name": A100.code, "location": "eastus2", "limit": 48}
    run("withdraw", "standard_e4s_v3")
    listed = run("list")
    assert listed["set"] == [made]
    assert listed["withdrawn"] == [{"size": "Standard_E4s_v3", "location": "*"}]
    shown = CliRunner().invoke(cli, ["quota", "list"]).stdout
    assert A100.quota in shown and "eastus2" in shown and "Standard_E4s_v3" in shown
    run("offer", "Standard_E4s_v3")
    assert run("list")["withdrawn"] == []
    assert run("clear") == {"cleared": 1}
