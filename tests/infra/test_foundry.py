"""What the feature `foundry` promises: an account without keys, a project, a content filter."""

import re
from typing import Any

import pytest
from recorded_arm import SUBSCRIPTION, FakeCloud, arm_type, engine, ignore, settings

from infra.foundry import BASE_POLICY, HARMS, endpoint, principal_of
from infra.names import names
from infra.roles import Role, Scope, Who
from infra.site import Site

SUBDOMAIN = r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> FakeCloud:
    """An Azure in which a stack with Foundry is up; to be read only."""
    cloud = FakeCloud()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESTACK_HOME", str(tmp_path_factory.mktemp("made")))
        engine(cloud, foundry=True).up(ignore)
    return cloud


def only(cloud: FakeCloud, title: str) -> dict[str, Any]:
    (found,) = cloud.arm.of_type(arm_type(title))
    return found


def granted(cloud: FakeCloud, principal: str) -> set[tuple[str, str]]:
    """List role and scope of what a principal was granted."""
    roles = {role.guid: role.title for role in Role}
    return {
        (
            roles[item["properties"]["roleDefinitionId"].rsplit("/", 1)[-1]],
            item["id"].partition("/providers/Microsoft.Authorization")[0],
        )
        for item in cloud.arm.of_type(arm_type("grant"))
        if item["properties"]["principalId"] == principal
    }


def test_the_account_takes_no_key_and_has_a_subdomain_and_an_identity(made: FakeCloud) -> None:
    account = only(made, "AI account")
    assert (account["kind"], account["sku"]) == ("AIServices", {"name": "S0"})
    assert account["identity"]["type"] == "SystemAssigned"
    properties = account["properties"]
    assert properties["disableLocalAuth"] is True
    assert properties["allowProjectManagement"] is True
    assert properties["customSubDomainName"] == account["name"]
    assert re.fullmatch(SUBDOMAIN, account["name"])


def test_the_project_lies_in_the_account_and_follows_the_content_filter(made: FakeCloud) -> None:
    account, project = only(made, "AI account"), only(made, "Foundry project")
    policy = only(made, "content filter")
    assert project["id"] == f"{account['id']}/projects/{project['name']}"
    assert project["identity"]["type"] == "SystemAssigned"
    order = [path for method, path in made.arm.requests if method == "PUT"]
    assert order.index(account["id"]) < order.index(policy["id"]) < order.index(project["id"])


def test_the_content_filter_blocks_every_harm_both_ways_and_attacks_on_the_prompt(
    made: FakeCloud,
) -> None:
    policy = only(made, "content filter")["properties"]
    assert policy["basePolicyName"] == BASE_POLICY == "Microsoft.DefaultV2"
    assert policy["mode"] == "Blocking"
    filters = policy["contentFilters"]
    assert all(one["blocking"] and one["enabled"] for one in filters)
    both = {
        (one["name"], one["source"]) for one in filters if one.get("severityThreshold") == "Medium"
    }
    assert both == {(harm, side) for harm in HARMS for side in ("Prompt", "Completion")}
    shields = {(one["name"], one["source"]) for one in filters if "severityThreshold" not in one}
    assert ("Jailbreak", "Prompt") in shields
    assert {side for name, side in shields if name.startswith("Protected")} == {"Completion"}


def test_the_person_may_train_and_deploy_on_the_account_and_on_nothing_above(
    made: FakeCloud,
) -> None:
    account, project = only(made, "AI account"), only(made, "Foundry project")
    found = granted(made, made.person().object_id)
    assert {row for row in found if "CognitiveServices" in row[1]} == {
        ("Cognitive Services OpenAI Contributor", account["id"]),
        ("Foundry User", project["id"]),
    }


def test_without_a_hub_the_accounts_identity_gets_nothing(made: FakeCloud) -> None:
    assert granted(made, only(made, "AI account")["identity"]["principalId"]) == set()


def test_hub_and_foundry_share_one_account(cloud: FakeCloud) -> None:
    outputs = engine(cloud, hub=True, foundry=True).up(ignore)
    account = only(cloud, "AI account")
    assert only(cloud, "connection")["properties"]["metadata"]["ResourceId"] == account["id"]
    assert only(cloud, "Foundry project")["id"].startswith(f"{account['id']}/projects/")
    assert outputs.ai_account == account["name"]
    assert outputs.ai_project == only(cloud, "Foundry project")["name"]
    assert outputs.content_filter == only(cloud, "content filter")["name"]


def test_adding_the_other_feature_leaves_the_account_as_it_is(cloud: FakeCloud) -> None:
    engine(cloud, hub=True).up(ignore)
    account = only(cloud, "AI account")["id"]
    cloud.arm.requests.clear()
    engine(cloud, hub=True, foundry=True).up(ignore)
    assert ("PUT", account) not in cloud.arm.requests


def test_beside_an_adopted_workspace_the_person_still_gets_the_accounts_grants() -> None:
    chosen = settings(foundry=True, adoptGroup="theirs", adoptWorkspace="theirs-ml")
    site = Site(chosen, SUBSCRIPTION, "local")
    assert {grant.scope for grant in site.grants if grant.who is Who.PERSON} == {
        Scope.AI_ACCOUNT,
        Scope.AI_PROJECT,
    }


def test_no_model_is_deployed_by_up(made: FakeCloud) -> None:
    assert not [id for id in made.arm.resources if "/deployments/" in id]


def test_a_new_generation_takes_another_account_and_subdomain() -> None:
    first, second = names(SUBSCRIPTION, "dev", 1), names(SUBSCRIPTION, "dev", 2)
    assert first.ai_account != second.ai_account
    assert first.ai_project == second.ai_project


def test_the_address_is_the_accounts_own_subdomain(made: FakeCloud) -> None:
    name = only(made, "AI account")["name"]
    assert endpoint(name) == f"https://{name}.cognitiveservices.azure.com/"


def test_the_plan_foresees_an_account_that_is_not_there_yet(cloud: FakeCloud) -> None:
    plan = engine(cloud, hub=True, foundry=True).plan()
    new = {step.title for step in plan.steps}
    assert {"AI account", "content filter", "Foundry project", "connection"} <= new
    rows = {(row.identity, row.role) for row in plan.grants}
    assert (names(SUBSCRIPTION, "local").ai_account, "Storage Blob Data Owner") in rows


def test_an_identity_that_is_not_answered_yet_does_not_end_the_program() -> None:
    """`pulumi destroy --run-program` answers registrations with the inputs alone."""
    from pulumi_azure_native import cognitiveservices as ai

    identity = ai.outputs.IdentityResponse(principal_id="one", tenant_id="")
    assert principal_of(identity) == "one"
    del identity["principal_id"]
    assert principal_of(identity) == ""
    assert principal_of(None) == ""
