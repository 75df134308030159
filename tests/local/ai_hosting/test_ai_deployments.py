"""ARM's deployments of models: what is checked, made for real, limited, and gone again."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.identity import DefaultAzureCredential
from azure_group import Group, Raw
from hosted import API, MINI, QUICK, QWEN, VERSION, Hosted, openai
from openai import APIStatusError

from core.arm import Arm
from core.errors import CloudError
from local.arm.ai_deployment_life import TIMER
from local.process import stop
from local.state import opened
from local.tenant import tenant
from local.tokens import DEPLOYMENTS
from local.tuning import programs

ROOT = Path(__file__).parents[3]
SHARED = Path(os.environ.get("TUNESTACK_SHARED") or ROOT.parent / "shared") / "azure"
TUNED_GLOBAL = "OpenAI.GlobalStandard.gpt-4.1-mini-finetune"
DAY = 86400.0


def refusal(act: Callable[[], Any]) -> CloudError:
    with pytest.raises(CloudError) as caught:
        act()
    return caught.value


def usages(hosted: Hosted) -> dict[str, float]:
    subscription = hosted.id.partition("/resourceGroups/")[0]
    path = f"{subscription}/providers/Microsoft.CognitiveServices/locations/eastus2/usages"
    rows = hosted.group.arm.get_list(path, API)
    counts = {row["name"]["value"]: row["currentValue"] for row in rows if row["currentValue"]}
    counts.pop("AccountCount")
    return counts


def test_a_deployment_is_made_changed_and_gone_with_its_quota(hosted: Hosted) -> None:
    tuned = hosted.tuned("first")
    before = usages(hosted)
    made = hosted.deploy("one", tuned, capacity=5, versionUpgradeOption="NoAutoUpgrade")
    properties = made["properties"]
    assert made["type"] == DEPLOYMENTS
    assert made["sku"] == {"name": "GlobalStandard", "capacity": 5}
    assert properties["provisioningState"] == "Succeeded"
    assert properties["model"] == openai(tuned)
    assert properties["raiPolicyName"] == "Microsoft.DefaultV2"
    assert properties["versionUpgradeOption"] == "NoAutoUpgrade"
    assert properties["capabilities"] == {"chatCompletion": "true"}
    counts = {one["key"]: (one["renewalPeriod"], one["count"]) for one in properties["rateLimits"]}
    assert counts == {"request": (10, 5), "token": (60, 5000)}
    assert made["systemData"]["createdAt"] and made["etag"]
    assert usages(hosted)[TUNED_GLOBAL] == before.get(TUNED_GLOBAL, 0) + 5
    assert hosted.ask("one", "hello").choices[0].message.content == "first: hello"

    hosted.tuned("second", step=8)
    error = refusal(lambda: hosted.deploy("one", "ftchkpt-8"))
    assert (error.status, error.code) == (400, "CannotChangeDeploymentModel")
    changed = hosted.deploy("one", tuned, sku="globalstandard", capacity=3)
    assert changed["sku"] == {"name": "GlobalStandard", "capacity": 3}
    assert usages(hosted)[TUNED_GLOBAL] == before.get(TUNED_GLOBAL, 0) + 3
    assert set(hosted.listed()) == {"one"}

    assert hosted.drop("one")
    assert not hosted.drop("one")
    assert usages(hosted) == before
    with pytest.raises(APIStatusError) as gone:
        hosted.ask("one", "hello")
    assert gone.value.code == "DeploymentNotFound"


def test_a_change_of_capacity_and_tags_restarts_nothing(standing: Hosted, raw: Raw) -> None:
    before = standing.listed()["word"]
    change = {"sku": {"capacity": 90}, "tags": {"team": "nlp"}}
    answer = raw("PATCH", standing.path("word"), change)
    assert answer.status_code == 200
    changed = answer.json()
    assert changed["properties"]["provisioningState"] == "Succeeded"
    assert changed["sku"] == {**before["sku"], "capacity": 90}
    assert (changed["tags"], changed["properties"]["currentCapacity"]) == ({"team": "nlp"}, 90)
    assert changed["systemData"]["createdAt"] == before["systemData"]["createdAt"]
    assert standing.ask("word", "hello").choices[0].message.content == "word: hello"
    raw("PATCH", standing.path("word"), {"sku": before["sku"]})
    kinds = standing.group.arm.get_list(f"{standing.path('word')}/skus", API)
    assert {one["sku"]["name"] for one in kinds} == {
        "Standard",
        "GlobalStandard",
        "DataZoneStandard",
        "DeveloperTier",
    }
    assert raw.refused("PATCH", standing.path("none"), change) == (404, "DeploymentNotFound")


def test_requests_and_answers_have_azures_published_shape(standing: Hosted, tmp_path: Path) -> None:
    folder = SHARED
    if not (folder / "check_arm.py").is_file():
        pytest.skip("Azure's published types are not here.")
    made = standing.listed()["word"]
    file = next((folder / "schemas").glob("*accounts_deployments@*.json"))
    types = json.loads(file.read_text())
    known = types["properties"].keys() | {"id", "type"}
    assert made.keys() <= known
    assert made["properties"].keys() <= types["$defs"]["DeploymentProperties"]["properties"].keys()
    own = standing.body(standing.tuned("x"), sku="DeveloperTier", raiPolicyName="Microsoft.Default")
    row = {"type": DEPLOYMENTS, "apiVersion": API, "name": "a/b", "body": own}
    (tmp_path / "rows.json").write_text(json.dumps([row]))
    command = [
        sys.executable,
        str(folder / "check_arm.py"),
        str(tmp_path / "rows.json"),
        "--strict",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


UNSUPPORTED = (400, "DeploymentModelNotSupported")
WRONG = (400, "InvalidResourceProperties")
REFUSED: list[tuple[dict[str, str], dict[str, Any], tuple[int, str], str]] = [
    (openai("gpt-9", "1"), {}, UNSUPPORTED, "Format: OpenAI, Name: gpt-9, Version: 1, Source: ,"),
    ({**QWEN, "version": "7"}, {}, UNSUPPORTED, "Name: Qwen3-32B, Version: 7"),
    (openai(f"{MINI}-{VERSION}.ft-0"), {}, UNSUPPORTED, "is not supported"),
    ({**QWEN, "format": "Meta"}, {}, (500, "InternalServerError"), ""),
    (openai(MINI, VERSION), {}, (400, "ServiceModelDeprecated"), "since 10/14/2026 00:00:00."),
    (
        QWEN,
        {"sku": "DeveloperTier"},
        WRONG,
        "The specified SKU 'DeveloperTier' of account deployment is not supported by the model"
        " 'Qwen3-32B' version: '1'.",
    ),
    (QWEN, {"sku": "Standard"}, WRONG, "'Standard'"),
    (QWEN, {"capacity": 0}, WRONG, "capacity '0'"),
    (QWEN, {"raiPolicyName": "mine"}, WRONG, "'mine'"),
    (QWEN, {"versionUpgradeOption": "Never"}, WRONG, "'Never'"),
    ({"name": "Qwen3-32B", "version": "1"}, {}, WRONG, "'format'"),
]


@pytest.mark.parametrize(
    ("model", "chosen", "code", "told"), REFUSED, ids=[f"{row[2][1]}-{row[3]}" for row in REFUSED]
)
def test_what_azure_would_not_make_is_refused(
    standing: Hosted,
    raw: Raw,
    model: dict[str, str],
    chosen: dict[str, Any],
    code: tuple[int, str],
    told: str,
) -> None:
    answer = raw("PUT", standing.path("wrong"), standing.body(model, **chosen))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == code
    assert told in error["message"]
    assert "wrong" not in standing.listed()


def test_names_parents_and_bodies_are_checked(standing: Hosted, raw: Raw) -> None:
    body = standing.body(QWEN)
    assert raw.refused("PUT", standing.path("a b"), body) == (400, "InvalidResourceName")
    assert raw.refused("PUT", standing.path("a" * 65), body) == (400, "InvalidResourceName")
    assert raw.refused("PUT", standing.path("one"), {}) == (400, "InvalidRequestContent")
    nowhere = standing.path("one").replace(standing.name, "nobody")
    assert raw.refused("PUT", nowhere, body) == (404, "ParentResourceNotFound")
    assert raw.refused("GET", standing.path("none")) == (404, "DeploymentNotFound")


def test_a_retired_base_model_is_deployed_by_who_had_it_and_tuned_ones_by_anybody(
    standing: Hosted, raw: Raw, old_customer: Callable[[bool], Any]
) -> None:
    old_customer(False)
    refused = raw.refused("PUT", standing.path("base"), standing.body(openai(MINI, VERSION)))
    assert refused == (400, "ServiceModelDeprecated")
    old_customer(True)
    beyond = standing.body(openai(MINI, VERSION), capacity=10**6)
    assert raw.refused("PUT", standing.path("base"), beyond) == (400, "InsufficientQuota")


def test_quota_is_refused_with_azures_figures_and_pools_are_apart(
    standing: Hosted, raw: Raw, limits: Callable[[str, int], Any]
) -> None:
    tuned, held = standing.tuned("more"), int(usages(standing)[TUNED_GLOBAL])
    limits(TUNED_GLOBAL, held + 2)
    answer = raw("PUT", standing.path("more"), standing.body(tuned, capacity=5))
    row = "Tokens Per Minute (thousands) - gpt-4.1-mini - finetune - GlobalStandard"
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InsufficientQuota")
    assert answer.json()["error"]["message"] == (
        f"This operation require 5 new capacity in quota {row}, which is bigger than the current"
        f" available capacity 2. The current quota usage is {held} and the quota limit is"
        f" {held + 2} for quota {row}."
    )
    word = standing.listed()["word"]
    grown = {"sku": {**word["sku"], "capacity": word["sku"]["capacity"] + 3}}
    answer = raw("PATCH", standing.path("word"), grown)
    assert "require 3 new capacity" in answer.json()["error"]["message"]
    limits("OpenAI.DeveloperTier.gpt-4.1-mini-finetune", 0)
    developer = standing.body(tuned, sku="DeveloperTier")
    assert raw.refused("PUT", standing.path("more"), developer) == (400, "InsufficientQuota")
    limits("OpenAI.GlobalStandard.gpt-4.1-mini", 0)
    assert set(standing.listed()) >= {"word"}


def test_an_account_holds_five_deployments_of_tuned_models(hosted: Hosted, raw: Raw) -> None:
    for number in range(5):
        hosted.written(f"tuned-{number}", openai(f"{MINI}-{VERSION}.ft-{number}"))
    answer = raw("PUT", hosted.path("sixth"), hosted.body(hosted.tuned("sixth")))
    assert answer.status_code == 429
    assert "has 5 deployments of tuned models" in answer.json()["error"]["message"]


def test_an_account_takes_one_change_at_a_time(
    hosted: Hosted, raw: Raw, old_customer: Callable[[bool], Any]
) -> None:
    body = hosted.body(openai(MINI, VERSION))
    first = raw("PUT", hosted.path("one"), body)
    assert first.status_code == 201
    assert first.json()["properties"]["provisioningState"] == "Creating"
    for name in ("one", "two"):
        answer = raw("PUT", hosted.path(name), body)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (409, "RequestConflict")
        assert error["message"] == (
            f"Another operation is being performed on the parent resource '{hosted.id}'."
            " Please try again later."
        )
    conflict = (409, "RequestConflict")
    project = {"location": "eastus2", "identity": {"type": "SystemAssigned"}}
    policy = {"properties": {"basePolicyName": "Microsoft.DefaultV2"}}
    assert raw.refused("DELETE", hosted.path("one")) == conflict
    assert raw.refused("PUT", f"{hosted.id}/projects/tuning", project) == conflict
    assert raw.refused("PUT", f"{hosted.id}/raiPolicies/mine", policy) == conflict
    with pytest.raises(APIStatusError) as early:
        hosted.ask("one", "hello")
    assert early.value.code == "DeploymentNotFound"
    assert hosted.deploy("one", openai(MINI, VERSION))
    answer = hosted.ask("one", "hello")
    assert answer.model == f"{MINI}-{VERSION}"
    assert answer.choices[0].message.content.endswith(": hello")


def test_a_model_that_does_not_come_up_fails_and_says_why(hosted: Hosted, raw: Raw) -> None:
    error = refusal(lambda: hosted.deploy("one", hosted.tuned("broken")))
    assert error.code == "DeploymentFailed"
    assert "no wish to serve" in str(error)
    assert hosted.listed()["one"]["properties"]["provisioningState"] == "Failed"
    with pytest.raises(APIStatusError) as absent:
        hosted.ask("one", "hello")
    assert absent.value.code == "DeploymentNotFound"


def test_an_account_takes_its_deployments_with_it(hosted: Hosted, raw: Raw) -> None:
    before = usages(hosted)
    hosted.deploy("one", hosted.tuned("word"), capacity=7)
    nodes = hosted.folder / "nodes"
    owners = [one for one in nodes.glob("*/owner") if hosted.id.lower() in one.read_text().lower()]
    assert owners
    hosted.group.arm.delete(hosted.id, API)
    assert usages(hosted) == before
    assert not any(one.exists() for one in owners)
    name = hosted.document["properties"]["customSubDomainName"]
    body = {
        "kind": "AIServices",
        "sku": {"name": "S0"},
        "properties": {"customSubDomainName": name},
    }
    path = f"Microsoft.CognitiveServices/accounts/{hosted.name}"
    assert refusal(lambda: hosted.group.put(path, body)).code == "FlagMustBeSetForRestore"
    body["properties"]["restore"] = True  # type: ignore[index]
    hosted.group.put(path, body)
    assert hosted.listed() == {}


@pytest.mark.slow
def test_developer_goes_after_a_day_and_what_nobody_asks_after_fifteen(
    hosted: Hosted, ahead: Callable[[float], None]
) -> None:
    """Slow: two processes, and the server's own looks at its clock; dates are tested fast."""
    hosted.deploy("developer", hosted.tuned("word"), sku="developertier")
    hosted.deploy("tuned", hosted.tuned("word"), sku="Standard")
    hosted.written("base", QWEN)
    put_off_others(hosted)
    ahead(DAY - 60)
    assert hosted.ask("developer", "hello").choices
    ahead(DAY + 60)
    until(lambda: set(hosted.listed()) == {"tuned", "base"})
    ahead(14 * DAY)
    assert hosted.ask("tuned", "hello").choices
    ahead(16 * DAY)
    assert hosted.ask("tuned", "hello").choices
    ahead(32 * DAY)
    until(lambda: set(hosted.listed()) == {"base"})


def put_off_others(hosted: Hosted) -> None:
    """Let what other tests have deployed stand although the clock goes ahead."""
    with opened(hosted.folder) as state:
        for key, note in state.within(f"{TIMER}:"):
            if not note["deployment"].startswith(hosted.id):
                state.put(key, TIMER, {**note, "due": note["due"] + 365 * DAY})


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_roles_that_may_not_deploy_are_told_so(
    standing: Hosted, acting_as: Callable[[dict[str, Any]], Any]
) -> None:
    identity = standing.group.identity("looker")
    standing.group.grant(identity, "Foundry User", standing.id)
    arm = Arm(acting_as(identity))
    assert arm.get(standing.path("word"), API)
    error = refusal(lambda: arm.put(standing.path("one"), API, standing.body(QWEN)))
    assert (error.status, error.code) == (403, "AuthorizationFailed")
    assert "Microsoft.CognitiveServices/accounts/deployments/write" in str(error)


def test_an_account_lists_what_it_can_deploy_and_a_location_how_much(standing: Hosted) -> None:
    tuned = standing.listed()["word"]["properties"]["model"]["name"]
    models = {one["name"]: one for one in standing.group.arm.get_list(f"{standing.id}/models", API)}
    assert models[MINI]["lifecycleStatus"] == "Deprecated"
    assert models[tuned]["baseModel"] == openai(MINI, VERSION)
    kinds = {one["name"]: one["usageName"] for one in models[tuned]["skus"]}
    assert kinds["DeveloperTier"] == "OpenAI.DeveloperTier.gpt-4.1-mini-finetune"
    subscription = standing.id.partition("/resourceGroups/")[0]
    provider = f"{subscription}/providers/Microsoft.CognitiveServices"
    asked = f"modelFormat=OpenAI&modelName={MINI}&modelVersion={VERSION}&api-version={API}"
    for path in (f"{provider}/locations/eastus2/modelCapacities", f"{provider}/modelCapacities"):
        rows = standing.group.arm.get_list(f"{path}?{asked}", API)
        here = {
            row["properties"]["skuName"]: row["properties"]["availableCapacity"]
            for row in rows
            if row["location"] == "eastus2"
        }
        assert here["GlobalStandard"] == 250
    assert refusal(lambda: standing.group.arm.get(f"{provider}/modelCapacities", API)).status == 400


@pytest.mark.slow
def test_what_goes_with_the_group_ends(arm: Arm, standing: Hosted, azure_folder: Path) -> None:
    """Slow: a process more; what ends with an account is tested fast."""
    id = standing.group.id.replace("g-hosting", "g-hosting-gone")
    arm.put(id, "2024-03-01", {"location": "eastus2"})
    made = Hosted.made(Group(arm, id), azure_folder)
    made.deploy("base", QWEN)
    arm.delete(id, "2024-03-01")
    nodes = azure_folder / "nodes"
    assert not [one for one in nodes.glob("*/owner") if id.lower() in one.read_text().lower()]


@pytest.mark.slow
def test_deployments_answer_again_after_the_local_azure_was_ended(
    fresh_azure: Callable[[], Any], tmp_path: Path
) -> None:
    """Slow: starts a local Azure of its own twice."""
    fresh_azure()
    folder = tmp_path / "local"
    programs.use(folder, job=QUICK / "quick_trainer", serving=QUICK / "quick_server")
    arm = Arm(DefaultAzureCredential())
    id = f"/subscriptions/{os.environ['AZURE_SUBSCRIPTION_ID']}/resourceGroups/again"
    arm.put(id, "2024-03-01", {"location": "eastus2"})
    group = Group(arm, id)
    person = {"id": "person", "properties": {"principalId": tenant(folder).person_object_id}}
    group.grant(person, "Foundry User", id)
    made = Hosted.made(group, folder)
    made.deploy("one", made.tuned("word"))
    stop(folder)
    fresh_azure()

    def answers() -> bool:
        try:
            return bool(made.ask("one", "hello").choices)
        except APIStatusError as error:
            assert error.code == "DeploymentNotReady"
            return False

    until(answers)
