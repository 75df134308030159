"""Whoever has the role of `plan --role`, and no other, can do all that the commands do."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from recorded_arm import ignore

from core.cloud import Cloud
from core.errors import CloudError
from core.facts import Facts
from core.recipe import Recipe
from core.refs import ModelRef, StackOutputs
from core.rules import Status, run_rules
from core.settings import Settings, parse_settings
from deploy.endpoint import undeploy
from deploy.managed.contract import HostedOrder, Sku
from deploy.managed.hostings import hostings
from deploy.releasing.order import DeployOrder
from deploy.releasing.rollout import deploy
from deploy.upkeep.autoscale import set_scaling
from deploy.upkeep.expiry import read_expiry, set_expiry
from deploy.upkeep.keys import rotate
from infra.deployer_role import ASSIGNMENTS, NEEDS, actions, condition, deployer_role
from infra.doctor import RULES
from infra.effective import Effective
from infra.in_process.engine import InProcess
from infra.in_process.preview import NOBODY
from infra.roles import Role
from infra.site import Site
from infra.standing.costs import born
from infra.standing.run_times import last_completed
from infra.standing.workloads import workloads
from infra.teardown.order import take_down
from local.access import Principal
from local.process import LocalAzure
from local.roles import PROVIDER
from local.tuning import programs
from tests.local.azure_group import MintedCredential
from training.data.check import check_file
from training.follow import follow
from training.managed.contract import ManagedOrder
from training.managed.data import prepare
from training.managed.following import follow as follow_managed
from training.managed.services import service_for
from training.model_files import delete_model
from training.models import register
from training.recipes import load_any_recipe
from training.submission import Order, submit

TESTS = Path(__file__).resolve().parents[1]
SAMPLES = TESTS.parent / "training" / "data" / "samples" / "travel"
QUICK = TESTS / "local" / "tuning"
HOME = "rg-deployers-home"
IDENTITY_API = "2023-01-31"
API = "2022-04-01"
PLAIN = {"compute": "cpu", "personType": "ServicePrincipal"}
ASKS_AZURE = {"rights", "providers", "names", "quota"}
"""The rules that ask with the person's own rights."""

FEATURES: dict[str, Any] = {
    **PLAIN,
    "hub": True,
    "foundry": True,
    "monitoring": True,
    "budget": 100,
    "alertEmails": ["you@example.com"],
    "lowPriority": True,
}


class Deployer:
    """Somebody who has nothing but a role that an owner has made for them."""

    def __init__(self, owner: Cloud, folder: Path) -> None:
        self.owner, self._subscription = owner, f"/subscriptions/{owner.subscription_id}"
        group = f"{self._subscription}/resourceGroups/{HOME}"
        owner.arm.put(group, "2024-03-01", {"location": "eastus2"})
        path = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/deployer"
        made = owner.arm.put(path, IDENTITY_API, {"location": "eastus2"})["properties"]
        who = Principal("ServicePrincipal", made["principalId"], made["clientId"])
        self.cloud = Cloud(owner.subscription_id, MintedCredential(folder, who))
        self._principal, self._given = who.object_id, list[str]()

    def give(self, role: dict[str, Any]) -> None:
        """Define a role from its JSON, as `az role definition create` does, and assign it."""
        self.take()
        guid = str(uuid.uuid4())
        lists = ("Actions", "NotActions", "DataActions", "NotDataActions")
        entry = {name[0].lower() + name[1:]: role[name] for name in lists}
        properties = {
            "roleName": role["Name"],
            "type": "CustomRole",
            "description": role["Description"],
            "assignableScopes": role["AssignableScopes"],
            "permissions": [entry],
        }
        definition = f"{self._subscription}{PROVIDER}{guid}"
        self.owner.arm.put(definition, API, {"properties": properties})
        assignment = f"{role['AssignableScopes'][0]}/providers/{ASSIGNMENTS}/{uuid.uuid4()}"
        given = {"roleDefinitionId": definition, "principalId": self._principal}
        body = {"properties": {**given, "principalType": "ServicePrincipal"}}
        self.owner.arm.put(assignment, API, body)
        self._given = [assignment, definition]

    def take(self) -> None:
        """Take the role away again."""
        while self._given:
            self.owner.arm.delete(self._given.pop(0), API)


@pytest.fixture
def deployer(local_azure: LocalAzure, azure_folder: Path) -> Iterator[Deployer]:
    owner = Cloud.sign_in(local_azure.environment["AZURE_SUBSCRIPTION_ID"])
    somebody = Deployer(owner, azure_folder.resolve())
    yield somebody
    somebody.take()
    group = f"/subscriptions/{owner.subscription_id}/resourceGroups/{HOME}"
    owner.arm.delete(group, "2024-03-01")


def role_of(deployer: Deployer, settings: Settings, stack: str) -> dict[str, Any]:
    return deployer_role(settings, stack, deployer.cloud.subscription_id)


def test_with_the_role_alone_a_stack_goes_the_whole_way(deployer: Deployer, tmp_path: Path) -> None:
    settings, cloud = parse_settings(PLAIN), deployer.cloud
    deployer.give(role_of(deployer, settings, "by-role"))
    engine = InProcess("by-role", settings, cloud)
    site = Site(settings, cloud.subscription_id, "by-role")

    assert engine.plan().has_changes
    effective = Effective(site, engine, cloud, ignore)
    outputs = effective.up()
    effective.wait(outputs)
    model = trained(cloud, outputs)
    assert model.name == "quick"
    serve(cloud, outputs, tmp_path)
    assert last_completed(cloud.arm, workspace(outputs)) is not None
    assert born(cloud.arm, [workspace(outputs)]) is not None
    undeploy(cloud, outputs)
    assert delete_model(cloud, outputs, model)

    receipt = take_down(engine, cloud, site, ignore)
    assert receipt.refused == receipt.remains == receipt.held == ()


@pytest.mark.slow
def test_with_the_role_alone_every_feature_is_made_used_and_taken_down(
    deployer: Deployer, tmp_path: Path, azure_folder: Path
) -> None:
    """Slow: a stack with every feature, up, used by all three routes, and down."""
    settings, cloud = parse_settings(FEATURES), deployer.cloud
    deployer.give(role_of(deployer, settings, "by-role-2"))
    engine = InProcess("by-role-2", settings, cloud)
    outputs = engine.up(ignore)
    assert not engine.plan().has_changes
    site = Site(settings, cloud.subscription_id, "by-role-2")
    serve(cloud, outputs, tmp_path)
    undeploy(cloud, outputs)
    programs.use(azure_folder, job=QUICK / "quick_trainer", serving=QUICK / "quick_server")
    for recipe in ("travel-gpt", "phi-4-mini-serverless"):
        tune_and_serve(cloud, outputs, recipe, tmp_path)
    programs.clear(azure_folder)
    receipt = take_down(engine, cloud, site, ignore)
    assert receipt.refused == receipt.remains == receipt.held == ()


def tune_and_serve(cloud: Cloud, outputs: StackOutputs, name: str, work: Path) -> None:
    """Tune by a managed service, serve what it made, see it, end it and delete the model."""
    recipe = load_any_recipe(name)
    assert not isinstance(recipe, Recipe)
    service = service_for(cloud, outputs, recipe.route, "by-role-2")
    (work / name).mkdir()
    train, validation = prepare(recipe, SAMPLES / "train.jsonl", None, work / name)
    job = service.submit(ManagedOrder(recipe, train, validation), lambda text: None)
    for _ in follow_managed(service, job.name):
        pass
    model = next(one for one in service.models() if one.job == job.name)
    (hosting,) = [one for one in hostings(cloud, outputs) if one.route == recipe.route]
    kind: Sku = "GlobalStandard" if recipe.route == "openai" else "Consumption"
    order = HostedOrder(f"by-role-{recipe.route}", model.path, sku=kind, auth="entra")
    hosting.deploy(order, lambda text: None)
    assert [one.name for one in workloads(cloud.arm, outputs).hosted] == [order.name]
    hosting.delete(order.name, lambda text: None)
    service.delete_model(model)


def test_with_the_role_alone_no_rule_of_the_doctor_lacks_a_right(deployer: Deployer) -> None:
    settings, cloud = parse_settings(PLAIN), deployer.cloud
    deployer.give(role_of(deployer, settings, "by-doctor"))
    site = Site(settings, cloud.subscription_id, "by-doctor")
    facts = Facts("by-doctor", settings, date(2026, 11, 21), cloud, workspace_id=site.workspace_id)
    found = run_rules([rule for rule in RULES if rule.id.partition(".")[0] in ASKS_AZURE], facts)
    assert {one.rule.partition(".")[0] for one in found} == ASKS_AZURE
    lacking = [one for one in found if one.status in (Status.UNKNOWN, Status.SKIPPED)]
    lacking += [one for one in found if one.rule.startswith("rights.") and one.status != Status.OK]
    assert not lacking


@pytest.mark.slow
@pytest.mark.parametrize(
    "action",
    [
        "Microsoft.KeyVault/vaults/write",
        "Microsoft.Authorization/roleAssignments/write",
        "Microsoft.MachineLearningServices/workspaces/computes/write",
    ],
)
def test_with_one_action_less_up_is_refused_and_names_it(deployer: Deployer, action: str) -> None:
    """Slow: two seconds for each of the actions."""
    settings, cloud = parse_settings(PLAIN), deployer.cloud
    role = role_of(deployer, settings, "by-less")
    deployer.give({**role, "Actions": [one for one in role["Actions"] if one != action]})
    engine = InProcess("by-less", settings, cloud)
    with pytest.raises(CloudError, match=re.escape(action)):
        engine.up(ignore)
    deployer.give(role)
    take_down(engine, cloud, Site(settings, cloud.subscription_id, "by-less"), ignore)


def test_the_role_has_the_form_that_az_takes_and_no_wildcard() -> None:
    role = deployer_role(Settings(), "dev", "0000")
    assert set(role) == {
        "Name", "IsCustom", "Description", "Actions", "NotActions", "DataActions",
        "NotDataActions", "AssignableScopes",
    }  # fmt: skip
    assert role["AssignableScopes"] == ["/subscriptions/0000"]
    assert role["DataActions"] == []
    assert len(role["Actions"]) == len({action.lower() for action in role["Actions"]})
    for action in role["Actions"]:
        assert re.fullmatch(r"[A-Za-z]+\.[A-Za-z]+(/[A-Za-z]+)+/(read|write|delete|action)", action)


def test_every_need_says_what_it_is_for() -> None:
    assert all(need.why and need.actions for need in NEEDS)
    named = [action.lower() for need in NEEDS for action in need.actions]
    assert len(named) == len(set(named))


def test_what_a_feature_takes_is_in_the_role_of_who_has_it_alone() -> None:
    plain, hub = actions(Settings(), "dev"), actions(Settings(hub=True), "dev")
    account = "Microsoft.CognitiveServices/accounts/write"
    assert account in hub and account not in plain
    assert "Microsoft.CognitiveServices/register/action" in hub - plain
    watched = actions(parse_settings({"monitoring": True}), "dev")
    assert "Microsoft.Insights/metricAlerts/write" in watched - plain


def test_what_is_adopted_may_be_read_and_neither_changed_nor_deleted() -> None:
    adopting = parse_settings({"adoptGroup": "rg-research", "adoptWorkspace": "mlw-research"})
    found = actions(adopting, "dev")
    for name in (
        "Microsoft.Resources/subscriptions/resourceGroups",
        "Microsoft.MachineLearningServices/workspaces",
    ):
        assert f"{name}/read" in found
        assert not {f"{name}/write", f"{name}/delete"} & found
    assert "Microsoft.Storage/storageAccounts/write" not in found


@pytest.mark.parametrize("chosen", [{}, FEATURES, {"adoptGroup": "rg-research"}])
def test_the_condition_allows_the_stacks_own_roles_and_no_other(chosen: dict[str, Any]) -> None:
    settings = parse_settings(chosen)
    text = condition(settings)
    wanted = {grant.role.guid for grant in Site(settings, NOBODY, "dev").grants}
    lists = [set(part.split(", ")) for part in re.findall(r"GuidEquals {([^}]*)}", text)]
    assert lists == [wanted, wanted]
    assert (Role.CONTRIBUTOR.guid in text) == any(
        grant.role is Role.CONTRIBUTOR for grant in Site(settings, NOBODY, "dev").grants
    )
    for verb, side in (("write", "@Request"), ("delete", "@Resource")):
        assert f"(!(ActionMatches{{'{ASSIGNMENTS}/{verb}'}})) OR ({side}[" in text


def workspace(outputs: StackOutputs) -> str:
    group = f"/subscriptions/{outputs.subscription_id}/resourceGroups/{outputs.resource_group}"
    provider = "Microsoft.MachineLearningServices/workspaces"
    return f"{group}/providers/{provider}/{outputs.workspace}"


def trained(cloud: Cloud, outputs: StackOutputs) -> ModelRef:
    """Submit a job that takes a second, follow it and register its model."""
    base = {"source": "random", "id": "none", "revision": "r1"}
    recipe = Recipe.model_validate(
        {"name": "quick", "model_name": "quick", "method": "full", "base": base,
         "description": "succeed"}
    )  # fmt: skip
    train, validation = (check_file(SAMPLES / f"{name}.jsonl") for name in ("train", "heldout"))
    order = Order(recipe, train, validation, "cpu", 0.1, TESTS / "training" / "quick_job")
    job = submit(cloud, outputs, replace(order, estimate=1.0))
    for _ in follow(cloud, outputs, job.name):
        pass
    return register(cloud, outputs, job.name)


def serve(cloud: Cloud, outputs: StackOutputs, work: Path) -> None:
    """Deploy a program that says hello, and read the keys that `chat` asks with."""
    from azure.ai.ml.entities import Model

    (work / "word.txt").write_text("hello")
    asset = Model(name="says-hello", path=str(work), type="custom_model")
    cloud.workspace(outputs).models.create_or_update(asset)
    order = DeployOrder(ModelRef(name="says-hello", version="1"), vm_size="Standard_E4s_v3")
    made = deploy(cloud, outputs, order, program=TESTS / "deploy" / "quick_serving")
    time_and_scale(cloud, outputs, made.name, made.deployment)
    assert cloud.workspace(outputs).online_endpoints.get_keys(made.name).primary_key
    rotate(cloud, outputs, made, "secondary")
    (endpoint,) = workloads(cloud.arm, outputs).endpoints
    assert endpoint.deployments[0].created


def time_and_scale(cloud: Cloud, outputs: StackOutputs, endpoint: str, deployment: str) -> None:
    """Have the endpoint end tomorrow, read that, and let the deployment grow."""
    tomorrow = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    set_expiry(cloud, outputs, endpoint, tomorrow, lambda text: None)
    found = read_expiry(cloud, outputs, endpoint)
    assert found is not None
    assert found.when == tomorrow
    assert set_scaling(cloud.arm, outputs, endpoint, deployment, 1, 2, lambda text: None)
