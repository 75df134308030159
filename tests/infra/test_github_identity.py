"""The setting `github`: an identity that one branch and one environment may act as, no more."""

from pathlib import Path
from typing import Any

import pytest
from recorded_arm import SUBSCRIPTION, FakeCloud, arm_type, engine, ignore, settings

from commands.doctor import findings
from commands.preflight import all_rules
from commands.session import Session
from core.errors import SettingsError
from core.settings import Settings, parse_settings
from infra.deployer_role import actions
from infra.grant_table import WORKFLOW_GRANTS, grants
from infra.pulumi_cli.command import environment
from infra.roles import Role, Scope, Who
from infra.site import Site
from infra.workflow import subjects
from tests.typed_commands import run

PERSON = "0a1b2c3d-0000-4000-8000-0000000000ff"
GITHUB = {"github": "octo-org@123456/travel@456789", "person": PERSON}
REPOSITORY = "repo:octo-org@123456/travel@456789"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> FakeCloud:
    """An Azure in which a stack with a workflow is up; to be read only."""
    cloud = FakeCloud()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESTACK_HOME", str(tmp_path_factory.mktemp("made")))
        engine(cloud, **GITHUB).up(ignore)
    return cloud


def workflow_identity(cloud: FakeCloud) -> dict[str, Any]:
    identities = cloud.arm.of_type(arm_type("managed identity"))
    (found,) = [one for one in identities if one["name"].endswith("-workflow")]
    return found


def test_a_branch_and_an_environment_are_trusted_and_pull_requests_are_not(
    made: FakeCloud,
) -> None:
    found = [one["properties"] for one in made.arm.of_type(arm_type("federated credential"))]
    assert {one["subject"] for one in found} == {
        f"{REPOSITORY}:ref:refs/heads/main",
        f"{REPOSITORY}:environment:production",
    }
    for one in found:
        assert one["issuer"] == "https://token.actions.githubusercontent.com"
        assert one["audiences"] == ["api://AzureADTokenExchange"]


def test_the_two_credentials_are_written_one_after_the_other() -> None:
    """Azure refuses two writes at a time with 409: the second is not sent before the first is."""
    cloud = FakeCloud()
    under_way: list[str] = []
    plain = cloud.arm.put

    def put(path: str, api_version: str, body: dict[str, Any]) -> dict[str, Any]:
        if "/federatedIdentityCredentials/" not in path:
            return plain(path, api_version, body)
        assert not under_way
        under_way.append(path)
        answer = plain(path, api_version, body)
        under_way.remove(path)
        return answer

    cloud.arm.put = put  # type: ignore[method-assign]
    engine(cloud, **GITHUB).up(ignore)
    written = [path for path in cloud.arm.bodies if "/federatedIdentityCredentials/" in path]
    assert [path.rsplit("/", 1)[-1] for path in written] == ["github-branch", "github-environment"]


def test_the_workflow_may_do_these_four_things_and_nothing_else(made: FakeCloud) -> None:
    principal = workflow_identity(made)["properties"]["principalId"]
    found = made.arm.of_type(arm_type("grant"))
    own = [one for one in found if one["properties"]["principalId"] == principal]
    titles = {role.guid: role.title for role in Role}
    assert {
        (titles[one["properties"]["roleDefinitionId"][-36:]], one["id"].split("/")[-5])
        for one in own
    } == {
        ("Reader", "rg-tunestack-local"),
        ("AzureML Data Scientist", "mlw-local"),
        ("Storage Blob Data Contributor", storage_of(made)),
        ("Managed Identity Operator", "id-local-endpoint"),
    }
    assert {one["properties"]["principalType"] for one in own} == {"ServicePrincipal"}


def storage_of(cloud: FakeCloud) -> str:
    (found,) = cloud.arm.of_type(arm_type("storage account"))
    return str(found["name"])


def test_the_persons_grants_stay_theirs_whoever_runs_up(made: FakeCloud) -> None:
    found = [one["properties"] for one in made.arm.of_type(arm_type("grant"))]
    assert [one["principalType"] for one in found if one["principalId"] == PERSON] == ["User"]


def test_another_caller_plans_no_change() -> None:
    cloud = FakeCloud()
    engine(cloud, **GITHUB).up(ignore)
    workflow = FakeCloud(is_person=False)
    workflow.arm = cloud.arm
    assert not engine(workflow, **GITHUB).plan().has_changes
    engine(workflow, **GITHUB).up(ignore)  # personType is the person's, not the caller's


def test_outputs_name_what_github_must_know(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cloud = FakeCloud()
    outputs = engine(cloud, **GITHUB).up(ignore)
    assert outputs.workflow_client_id == workflow_identity(cloud)["properties"]["clientId"]
    assert outputs.tenant_id
    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path / "plain"))
    assert engine(FakeCloud()).up(ignore).workflow_client_id == ""


def test_without_the_setting_there_is_neither_identity_nor_grant() -> None:
    assert not any(grant.who is Who.WORKFLOW for grant in grants())
    site = Site(Settings(), SUBSCRIPTION, "dev")
    assert not any(grant.who is Who.WORKFLOW for grant in site.grants)
    federated = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"
    assert f"{federated}/write" not in actions(Settings(), "dev")
    assert f"{federated}/write" in actions(parse_settings(GITHUB), "dev")


def test_in_an_adopted_workspace_the_workflow_has_its_grants_but_none_on_the_group() -> None:
    chosen = {**GITHUB, "adoptGroup": "rg-research", "adoptWorkspace": "mlw-research"}
    site = Site(parse_settings(chosen), SUBSCRIPTION, "dev")
    own = {grant.scope for grant in site.grants if grant.who is Who.WORKFLOW}
    assert own == {grant.scope for grant in WORKFLOW_GRANTS} - {Scope.GROUP}


def test_branch_and_environment_can_be_chosen() -> None:
    chosen = {**GITHUB, "github": "octo-org/travel", "githubBranch": "release/1",
              "githubEnvironment": "live"}  # fmt: skip
    assert subjects(Site(settings(**chosen), SUBSCRIPTION, "dev")) == {
        "github-branch": "repo:octo-org/travel:ref:refs/heads/release/1",
        "github-environment": "repo:octo-org/travel:environment:live",
    }


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"github": "travel", "person": PERSON}, "github: 'travel' is no repository; for example"),
        ({"github": "https://github.com/a/b", "person": PERSON}, "github: 'https://github.com/a"),
        ({"github": "a/b"}, "github: a workflow's plan would take your grants for its own"),
        ({**GITHUB, "githubBranch": "release/*"}, "githubBranch: 'release/*' is no plain name"),
        ({**GITHUB, "githubEnvironment": "a:b"}, "githubEnvironment: 'a:b' is no plain name"),
        ({"githubBranch": "main"}, "githubBranch, githubEnvironment: of no repository"),
        ({"person": "me@example.com"}, "person: 'me@example.com' is no object id"),
    ],
)
def test_a_wrong_setting_names_itself_and_the_reason(chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_settings(chosen)
    assert str(error.value).startswith(message)


def test_in_a_job_of_githubs_pulumis_provider_asks_for_tokens_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = Site(Settings(), SUBSCRIPTION, "dev")
    monkeypatch.delenv("AZURE_CLIENT_SECRET", raising=False)
    assert "ARM_USE_OIDC" not in environment(site)
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", "https://example.com")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-the-job")
    monkeypatch.setenv("AZURE_TENANT_ID", "tenant")
    monkeypatch.delenv("AZURE_CLIENT_ID", raising=False)
    assert "ARM_USE_OIDC" not in environment(site), "the Azure CLI's sign-in is the only one"
    monkeypatch.setenv("AZURE_CLIENT_ID", "client")
    found = environment(site)
    assert (found["ARM_USE_OIDC"], found["ARM_CLIENT_ID"]) == ("true", "client")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "chosen")
    assert "ARM_USE_OIDC" not in environment(site)


def test_a_plan_that_would_change_something_fails_where_none_was_expected(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = engine(cloud, **GITHUB)
    for name, value in (("settings", settings(**GITHUB)), ("cloud", cloud), ("engine", made)):
        monkeypatch.setattr(Session, name, value)
    told = run("plan", "--stack", "dev", "--expect-no-changes", exit_code=1)
    assert "tunestack up --stack dev" in told.stderr
    made.up(ignore)
    run("plan", "--stack", "dev", "--expect-no-changes")


def test_the_doctor_asks_for_a_command_only_what_would_stop_it(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "settings", settings(**GITHUB))
    monkeypatch.setattr(Session, "cloud", cloud)
    asked = {one.rule for one in findings(Session("dev"), "phi-3.5-mini", ("train", "deploy"))}
    stops = {rule.id for rule in all_rules() if rule.stops & {"train", "deploy"}}
    assert asked and asked <= stops
    assert "rights.granting" not in asked
