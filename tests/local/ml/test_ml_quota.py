"""Quota under the Azure ML client: what is counted, which deployments are refused, who waits."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml.entities import Model
from azure.core.exceptions import HttpResponseError
from ml_stack import Stack
from test_ml_endpoints import SCORE, deployment, make_endpoint

from local import quota
from local.sizes import ESV3

Code = Callable[..., Path]
E4S = 4
"""vCPUs of a node of the stack's clusters."""


@pytest.fixture(autouse=True)
def cleared(azure_folder: Path, stack: Stack) -> Iterator[None]:
    """Leave no limit behind for the tests that share this Azure."""
    yield
    quota.clear(azure_folder)


def in_use(stack: Stack, name: str = ESV3.quota) -> int:
    usages = {u.name["localizedValue"]: u for u in stack.ml.compute.list_usage(location="eastus2")}
    return int(vars(usages[name])["currentValue"])


def errors(stack: Stack) -> list[dict[str, Any]]:
    compute = stack.group.arm.get(f"{stack.workspace['id']}/computes/cluster", "2025-12-01") or {}
    found = compute["properties"]["properties"]["errors"] or []
    return [one["error"] for one in found]


def hold(stack: Stack, code: Code, flag: Path) -> str:
    """Submit a job that runs until the flag is there."""
    line = f"while [ ! -e {flag} ]; do sleep 0.1; done"
    return str(stack.submit(code(nothing=""), line).name)


def test_the_client_lists_sizes_and_usage(stack: Stack) -> None:
    sizes = {size.name: size for size in stack.ml.compute.list_sizes(location="eastus2")}
    assert vars(sizes["Standard_NC24ads_A100_v4"])["vCPUs"] == 24
    names = {u.name["localizedValue"] for u in stack.ml.compute.list_usage(location="eastus2")}
    assert {ESV3.quota, "Total Cluster Dedicated Regional vCPUs"} <= names


def test_nodes_that_jobs_hold_are_counted_and_given_back(
    stack: Stack, code: Code, tmp_path: Path
) -> None:
    before = in_use(stack)
    job = hold(stack, code, tmp_path / "flag")
    stack.until(job, ("Running",))
    assert in_use(stack) == before + E4S
    assert in_use(stack, "Total Cluster Dedicated Regional vCPUs") >= before + E4S
    (tmp_path / "flag").touch()
    assert stack.ended(job).status == "Completed"
    assert in_use(stack) == before


def test_a_job_waits_for_quota_the_cluster_says_so_and_it_goes_on(
    stack: Stack, code: Code, azure_folder: Path, tmp_path: Path
) -> None:
    quota.set_limit(azure_folder, ESV3.code, in_use(stack) + E4S, "eastus2")
    first, second = (hold(stack, code, tmp_path / name) for name in ("one", "two"))
    stack.until(first, ("Running",))
    stack.until(second, ("Queued",))
    [error] = until(lambda: errors(stack))
    assert error["code"] == "ClusterCoreQuotaReached"
    assert ESV3.quota in error["message"]
    quota.set_limit(azure_folder, ESV3.code, in_use(stack) + E4S, "eastus2")
    stack.until(second, ("Running",))
    assert errors(stack) == []
    for name in ("one", "two"):
        (tmp_path / name).touch()
    assert stack.ended(first).status == stack.ended(second).status == "Completed"


def test_a_job_that_no_quota_is_left_for_can_be_canceled(
    stack: Stack, code: Code, azure_folder: Path, tmp_path: Path
) -> None:
    quota.set_limit(azure_folder, "Total Cluster Dedicated Regional vCPUs", 0)
    job = hold(stack, code, tmp_path / "never")
    assert "Regional vCPUs" in until(lambda: errors(stack))[0]["message"]
    assert stack.ml.jobs.get(job).status == "Queued"
    stack.ml.jobs.begin_cancel(job).result()
    assert stack.ended(job).status == "Canceled"
    assert errors(stack) == []


def test_low_priority_nodes_count_in_their_pool_and_in_no_family(
    stack: Stack, code: Code, azure_folder: Path, tmp_path: Path
) -> None:
    pool, before = "Total Cluster LowPriority Regional vCPUs", in_use(stack)
    low = {"vmSize": "Standard_E4s_v3", "vmPriority": "LowPriority"}
    own = {"type": "UserAssigned", "userAssignedIdentities": {stack.job["id"]: {}}}
    inner = {**low, "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 2}}
    stack.group.put(
        "Microsoft.MachineLearningServices/workspaces/main/computes/low",
        {"identity": own, "properties": {"computeType": "AmlCompute", "properties": inner}},
    )
    quota.set_limit(azure_folder, ESV3.code, 0)
    quota.set_limit(azure_folder, pool, E4S)
    line = f"while [ ! -e {tmp_path / 'flag'} ]; do sleep 0.1; done"
    first, second = (stack.submit(code(nothing=""), line, compute="low").name for _ in range(2))
    stack.until(first, ("Running",))
    stack.until(second, ("Queued",))
    assert (in_use(stack, pool), in_use(stack)) == (E4S, before)
    (tmp_path / "flag").touch()
    assert stack.ended(second).status == "Completed"


def test_a_job_goes_on_when_another_gives_its_nodes_back(
    stack: Stack, code: Code, azure_folder: Path, tmp_path: Path
) -> None:
    quota.set_limit(azure_folder, ESV3.code, in_use(stack) + E4S)
    first = hold(stack, code, tmp_path / "one")
    stack.until(first, ("Running",))
    second = stack.submit(code(nothing=""), "true", compute="single").name
    stack.until(second, ("Queued",))
    (tmp_path / "one").touch()
    assert stack.ended(second).status == "Completed"


def test_a_deployment_beyond_the_quota_is_refused_in_azure_s_words(
    stack: Stack, model: Model, code: Code, azure_folder: Path
) -> None:
    name = make_endpoint(stack)
    asked = deployment(name, "blue", code(score=SCORE), model)
    used = in_use(stack)
    quota.set_limit(azure_folder, ESV3.code, used + 2 * E4S - 1, "eastus2")
    with pytest.raises(HttpResponseError) as caught:
        stack.ml.online_deployments.begin_create_or_update(asked)
    assert caught.value.status_code == 400
    [detail] = caught.value.error.details
    assert detail.code == "InferencingClientCreateDeploymentFailed"
    assert "Not enough quota available for Standard_E4s_v3" in detail.message
    told = f"Current usage/limit: {used}/{used + 2 * E4S - 1}. Additional needed: {2 * E4S}"
    assert told in detail.message, "one instance counts as two"
    assert in_use(stack) == used
    assert list(stack.ml.online_deployments.list(name)) == []
    quota.withdraw(azure_folder, "Standard_E4s_v3", "eastus2")
    with pytest.raises(HttpResponseError, match=r"Standard_E4s_v3.*not supported in eastus2"):
        stack.ml.online_deployments.begin_create_or_update(asked)
    quota.clear(azure_folder)
    stack.ml.online_deployments.begin_create_or_update(asked)
    assert in_use(stack) == used + 2 * E4S
    stack.ml.online_endpoints.begin_delete(name).result()
    assert in_use(stack) == used


def until(ask: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := ask()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found
