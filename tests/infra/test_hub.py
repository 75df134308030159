"""What the feature `hub` promises: a hub, its project and a connection without any key."""

import json
from typing import Any

import pytest
from recorded_arm import SUBSCRIPTION, FakeCloud, arm_type, engine, ignore, settings

from core.refs import StackOutputs
from infra.grant_table import AI_GRANTS
from infra.in_process.record import Record
from infra.roles import Role, Scope, Who
from infra.site import Site
from infra.teardown.order import survey, take_down
from infra.teardown.receipt import Receipt

STORES = ("storageAccount", "keyVault", "containerRegistry", "applicationInsights")
GRANTED = {
    ("hub identity", "Contributor", "storageAccounts"),
    ("hub identity", "Storage Blob Data Contributor", "storageAccounts"),
    ("hub identity", "Contributor", "vaults"),
    ("hub identity", "Key Vault Administrator", "vaults"),
    ("hub identity", "Contributor", "registries"),
    ("hub identity", "Contributor", "components"),
    ("hub identity", "Cognitive Services Contributor", "accounts"),
    ("hub identity", "Contributor", "hub-local"),
    ("hub identity", "Contributor", "prj-local"),
    ("person", "Azure AI Developer", "hub-local"),
    ("person", "Azure AI Developer", "prj-local"),
    ("AI account identity", "Storage Blob Data Owner", "storageAccounts"),
}
"""Who, which role, and the scope's type or name."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> FakeCloud:
    """An Azure in which a stack with a hub is up; to be read only."""
    cloud = FakeCloud()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESTACK_HOME", str(tmp_path_factory.mktemp("made")))
        engine(cloud, hub=True).up(ignore)
    return cloud


def workspace(cloud: FakeCloud, kind: str) -> dict[str, Any]:
    (found,) = [one for one in cloud.arm.of_type(arm_type("workspace")) if one["kind"] == kind]
    return found


def only(cloud: FakeCloud, title: str) -> dict[str, Any]:
    (found,) = cloud.arm.of_type(arm_type(title))
    return found


def grants(cloud: FakeCloud) -> list[dict[str, Any]]:
    return cloud.arm.of_type(arm_type("grant"))


def put_order(cloud: FakeCloud) -> list[str]:
    return [path for method, path in cloud.arm.requests if method == "PUT"]


def deleted(cloud: FakeCloud) -> list[str]:
    paths = [path for method, path in cloud.arm.requests if method == "DELETE"]
    return [path.rsplit("/", 1)[-1] for path in paths if "roleAssignments" not in path]


def teardown(cloud: FakeCloud, **chosen: Any) -> Receipt:
    site = Site(settings(**chosen), SUBSCRIPTION, "local")
    return take_down(engine(cloud, **chosen), cloud, site, ignore)  # type: ignore[arg-type]


def test_the_hub_shares_the_stacks_stores_and_acts_as_an_identity_of_its_own(
    made: FakeCloud,
) -> None:
    hub, plain = workspace(made, "Hub"), workspace(made, "Default")
    for store in STORES:
        assert hub["properties"][store] == plain["properties"][store]
    identity = hub["properties"]["primaryUserAssignedIdentity"]
    assert identity.endswith("/id-local-hub")
    assert hub["identity"] == {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}
    assert hub["properties"]["systemDatastoresAuthMode"] == "Identity"


def test_the_project_belongs_to_the_hub_and_brings_no_stores_of_its_own(made: FakeCloud) -> None:
    hub, project = workspace(made, "Hub"), workspace(made, "Project")
    assert project["properties"]["hubResourceId"] == hub["id"]
    assert not set(STORES) & project["properties"].keys()
    assert project["identity"] == hub["identity"]
    assert project["location"] == hub["location"]


def test_the_connection_leads_to_the_account_and_holds_no_key(made: FakeCloud) -> None:
    connection, account = only(made, "connection"), only(made, "AI account")
    properties = connection["properties"]
    assert connection["id"].startswith(workspace(made, "Hub")["id"])
    assert (properties["category"], properties["authType"]) == ("AIServices", "AAD")
    assert properties["metadata"]["ResourceId"] == account["id"]
    domain = account["properties"]["customSubDomainName"]
    assert properties["target"] == f"https://{domain}.cognitiveservices.azure.com/"
    assert "credentials" not in properties
    assert "key" not in json.dumps(properties).lower()


def test_exactly_the_listed_grants_are_made_for_a_hub(made: FakeCloud) -> None:
    principals = {
        only_named(made, "id-local-hub")["properties"]["principalId"]: "hub identity",
        only(made, "AI account")["identity"]["principalId"]: "AI account identity",
        made.person().object_id: "person",
    }
    roles = {role.guid: role.title for role in Role}
    reasons = {grant.reason for grant in AI_GRANTS}
    found = [
        (
            principals[item["properties"]["principalId"]],
            roles[item["properties"]["roleDefinitionId"].rsplit("/", 1)[-1]],
            place(item["id"]),
        )
        for item in grants(made)
        if item["properties"]["description"] in reasons
        and item["properties"]["principalId"] in principals
    ]
    assert len(found) == len(GRANTED)
    assert set(found) == GRANTED


def only_named(cloud: FakeCloud, name: str) -> dict[str, Any]:
    (found,) = [one for one in cloud.arm.resources.values() if one["name"] == name]
    return found


def place(id: str) -> str:
    kind, name = id.partition("/providers/Microsoft.Authorization")[0].split("/")[-2:]
    return name if kind == "workspaces" else kind


def test_no_grant_of_a_hub_reaches_a_whole_group() -> None:
    assert {grant.scope for grant in AI_GRANTS} & {Scope.GROUP} == set()
    assert all(grant.reason and grant.feature in ("hub", "foundry") for grant in AI_GRANTS)


def test_azure_is_told_that_the_new_principals_are_no_persons(made: FakeCloud) -> None:
    person = made.person().object_id
    for item in grants(made):
        is_person = item["properties"]["principalId"] == person
        wanted = "User" if is_person else "ServicePrincipal"
        assert item["properties"]["principalType"] == wanted


def test_the_hub_waits_for_its_identitys_grants_and_the_project_for_hub_and_connection(
    made: FakeCloud,
) -> None:
    order = put_order(made)
    principal = only_named(made, "id-local-hub")["properties"]["principalId"]
    own = [g["id"] for g in grants(made) if g["properties"]["principalId"] == principal]
    hub, project = workspace(made, "Hub")["id"], workspace(made, "Project")["id"]
    on_hub = [id for id in own if id.startswith(f"{hub}/")]
    on_project = [id for id in own if id.startswith(f"{project}/")]
    before = set(own) - set(on_hub) - set(on_project)
    assert len(before) == 7
    assert all(order.index(id) < order.index(hub) for id in before)
    for id in (*on_hub, only(made, "connection")["id"]):
        assert order.index(hub) < order.index(id) < order.index(project)


def test_a_second_up_sends_nothing_and_the_plan_says_so(cloud: FakeCloud) -> None:
    stack = engine(cloud, hub=True, foundry=True)
    assert stack.plan().has_changes
    stack.up(ignore)
    sent = cloud.arm.count("PUT")
    assert not stack.plan().has_changes
    stack.up(ignore)
    assert cloud.arm.count("PUT") == sent


def test_the_outputs_name_what_was_made(cloud: FakeCloud) -> None:
    outputs = engine(cloud, hub=True).up(ignore)
    assert (outputs.hub, outputs.project) == ("hub-local", "prj-local")
    assert outputs.ai_connection == only(cloud, "connection")["name"]
    assert outputs.ai_account == only(cloud, "AI account")["name"]
    assert outputs.ai_endpoint == only(cloud, "connection")["properties"]["target"]
    assert outputs.ai_project == outputs.content_filter == ""


def test_the_outputs_of_a_stack_that_knew_no_hub_are_still_read(cloud: FakeCloud) -> None:
    outputs = engine(cloud).up(ignore).model_dump()
    new = ("hub", "project", "ai_connection", "ai_account", "ai_endpoint", "ai_project")
    older = {name: value for name, value in outputs.items() if name not in new}
    read = StackOutputs(**older)
    assert all(getattr(read, name) == "" for name in new)


def test_without_the_feature_nothing_of_it_is_made(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    assert [one["kind"] for one in cloud.arm.of_type(arm_type("workspace"))] == ["Default"]
    assert not cloud.arm.of_type(arm_type("AI account"))
    assert not cloud.arm.of_type(arm_type("connection"))
    assert {grant.who for grant in Site(settings(), SUBSCRIPTION, "local").grants}.isdisjoint(
        {Who.HUB, Who.AI_ACCOUNT}
    )


def test_switched_off_the_project_goes_before_the_hub_and_the_hub_before_the_account(
    cloud: FakeCloud,
) -> None:
    engine(cloud, hub=True).up(ignore)
    cloud.arm.requests.clear()
    engine(cloud).up(ignore)
    order = [name for name in deleted(cloud) if name.startswith(("prj", "hub", "ai-", "id-"))]
    account, identity = sorted(order[3:])  # neither needs the other
    assert order[:3] == ["prj-local", "ai-services", "hub-local"]
    assert account.startswith("ai-local-") and identity == "id-local-hub"
    assert not cloud.arm.of_type(arm_type("connection"))


def test_a_teardown_purges_the_project_before_the_hub(cloud: FakeCloud) -> None:
    engine(cloud, hub=True).up(ignore)
    cloud.arm.requests.clear()
    receipt = teardown(cloud, hub=True)
    order = [name for name in deleted(cloud) if "forceToPurge" in name]
    assert order == [
        f"{name}?forceToPurge=true" for name in ("prj-local", "mlw-local", "hub-local")
    ]
    assert receipt.is_done
    assert not [id for id in cloud.arm.held if "machinelearning" in id]


def test_what_a_switched_off_hub_left_behind_is_purged_by_its_name(cloud: FakeCloud) -> None:
    engine(cloud, hub=True).up(ignore)
    engine(cloud).up(ignore)
    assert len([id for id in cloud.arm.held if "machinelearning" in id]) == 2
    receipt = teardown(cloud)
    assert {"hub-local", "prj-local"} <= {item.name for item in receipt.purged}
    assert not [id for id in cloud.arm.held if "machinelearning" in id]


def test_kept_recoverable_hub_and_project_are_told_and_the_next_teardown_purges_them(
    cloud: FakeCloud,
) -> None:
    engine(cloud, hub=True).up(ignore)
    site = Site(settings(hub=True), SUBSCRIPTION, "local")
    kept = take_down(engine(cloud, hub=True), cloud, site, ignore, keep_recoverable=True)  # type: ignore[arg-type]
    assert {"hub-local", "prj-local", "mlw-local"} <= {item.name for item in kept.held}
    after = teardown(cloud, hub=True)
    assert {"hub-local", "prj-local", "mlw-local"} <= {item.name for item in after.purged}
    assert not [id for id in cloud.arm.held if "machinelearning" in id]


def test_a_stack_whose_record_is_lost_is_still_taken_down_in_order(cloud: FakeCloud) -> None:
    stack = engine(cloud, hub=True, foundry=True)
    stack.up(ignore)
    Record.of("local").remove()
    site = Site(settings(hub=True, foundry=True), SUBSCRIPTION, "local")
    found = survey(stack, cloud, site)  # type: ignore[arg-type]
    assert [id.rsplit("/", 1)[-1] for id in found.workspaces] == [
        "prj-local",
        "mlw-local",
        "hub-local",
    ]
    cloud.arm.requests.clear()
    stack.destroy(ignore)
    order = deleted(cloud)
    assert order.index("prj-local") < order.index("hub-local")
    account = next(name for name in order if name.startswith("ai-local"))
    projects = [at for at, name in enumerate(order) if name == "prj-local"]
    assert len(projects) == 2
    assert max(projects) < order.index(account)
