"""The rules against the local Azure, with quota, rights, names and deletions set wrong there."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from recorded_arm import ignore

from core.cloud import Cloud
from core.facts import Facts
from core.rules import Finding, Status, run_rules
from core.settings import parse_settings
from deploy.rules import RULES as DEPLOY
from infra.doctor import RULES
from infra.in_process.engine import InProcess
from infra.site import Site
from local import names, quota, rights
from training.rules import RULES as TRAIN

pytestmark = pytest.mark.usefixtures("local_azure")
CPU = {"compute": "cpu", "personType": "ServicePrincipal"}
E = "Standard ESv3 Family Cluster Dedicated vCPUs"


@pytest.fixture(autouse=True)
def as_it_was(azure_folder: Path) -> Iterator[None]:
    """Give the session's Azure back as it was."""
    # On the subscription alone: other tests' stacks, where they stand, have grants of their own.
    before = [role for role, scope in rights.roles(azure_folder) if scope.count("/") == 2]
    yield
    quota.clear(azure_folder)
    rights.set_roles(azure_folder, before, "")


def facts(stack: str = "doctored", **chosen: Any) -> Facts:
    cloud = Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])
    settings = parse_settings({**CPU, **chosen})
    workspace = Site(settings, cloud.subscription_id, stack).workspace_id
    return Facts(stack, settings, datetime.now(UTC).date(), cloud, None, workspace)


def asked(of: Facts, *ids: str) -> list[Finding]:
    return run_rules([rule for rule in (*RULES, *TRAIN, *DEPLOY) if rule.id in ids], of)


def test_a_new_world_stops_no_rehearsal() -> None:
    about = facts()
    azure = [rule for rule in (*RULES, *DEPLOY) if rule.needs_azure]
    found = run_rules(azure, about)
    assert {one.status for one in found} <= {Status.OK, Status.WARNING}
    assert {one.rule for one in found if one.status is Status.WARNING} <= {"providers"}


def test_a_new_subscription_has_no_gpus() -> None:
    (finding, *_) = asked(facts(compute="gpu"), "quota.cluster")
    assert finding.status is Status.FAILED
    assert finding.told == (
        "Standard NCADSA100v4 Family Cluster Dedicated vCPUs: 24 needed, 0 free of 0"
    )


def test_a_limit_that_is_set_wrong_is_found_for_clusters_and_endpoints(azure_folder: Path) -> None:
    quota.set_limit(azure_folder, E, 6, "eastus2")
    cluster, endpoint = asked(facts(), "quota.cluster", "quota.endpoint")
    assert (cluster.status, endpoint.status) == (Status.FAILED, Status.FAILED)
    assert f"{E}: 16 needed, 6 free of 6" in cluster.told
    assert f"{E}: 8 needed, 6 free of 6 (1 instance, and 20 % more" in endpoint.told
    assert {one.status for one in asked(facts(location="westus3"), "quota.cluster")} == {Status.OK}


def test_the_pool_of_low_priority_and_tokens_are_found_when_set_wrong(azure_folder: Path) -> None:
    about = facts(lowPriority=True, foundry=True)
    assert {one.status for one in asked(about, "quota.low-priority", "quota.model")} == {Status.OK}
    quota.set_limit(azure_folder, "Total Cluster LowPriority Regional vCPUs", 8, "*")
    for one in quota.all_quotas():
        if one.name.startswith(("OpenAI.", "AIServices.")):
            quota.set_limit(azure_folder, one.name, 0, "*")
    low, tokens = asked(facts(lowPriority=True, foundry=True), "quota.low-priority", "quota.model")
    assert low.status is Status.FAILED and "16 needed, 8 free of 8" in low.told
    assert tokens.status is Status.FAILED and " 0 of 0, " in tokens.told


def test_a_size_that_a_region_does_not_offer_is_found(azure_folder: Path) -> None:
    quota.withdraw(azure_folder, "Standard_E16s_v3", "eastus2")
    (finding,) = asked(facts(), "location")
    assert finding.told == "eastus2 does not offer Standard_E16s_v3"
    assert asked(facts(location="westus3"), "location")[0].status is Status.OK


@pytest.mark.parametrize(
    ("roles", "wrong"),
    [
        (["Owner"], set()),
        (["Contributor"], {"rights.roles"}),
        (["Reader"], {"rights.roles", "rights.resources", "rights.purge"}),
    ],
)
def test_rights_that_are_set_wrong_are_found(
    azure_folder: Path, roles: list[str], wrong: set[str]
) -> None:
    rights.set_roles(azure_folder, roles, "")
    found = asked(facts(), "rights.roles", "rights.resources", "rights.purge")
    assert {one.rule for one in found if one.status is not Status.OK} == wrong


def test_who_may_read_nothing_is_told_of_each_question_which_right_is_missing(
    azure_folder: Path,
) -> None:
    rights.set_roles(azure_folder, ["AcrPull"], "")
    found = asked(facts(), "quota.cluster", "location", "providers", "names.taken")
    assert {one.status for one in found} == {Status.UNKNOWN}
    (cluster,) = [one for one in found if one.rule == "quota.cluster"]
    assert "the right Microsoft.MachineLearningServices/locations/usages/read on" in cluster.told
    assert "--role Reader" in cluster.fix


def test_a_name_that_somebody_else_has_is_found(azure_folder: Path) -> None:
    about = facts("taken")
    own = Site(about.settings, os.environ["AZURE_SUBSCRIPTION_ID"], "taken").names
    names.take(azure_folder, "storageAccounts", own.storage_account)
    try:
        (finding,) = asked(facts("taken"), "names.taken")
        assert finding.status is Status.FAILED
        assert own.storage_account in finding.told
        assert asked(facts("taken", generation=2), "names.taken")[0].status is Status.OK
    finally:
        names.free(azure_folder, "storageAccounts", own.storage_account)


def test_a_stack_that_is_up_is_well_and_a_deleted_one_holds_its_vaults_name() -> None:
    about = facts("doctored-up")
    engine = InProcess("doctored-up", about.settings, about.cloud)  # type: ignore[arg-type]
    engine.up(ignore)
    ids = ("names.held", "names.taken", "quota.cluster", "rights.roles", "rights.resources")
    assert {one.status for one in asked(facts("doctored-up"), *ids)} == {Status.OK}
    engine.destroy(ignore)
    found = asked(facts("doctored-up"), "names.held")
    assert Status.FAILED in {one.status for one in found}
    (vault,) = [one for one in found if one.status is Status.FAILED]
    assert "az keyvault purge" in vault.fix
    assert asked(facts("doctored-up", generation=2), "names.held")[0].status is Status.OK


def test_what_foundry_tunes_is_asked_of_azure() -> None:
    (finding,) = asked(facts(foundry=True), "lifecycle.served-models")
    assert "(Azure, eastus2, " in finding.told
    assert "gpt-oss-20b" in finding.told
