"""What the program promises about what exists in Azure."""

from typing import Any

import pytest
from recorded_arm import FakeCloud, arm_type, engine, ignore

from core.settings import Settings
from infra.compute import duration
from infra.grant_table import GRANTS, grants
from infra.roles import Role, Scope, Who
from infra.site import Site

TAGGED = {
    "resource group",
    "managed identity",
    "storage account",
    "key vault",
    "container registry",
    "Log Analytics workspace",
    "Application Insights",
    "workspace",
    "compute cluster",
}
EXPECTED_GRANTS = {
    ("endpoint", "Contributor", "resource group"),
    ("endpoint", "Storage Blob Data Reader", "storage account"),
    ("endpoint", "AcrPull", "container registry"),
    ("job", "Storage Blob Data Contributor", "storage account"),
    ("job", "AcrPull", "container registry"),
    ("job", "AzureML Data Scientist", "workspace"),
    ("workspace", "Contributor", "storage account"),
    ("workspace", "Storage Blob Data Contributor", "storage account"),
    ("workspace", "Contributor", "key vault"),
    ("workspace", "Key Vault Administrator", "key vault"),
    ("workspace", "Contributor", "container registry"),
    ("workspace", "Contributor", "Application Insights"),
    ("workspace", "Contributor", "workspace"),
    ("person", "Storage Blob Data Contributor", "storage account"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> FakeCloud:
    """An Azure in which the stack is up; to be read only."""
    cloud = FakeCloud()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESTACK_HOME", str(tmp_path_factory.mktemp("made")))
        engine(cloud, tags=["team=nlp"]).up(ignore)
    return cloud


def only(cloud: FakeCloud, title: str) -> dict[str, Any]:
    (found,) = cloud.arm.of_type(arm_type(title))
    return found


def test_the_last_day_is_a_tag_of_everything_that_has_tags() -> None:
    tags = Site(Settings(expires="2026-12-31"), "sub", "dev").tags
    assert tags == {"tunestack-stack": "dev", "tunestack-expires": "2026-12-31"}


def test_storage_takes_no_shared_key_and_shows_no_blob(made: FakeCloud) -> None:
    properties = only(made, "storage account")["properties"]
    assert properties["allowSharedKeyAccess"] is False
    assert properties["allowBlobPublicAccess"] is False
    assert properties["allowCrossTenantReplication"] is False
    assert properties["isLocalUserEnabled"] is False
    for container in made.arm.of_type(arm_type("blob container")):
        assert container["properties"]["publicAccess"] == "None"


def test_storage_is_encrypted_twice_and_expects_signatures_to_end_within_a_week(
    made: FakeCloud,
) -> None:
    properties = only(made, "storage account")["properties"]
    assert properties["encryption"]["requireInfrastructureEncryption"] is True
    assert properties["sasPolicy"]["sasExpirationPeriod"] == "7.00:00:00"


def test_storage_speaks_tls_1_2_over_https_alone(made: FakeCloud) -> None:
    properties = only(made, "storage account")["properties"]
    assert properties["minimumTlsVersion"] == "TLS1_2"
    assert properties["supportsHttpsTrafficOnly"] is True


def test_the_vault_decides_by_role_and_frees_its_name_after_a_week(made: FakeCloud) -> None:
    properties = only(made, "key vault")["properties"]
    assert properties["enableRbacAuthorization"] is True
    assert properties["enableSoftDelete"] is True
    assert properties["softDeleteRetentionInDays"] == 7
    assert "enablePurgeProtection" not in properties


def test_purge_protection_is_there_when_asked_for(cloud: FakeCloud) -> None:
    engine(cloud, purgeProtection=True).up(ignore)
    assert only(cloud, "key vault")["properties"]["enablePurgeProtection"] is True


def test_the_registry_has_no_admin_and_no_anonymous_pull(made: FakeCloud) -> None:
    properties = only(made, "container registry")["properties"]
    assert properties["adminUserEnabled"] is False
    assert properties["anonymousPullEnabled"] is False


def test_the_workspace_is_plain_and_reaches_its_stores_by_its_own_identity(
    made: FakeCloud,
) -> None:
    workspace = only(made, "workspace")
    properties = workspace["properties"]
    identity = properties["primaryUserAssignedIdentity"]
    assert workspace["kind"] == "Default"
    assert workspace["identity"]["type"] == "UserAssigned"
    assert list(workspace["identity"]["userAssignedIdentities"]) == [identity]
    assert identity.endswith("id-local-workspace")
    assert properties["systemDatastoresAuthMode"] == "Identity"
    assert properties["v1LegacyMode"] is False
    stores = ("storageAccount", "keyVault", "containerRegistry", "applicationInsights")
    assert all(properties[store].lower() in made.arm.resources for store in stores)


def test_the_cluster_costs_nothing_while_idle_and_nobody_logs_in(made: FakeCloud) -> None:
    cluster = only(made, "compute cluster")
    assert cluster["properties"]["disableLocalAuth"] is True
    nodes = cluster["properties"]["properties"]
    assert nodes["vmSize"] == "Standard_NC24ads_A100_v4"
    assert nodes["vmPriority"] == "Dedicated"
    assert nodes["scaleSettings"] == {
        "minNodeCount": 0,
        "maxNodeCount": 1,
        "nodeIdleTimeBeforeScaleDown": "PT2M",
    }
    assert nodes["remoteLoginPortPublicAccess"] == "Disabled"
    (identity,) = cluster["identity"]["userAssignedIdentities"]
    assert identity.endswith("id-local-job")


def test_the_tutorials_cpu_path_is_a_setting(cloud: FakeCloud) -> None:
    outputs = engine(cloud, compute="cpu", maxNodes=2).up(ignore)
    nodes = only(cloud, "compute cluster")["properties"]["properties"]
    assert outputs.cluster == "cpu-e16s-v3"
    assert nodes["vmSize"] == "Standard_E16s_v3"
    assert nodes["scaleSettings"]["maxNodeCount"] == 2


def test_everything_that_can_carry_tags_carries_the_persons_and_the_stacks(
    made: FakeCloud,
) -> None:
    for title in TAGGED - {"resource group"}:
        found = made.arm.of_type(arm_type(title))
        assert found
        for item in found:
            assert item["tags"] == {"team": "nlp", "tunestack-stack": "local"}
    (group,) = (item for item in made.arm.resources.values() if "type" not in item)
    assert group["tags"] == {
        "team": "nlp",
        "tunestack-stack": "local",
        "tunestack-engine": "in-process",
    }


def test_exactly_the_listed_grants_are_made(made: FakeCloud) -> None:
    principals = {made.person().object_id: "person"}
    for item in made.arm.of_type(arm_type("managed identity")):
        who = item["name"].rsplit("-", 1)[-1]
        principals[item["properties"]["principalId"]] = who
    roles = {role.guid: role.title for role in Role}
    granted = [
        (
            principals[item["properties"]["principalId"]],
            roles[item["properties"]["roleDefinitionId"].rsplit("/", 1)[-1]],
            scope_title(item["id"]),
        )
        for item in made.arm.of_type(arm_type("grant"))
    ]
    assert len(granted) == len(set(granted))
    assert set(granted) == EXPECTED_GRANTS


def scope_title(id: str) -> str:
    scope = id.partition("/providers/Microsoft.Authorization")[0]
    if "/providers/" not in scope:
        return "resource group"
    provider, _kind, _ = scope.rsplit("/providers/", 1)[1].split("/")
    titles = {
        "Microsoft.Storage": "storage account",
        "Microsoft.KeyVault": "key vault",
        "Microsoft.ContainerRegistry": "container registry",
        "Microsoft.Insights": "Application Insights",
        "Microsoft.MachineLearningServices": "workspace",
    }
    return titles[provider]


def test_no_grant_reaches_above_the_group(made: FakeCloud) -> None:
    for item in made.arm.of_type(arm_type("grant")):
        assert "/resourceGroups/rg-tunestack-local" in item["id"]


def test_azure_is_told_what_kind_of_principal_each_grant_is_for(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    kinds = {
        item["properties"]["principalId"]: item["properties"]["principalType"]
        for item in cloud.arm.of_type(arm_type("grant"))
    }
    assert kinds.pop(cloud.person().object_id) == "User"
    assert set(kinds.values()) == {"ServicePrincipal"}


def test_every_grant_says_why_in_azure_too(made: FakeCloud) -> None:
    described = {item["properties"]["description"] for item in made.arm.of_type(arm_type("grant"))}
    assert described == {grant.reason for grant in grants()}
    assert all(grant.reason for grant in GRANTS)


def test_the_broad_grant_that_was_asked_for_says_so() -> None:
    (broad,) = (g for g in GRANTS if g.scope is Scope.GROUP)
    assert (broad.who, broad.role) == (Who.ENDPOINT, Role.CONTRIBUTOR)
    assert broad.reason.startswith("asked for")


def test_the_workspace_waits_for_its_identitys_grants(made: FakeCloud) -> None:
    order = [path for method, path in made.arm.requests if method == "PUT"]
    at = order.index(only(made, "workspace")["id"])
    principal = next(
        item["properties"]["principalId"]
        for item in made.arm.of_type(arm_type("managed identity"))
        if item["name"].endswith("-workspace")
    )
    before = [
        item["id"]
        for item in made.arm.of_type(arm_type("grant"))
        if item["properties"]["principalId"] == principal
        and not item["id"].startswith(only(made, "workspace")["id"])
    ]
    assert len(before) == 6
    assert all(order.index(id) < at for id in before)


def test_the_cluster_waits_for_the_jobs_grants(made: FakeCloud) -> None:
    order = [path for method, path in made.arm.requests if method == "PUT"]
    assert order[-1] == only(made, "compute cluster")["id"]


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(60, "PT1M"), (120, "PT2M"), (90, "PT1M30S"), (5400, "PT1H30M"), (86400, "P1D")],
)
def test_durations_are_written_as_azure_writes_them_back(seconds: int, written: str) -> None:
    assert duration(seconds) == written
