"""doctor through the command line, and what `up`, `train` and `deploy` ask before they begin."""

import json
from pathlib import Path
from typing import Any

import pytest
from command_runner import run
from recorded_arm import SUBSCRIPTION, FakeCloud

from commands.preflight import all_rules
from commands.session import Session
from core.errors import CloudError, NotSignedIn, UserError
from core.refs import StackOutputs
from tests.training.quick import chats

ROOT = f"/subscriptions/{SUBSCRIPTION}"
CONTRIBUTOR = {"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"]}


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> FakeCloud:
    cloud = FakeCloud(is_person=False)
    monkeypatch.setattr(Session, "cloud", cloud)
    return cloud


@pytest.fixture(autouse=True)
def nothing_but_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send what asks an image registry to a port that nobody listens on."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


@pytest.fixture
def stacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNESTACK_STACKS", str(tmp_path / "stacks"))
    return tmp_path / "stacks"


def findings(*words: str, exit_code: int = 0) -> dict[str, dict[str, str]]:
    document = json.loads(run("doctor", *words, "--json", exit_code=exit_code).stdout)
    return {finding["rule"]: finding for finding in document["findings"]}


def disable(cloud: FakeCloud) -> None:
    cloud.arm.said[ROOT] = {"displayName": "Research", "state": "Disabled"}


def sent(cloud: FakeCloud) -> list[tuple[str, str]]:
    return [
        (method, path)
        for method, path in cloud.arm.requests
        if method not in ("GET", "LIST") and not path.endswith("/checkNameAvailability")
    ]


def test_no_two_rules_of_any_folder_share_an_id_and_each_has_a_subject() -> None:
    ids = [rule.id for rule in all_rules()]
    assert len(ids) == len(set(ids)) >= 28
    concerned = {command for rule in all_rules() for command in rule.stops | rule.warns}
    assert concerned == {"up", "train", "deploy"}


def test_doctor_tells_every_rule_and_leaves_with_0_where_nothing_failed(cloud: FakeCloud) -> None:
    found = findings()
    assert {"login", "quota.cluster", "rights.roles", "names.held", "quota.endpoint"} <= set(found)
    assert "failed" not in {finding["status"] for finding in found.values()}
    assert found["login"]["told"] == "somebody, a service principal"
    assert found["lifecycle.base-model"]["status"] == "ok"
    assert sent(cloud) == []


def test_doctor_shows_one_table_with_the_fix_in_the_line(cloud: FakeCloud) -> None:
    disable(cloud)
    shown = run("doctor", exit_code=3)
    lines = shown.stdout.splitlines()
    (line,) = [number for number, text in enumerate(lines) if text.startswith("subscription")]
    assert lines[line].split()[:2] == ["subscription", "failed"]
    assert "→ https://portal.azure.com > Subscriptions > Research" in lines[line + 1]
    assert "1 failed" in lines[-1]
    assert "Error: 1 failed: subscription." in shown.stderr


def test_doctor_without_a_sign_in_does_what_needs_no_azure(
    stacks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_SUBSCRIPTION_ID", raising=False)
    run("init", "-s", "dev", "--compute", "cpu")
    found = findings("-s", "dev", "-r", "tiny-phi3", exit_code=3)
    assert found["login"]["status"] == "failed"
    assert "az account show" in found["login"]["fix"]
    assert found["quota.cluster"] == {
        "status": "skipped",
        "told": "not signed in",
        "fix": found["login"]["fix"],
        "rule": "quota.cluster",
    }
    assert found["tools.python"]["status"] == "ok"
    assert found["lifecycle.vm-size"]["status"] == "ok"


def test_doctor_of_a_stack_that_is_not_set_up_says_init_and_checks_the_defaults(
    cloud: FakeCloud, stacks: Path
) -> None:
    found = findings("-s", "dev", exit_code=3)
    assert found["settings"]["status"] == "failed"
    assert found["settings"]["fix"] == "tunestack init --stack dev"
    assert "about the defaults" in found["settings"]["told"]
    assert found["subscription"]["status"] == "ok"


def test_a_wrong_setting_and_a_wrong_recipe_are_findings_among_the_others(
    cloud: FakeCloud, stacks: Path
) -> None:
    run("init", "-s", "local")
    file = stacks / "Pulumi.local.yaml"
    file.write_text(file.read_text() + "  tunestack:maxNodes: many\n  tunestack:hub: perhaps\n")
    document = json.loads(run("doctor", "-r", "phi-9", "--json", exit_code=3).stdout)
    told = [one["told"] for one in document["findings"] if one["rule"] in ("settings", "recipe")]
    assert [line.partition(":")[0] for line in told[:2]] == ["hub", "maxNodes"]
    assert "There is no recipe 'phi-9'" in told[2]
    fixes = {one["fix"] for one in document["findings"] if one["rule"] == "settings"}
    assert fixes == {"change it in Pulumi.local.yaml"}
    assert "subscription" in {one["rule"] for one in document["findings"]}


def test_up_is_refused_with_every_finding_at_once_and_nothing_is_sent(cloud: FakeCloud) -> None:
    disable(cloud)
    cloud.arm.said[f"{ROOT}/providers/Microsoft.Authorization/permissions".lower()] = [CONTRIBUTOR]
    shown = run("up", "--yes", exit_code=3)
    assert "`up` has not begun, and nothing was sent" in shown.stderr
    assert "subscription: Research is Disabled" in shown.stderr
    assert "rights.roles: you may not give roles" in shown.stderr
    assert "az role assignment create" in shown.stderr
    assert "--ignore subscription --ignore rights.roles" in shown.stderr
    assert "tunestack doctor --stack local" in shown.stderr
    assert sent(cloud) == []


def test_up_goes_on_in_spite_of_a_rule_that_is_ignored(cloud: FakeCloud) -> None:
    disable(cloud)
    shown = run("up", "--ignore", "subscription", exit_code=2)
    assert "There is no terminal to ask at" in shown.stderr
    assert "Research" not in shown.stderr


def test_up_says_nothing_of_rules_where_all_is_well_or_cannot_be_asked(cloud: FakeCloud) -> None:
    cloud.arm.refuse = lambda method, path: (
        CloudError("no", code="AuthorizationFailed", status=403) if "/locations/" in path else False
    )
    shown = run("up", exit_code=2)
    assert "Note" not in shown.stderr
    assert "quota" not in shown.stderr


def test_what_up_does_itself_is_a_warning_of_doctors_alone(cloud: FakeCloud) -> None:
    cloud.arm.said[f"{ROOT}/providers/Microsoft.Storage".lower()] = {"registrationState": "Not"}
    assert findings()["providers"]["status"] == "warning"
    assert "Microsoft.Storage" not in run("up", exit_code=2).stderr


def usages(cloud: FakeCloud, name: str, used: int, limit: int) -> None:
    path = f"{ROOT}/providers/Microsoft.MachineLearningServices/locations/eastus2/usages"
    row: dict[str, Any] = {"name": {"localizedValue": name}, "currentValue": used, "limit": limit}
    cloud.arm.said[path.lower()] = [row]


def test_a_warning_is_a_line_on_stderr_and_stops_nothing(cloud: FakeCloud) -> None:
    usages(cloud, "Standard ESv3 Family Cluster Dedicated vCPUs", 10, 16)
    shown = run("up", exit_code=2)
    assert "Note quota.cluster: Standard ESv3 Family Cluster Dedicated vCPUs: 16" in shown.stderr
    assert "Request quota" in shown.stderr
    assert shown.stdout == ""


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack that is up, with a model to deploy and no endpoint yet."""
    names = [name for name, field in StackOutputs.model_fields.items() if field.is_required()]
    monkeypatch.setattr(Session, "outputs", StackOutputs(**dict.fromkeys(names, "x")))
    found = {"name": "phi", "version": "1", "tags": {"parameters": "1000000"}}
    for module in ("deploy", "deploying"):
        monkeypatch.setattr(f"commands.{module}.find_model", lambda *_: found)
    monkeypatch.setattr("commands.deploying.standing", lambda *_: None)


@pytest.mark.usefixtures("trained")
def test_what_will_stop_deploy_is_only_said_by_up(cloud: FakeCloud) -> None:
    usages(cloud, "Standard ESv3 Family Cluster Dedicated vCPUs", 16, 16)
    shown = run("up", exit_code=2)
    assert "Note quota.endpoint: Standard ESv3 Family" in shown.stderr
    refused = run("deploy", exit_code=3)
    assert "quota.endpoint: Standard ESv3 Family" in refused.stderr
    assert "`deploy` has not begun" in refused.stderr
    assert sent(cloud) == []


def test_train_is_refused_before_anything_is_uploaded(cloud: FakeCloud, tmp_path: Path) -> None:
    usages(cloud, "Standard ESv3 Family Cluster Dedicated vCPUs", 0, 8)
    train, validation = chats(tmp_path / "t.jsonl", range(12)), chats(tmp_path / "v.jsonl", [20])
    files = ("--train-file", str(train), "--eval-file", str(validation))
    shown = run("train", "-r", "tiny-phi3", *files, exit_code=3)
    assert "quota.cluster: Standard ESv3 Family Cluster Dedicated vCPUs: 16" in shown.stderr
    assert sent(cloud) == []


@pytest.mark.usefixtures("trained")
def test_deploy_looks_at_the_size_that_was_asked_for(cloud: FakeCloud) -> None:
    usages(cloud, "Standard NCASv3_T4 Family Cluster Dedicated vCPUs", 0, 4)
    shown = run("deploy", "--vm-size", "Standard_NC4as_T4_v3", exit_code=3)
    assert "Standard NCASv3_T4 Family Cluster Dedicated vCPUs: 8 needed, 4 free" in shown.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotSignedIn("Not signed in to Azure.", hint="az login"), 3),
        (CloudError("Azure could not be reached.", hint="Check the network."), 4),
    ],
)
def test_where_azure_is_away_a_command_ends_with_that_alone(
    cloud: FakeCloud, error: UserError, code: int
) -> None:
    def away(method: str, path: str) -> bool:
        raise error

    cloud.arm.refuse = away
    shown = run("up", "--yes", exit_code=code)
    assert shown.stderr == f"Error: {error}\nHint: {error.hint}\n"
