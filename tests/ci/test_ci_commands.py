"""`tunestack ci init` and `ci variables`, as they are typed."""

from pathlib import Path

import pytest
import yaml
from workflow_text import GITHUB, load

from commands.ci.workflow_files import ACTION, WORKFLOW
from commands.session import Session
from core.refs import StackOutputs
from core.settings import Settings, parse_settings
from tests.typed_commands import run, run_json

OUTPUTS = StackOutputs(
    subscription_id="sub", resource_group="g", location="eastus2", workspace="w",
    storage_account="s", container_registry="c", key_vault="k", cluster="gpu",
    endpoint_identity="e", job_identity="j", workspace_identity="i", tenant_id="tenant",
)  # fmt: skip


@pytest.fixture(autouse=True)
def in_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to write to, and a stack whose settings name a repository."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Session, "settings", parse_settings(GITHUB))
    return tmp_path


def test_init_writes_both_files_and_a_second_time_changes_nothing(in_a_repository: Path) -> None:
    first = run("ci", "init", "--stack", "dev", "--recipe", "phi-3.5-mini", "--hours", "10")
    assert f"Wrote {WORKFLOW}" in first.stdout
    assert f"Wrote {ACTION}" in first.stdout
    made = load(in_a_repository / WORKFLOW)
    assert made["env"]["TUNESTACK_STACK"] == "dev"
    assert made["env"]["HELD_OUT"] == "data/train/validation.jsonl"
    again = run_json("ci", "init", "--stack", "dev", "--recipe", "phi-3.5-mini", "--hours", "10")
    assert again["files"] == {WORKFLOW: "same", ACTION: "same"}
    assert "ci variables --stack dev" in first.stderr


def test_what_a_person_changed_is_shown_and_kept_until_they_say_so(in_a_repository: Path) -> None:
    run("ci", "init", "--stack", "dev")
    file = in_a_repository / WORKFLOW
    mine = file.read_text().replace("ubuntu-latest", "my-runner")
    file.write_text(mine)
    refused = run("ci", "init", "--stack", "dev", exit_code=2)
    assert "-    runs-on: my-runner" in refused.stderr
    assert "--yes" in refused.stderr
    assert file.read_text() == mine
    assert run_json("ci", "init", "--stack", "dev", "--yes")["files"][WORKFLOW] == "changed"
    assert "my-runner" not in file.read_text()


def test_what_is_wrong_is_told_at_once_and_nothing_is_written(in_a_repository: Path) -> None:
    told = run(
        "ci", "init", "--stack", "dev", "--recipe", "no-such-recipe", "--gate", "no-such-gate",
        "--data", "/home/me/data", "--question", "${{ github.token }}", exit_code=2,
    ).stderr  # fmt: skip
    for part in ("no-such-recipe", "no-such-gate", "--data", "--question"):
        assert part in told
    assert not (in_a_repository / ".github").exists()


def test_a_recipe_of_a_managed_service_is_refused(in_a_repository: Path) -> None:
    assert "travel-gpt" in run("ci", "init", "--recipe", "travel-gpt", exit_code=2).stderr


def test_variables_names_three_things_for_github(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = OUTPUTS.model_copy(update={"workflow_client_id": "client"})
    monkeypatch.setattr(Session, "outputs", outputs)
    assert run("ci", "variables", "--stack", "dev").stdout.splitlines() == [
        "gh variable set AZURE_CLIENT_ID --body client --repo octo-org/travel",
        "gh variable set AZURE_TENANT_ID --body tenant --repo octo-org/travel",
        "gh variable set AZURE_SUBSCRIPTION_ID --body sub --repo octo-org/travel",
    ]
    assert run_json("ci", "variables", "--stack", "dev")["AZURE_CLIENT_ID"] == "client"


def test_without_an_identity_variables_names_what_makes_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Session, "outputs", OUTPUTS)
    monkeypatch.setattr(Session, "settings", Settings())
    told = run("ci", "variables", "--stack", "dev", exit_code=3).stderr
    assert "Pulumi.dev.yaml: tunestack:github: OWNER/NAME, tunestack:person: OBJECT_ID" in told


def test_init_asks_neither_azure_nor_github(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(session: Session) -> None:
        raise AssertionError

    for name in ("cloud", "engine", "outputs"):
        monkeypatch.setattr(Session, name, property(refuse))
    run("ci", "init", "--stack", "dev")


def test_the_action_installs_as_was_asked(in_a_repository: Path) -> None:
    run("ci", "init", "--install", "pip install tunestack==0.1.0")
    steps = yaml.safe_load((in_a_repository / ACTION).read_text())["runs"]["steps"]
    assert steps[1]["run"] == "pip install tunestack==0.1.0"
