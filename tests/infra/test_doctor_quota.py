"""The quota of clusters, low priority and models: what is needed, by the portal's own names."""

from typing import Any

import pytest

from core.facts import Facts
from core.features import ClusterPlan
from core.managed_recipe import OpenAIRecipe
from core.rules import Finding, Status
from infra.doctor import RULES
from tests.doctor_facts import A100, AI, ML, REGION, arm, facts, found, one, refuse, say, say_usages

E = "Standard ESv3 Family Cluster Dedicated vCPUs"
LOW = "Total Cluster LowPriority Regional vCPUs"
PLENTY = (REGION, 0, 1000)


def cluster(of: Facts) -> Finding:
    return one(RULES, "quota.cluster", of)


def has_nodes(of: Facts, nodes: int, size: str = "Standard_NC24ads_A100_v4", **more: Any) -> None:
    """Give the stack's workspace a cluster with so many nodes at work."""
    id = f"{of.workspace_id}/computes/gpu"
    inner = {"vmSize": size, "currentNodeCount": nodes, **more.pop("inner", {})}
    tags = more.pop("tags", {"tunestack-stack": of.stack})
    arm(of).resources[id.lower()] = {"id": id, "tags": tags, "properties": {"properties": inner}}


def test_no_quota_for_one_node_has_failed_with_the_portals_name_and_the_link() -> None:
    about = facts()
    say_usages(about, (A100, 0, 0), PLENTY)
    finding = cluster(about)
    assert finding.status is Status.FAILED
    assert finding.told == f"{A100}: 24 needed, 0 free of 0"
    assert finding.fix.startswith(f"https://ml.azure.com > Quota > eastus2 > {A100} > Request")
    assert "Request quota: 24" in finding.fix


def test_enough_quota_is_told_with_what_is_free() -> None:
    about = facts()
    say_usages(about, (A100, 24, 48), PLENTY)
    finding = cluster(about)
    assert (finding.status, finding.told) == (Status.OK, f"{A100}: 24 needed, 24 free of 48")


def test_a_limit_for_some_of_the_nodes_is_a_warning() -> None:
    about = facts(maxNodes=4)
    say_usages(about, (A100, 0, 48), PLENTY)
    finding = cluster(about)
    assert finding.status is Status.WARNING
    assert "96 needed, 48 free of 48" in finding.told
    assert "Request quota: 96" in finding.fix


def test_what_others_use_now_is_a_warning_as_a_job_waits_for_it() -> None:
    about = facts()
    say_usages(about, (A100, 40, 48), PLENTY)
    finding = cluster(about)
    assert finding.status is Status.WARNING
    assert f"{A100}: 24 needed, 8 free of 48; a job waits" in finding.told


def test_nodes_that_the_stack_has_already_are_not_needed_twice() -> None:
    about = facts()
    say_usages(about, (A100, 24, 24), (REGION, 24, 24))
    has_nodes(about, 1)
    assert cluster(about).told == f"{A100}: 24 needed, 24 free of 24"


@pytest.mark.parametrize(
    "more",
    [
        {"tags": {"tunestack-stack": "another"}},
        {"tags": None},
        {"inner": {"vmPriority": "LowPriority"}},
        {"size": "Standard_E16s_v3"},
    ],
)
def test_nodes_of_others_or_of_another_kind_are_in_use(more: dict[str, Any]) -> None:
    about = facts()
    say_usages(about, (A100, 24, 24), PLENTY)
    has_nodes(about, 1, **more)
    assert cluster(about).status is Status.WARNING


def test_clusters_of_one_family_share_its_row_and_others_have_their_own() -> None:
    about = facts(maxNodes=2, clusters="Standard_NC48ads_A100_v4,Standard_E4s_v3*3")
    say_usages(about, (A100, 0, 96), (E, 0, 12), PLENTY)
    told = [finding.told for finding in found(RULES, "quota.cluster", about)]
    assert told == [f"{A100}: 96 needed, 96 free of 96", f"{E}: 12 needed, 12 free of 12"]


def test_one_cluster_that_can_never_start_a_node_has_failed_though_others_can() -> None:
    about = facts(clusters="Standard_NC96ads_A100_v4")
    say_usages(about, (A100, 0, 48), PLENTY)
    assert cluster(about).status is Status.FAILED


def test_the_regions_own_limit_counts_too() -> None:
    about = facts()
    say_usages(about, (A100, 0, 24), (REGION, 0, 10))
    family, region = found(RULES, "quota.cluster", about)
    assert (family.status, region.status) == (Status.OK, Status.FAILED)
    assert region.told == f"{REGION}: 24 needed, 10 free of 10"


def test_a_recipe_of_many_nodes_needs_them_all_at_once() -> None:
    about = facts(recipe="phi-3.5-mini", maxNodes=2)
    assert about.recipe is not None
    training = about.recipe.training.model_copy(update={"nodes": 2})
    about.recipe = about.recipe.model_copy(update={"training": training})
    say_usages(about, (A100, 0, 24), PLENTY)
    assert cluster(about).status is Status.FAILED


def test_a_jobs_own_nodes_are_what_counts_for_it() -> None:
    about = facts(maxNodes=8, clusters="Standard_NC96ads_A100_v4")
    say_usages(about, (A100, 0, 24), (LOW, 0, 0), PLENTY)
    about.node = ClusterPlan("Standard_NC24ads_A100_v4", 1)
    assert cluster(about).status is Status.OK
    assert found(RULES, "quota.low-priority", about) == []
    about.node = ClusterPlan("Standard_NC24ads_A100_v4", 1, "LowPriority")
    assert one(RULES, "quota.low-priority", about).status is Status.FAILED


def test_a_size_that_nobody_knows_is_unknown_and_azures_list_makes_it_known() -> None:
    about = facts(vmSize="Standard_ND40rs_v9")
    row = "Standard NDRSv9 Family Cluster Dedicated vCPUs"
    say_usages(about, (row, 0, 0), PLENTY)
    unknown, *_ = found(RULES, "quota.cluster", about)
    assert unknown.status is Status.UNKNOWN
    assert "Standard_ND40rs_v9" in unknown.told

    about = facts(vmSize="Standard_ND40rs_v9")
    say_usages(about, (row, 0, 0), PLENTY)
    size = {"name": "Standard_ND40rs_v9", "family": "standardNDRSv9Family", "vCPUs": 40}
    say(about, about.at_location(ML, "vmSizes"), [size])
    assert cluster(about).told == f"{row}: 40 needed, 0 free of 0"


def test_no_list_and_a_refused_list_are_unknown() -> None:
    assert cluster(facts()).status is Status.UNKNOWN
    about = facts()
    refuse(about, "usages", f"{ML}/locations/usages/read")
    finding = cluster(about)
    assert finding.status is Status.UNKNOWN
    assert f"{ML}/locations/usages/read" in finding.told


def test_low_priority_draws_on_the_pool_that_all_sizes_share() -> None:
    about = facts(lowPriority=True, clusters="Standard_NC48ads_A100_v4*2:lowPriority")
    say_usages(about, (LOW, 0, 100), (A100, 0, 24), PLENTY)
    finding = one(RULES, "quota.low-priority", about)
    assert finding.status is Status.WARNING
    assert f"{LOW}: 120 needed, 100 free of 100" in finding.told
    assert cluster(about).told == f"{A100}: 24 needed, 24 free of 24"


@pytest.mark.parametrize(
    ("limit", "status"), [(0, Status.FAILED), (23, Status.FAILED), (24, Status.OK)]
)
def test_a_pool_without_one_nodes_cores_has_failed(limit: int, status: Status) -> None:
    about = facts(lowPriority=True)
    say_usages(about, (LOW, 0, limit))
    assert one(RULES, "quota.low-priority", about).status is status


def test_without_a_low_priority_cluster_there_is_no_line_of_it() -> None:
    assert found(RULES, "quota.low-priority", facts()) == []
    about = facts(lowPriority=True)
    say_usages(about, PLENTY)
    assert one(RULES, "quota.low-priority", about).status is Status.UNKNOWN


def test_tokens_are_told_by_azures_own_rows() -> None:
    about = facts(foundry=True)
    rows = [
        ("OpenAI.GlobalStandard.gpt-4.1-mini", 50, 250),
        ("OpenAI.Standard.gpt-4.1-finetune", 250, 250),
        ("OpenAI.Standard.dall-e-3", 0, 2),
        ("AccountCount", 1, 30),
    ]
    say_usages(about, *rows, provider=AI)
    finding = one(RULES, "quota.model", about)
    assert finding.status is Status.OK
    assert "OpenAI.GlobalStandard.gpt-4.1-mini 200 of 250" in finding.told
    assert "dall-e" not in finding.told and "gpt-4.1-finetune" not in finding.told


def test_no_tokens_of_any_tunable_model_has_failed() -> None:
    about = facts(foundry=True)
    say_usages(about, ("OpenAI.Standard.gpt-4.1", 10, 10), provider=AI)
    finding = one(RULES, "quota.model", about)
    assert finding.status is Status.FAILED
    assert "Request quota" in finding.fix


def wants(of: Facts, base: str) -> Facts:
    """Give the facts of a recipe that Foundry tunes."""
    about = {"route": "openai", "name": "o", "description": "", "model_name": "m"}
    of.managed = OpenAIRecipe.model_validate({**about, "base": {"id": base}})
    return of


def test_of_many_rows_the_count_and_the_best_three_are_told() -> None:
    about = facts(foundry=True)
    kinds = ("Standard", "GlobalStandard", "DataZoneStandard", "GlobalBatch", "ProvisionedManaged")
    rows = [(f"OpenAI.{kind}.gpt-4.1", 0, 10 * n) for n, kind in enumerate(kinds)]
    say_usages(about, *rows, provider=AI)
    assert one(RULES, "quota.model", about).told == (
        "thousands of tokens a minute left in 4 of 5 rows, the most:"
        " OpenAI.ProvisionedManaged.gpt-4.1 40 of 40, OpenAI.GlobalBatch.gpt-4.1 30 of 30,"
        " OpenAI.DataZoneStandard.gpt-4.1 20 of 20"
    )


def test_with_a_recipe_its_own_base_model_alone_is_told() -> None:
    about = wants(facts(foundry=True), "gpt-4.1-mini-2025-04-14")
    mini, large = "OpenAI.GlobalStandard.gpt-4.1-mini", "OpenAI.GlobalStandard.gpt-4.1"
    say_usages(about, (mini, 1, 5), (large, 0, 9), (f"{mini}-finetune", 0, 7), provider=AI)
    assert one(RULES, "quota.model", about).told.endswith(f" left: {mini} 4 of 5")
    about = wants(facts(foundry=True), "gpt-4.1-mini-2025-04-14")
    say_usages(about, (mini, 5, 5), (large, 0, 9), (f"{mini}-finetune", 0, 7), provider=AI)
    finding = one(RULES, "quota.model", about)
    assert finding.status is Status.FAILED
    assert finding.told == f"no tokens are left for gpt-4.1-mini: {mini} 0 of 5"


def test_tokens_concern_a_foundry_stack_alone() -> None:
    assert found(RULES, "quota.model", facts()) == []
    assert one(RULES, "quota.model", facts(foundry=True)).status is Status.UNKNOWN
