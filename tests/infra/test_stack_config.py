"""Settings are read from, overridden for and written to Pulumi.<stack>.yaml."""

from pathlib import Path

import pytest
import yaml

from core.errors import PrerequisiteError, SettingsError
from core.home import PROJECT
from core.settings import Settings, config_key, parse_settings
from infra.config import as_config, read_settings, stack_file, write_settings


@pytest.fixture(autouse=True)
def stacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNESTACK_STACKS", str(tmp_path))
    return tmp_path


def test_what_is_written_is_read_back(stacks: Path) -> None:
    chosen = parse_settings({"location": "westus3", "maxNodes": 4, "tags": ["team=nlp"]})
    file = write_settings("dev", chosen)
    assert file == stacks / "Pulumi.dev.yaml"
    assert read_settings("dev") == chosen


def test_what_is_written_are_pulumis_own_keys_and_types(stacks: Path) -> None:
    chosen = parse_settings({"maxNodes": "4", "purgeProtection": "true", "tags": {"a": "b"}})
    write_settings("dev", chosen)
    assert yaml.safe_load((stacks / "Pulumi.dev.yaml").read_text()) == {
        "config": {
            "tunestack:location": "eastus2",
            "tunestack:maxNodes": 4,
            "tunestack:purgeProtection": True,
            "tunestack:tags": ["a=b"],
        }
    }


def test_pulumis_own_entries_survive_writing(stacks: Path) -> None:
    (stacks / "Pulumi.dev.yaml").write_text(
        "encryptionsalt: v1:abc\nconfig:\n  azure-native:tenantId: t\n  tunestack:maxNodes: 9\n"
    )
    write_settings("dev", parse_settings({"location": "westus3"}))
    document = yaml.safe_load((stacks / "Pulumi.dev.yaml").read_text())
    assert document["encryptionsalt"] == "v1:abc"
    assert document["config"] == {
        "azure-native:tenantId": "t",
        "tunestack:location": "westus3",
    }


VAULT = "azurekeyvault://kv.vault.azure.net/keys/k"


def test_a_key_vault_is_written_where_pulumi_looks_for_it(stacks: Path) -> None:
    write_settings("dev", parse_settings({"secretsProvider": VAULT}))
    document = yaml.safe_load((stacks / "Pulumi.dev.yaml").read_text())
    assert document["secretsprovider"] == VAULT
    write_settings("dev", parse_settings({"secretsProvider": "passphrase"}))
    assert "secretsprovider" not in yaml.safe_load((stacks / "Pulumi.dev.yaml").read_text())


@pytest.mark.parametrize(
    ("made", "other"),
    [
        ("encryptionsalt: v1:abc\n", VAULT),
        (f"secretsprovider: {VAULT}\nencryptedkey: k\n", "passphrase"),
    ],
)
def test_what_encrypts_a_state_is_not_changed_by_a_setting(
    stacks: Path, made: str, other: str
) -> None:
    file = stacks / "Pulumi.dev.yaml"
    file.write_text(made)
    with pytest.raises(SettingsError, match="is encrypted by") as error:
        write_settings("dev", parse_settings({"secretsProvider": other}))
    assert "change-secrets-provider" in error.value.hint
    assert file.read_text() == made


def test_flag_beats_environment_beats_file_beats_default(
    stacks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stacks / "Pulumi.dev.yaml").write_text(
        "config:\n  tunestack:maxNodes: 2\n  tunestack:generation: 2\n  tunestack:idleSeconds: 99\n"
    )
    monkeypatch.setenv("TUNESTACK_MAX_NODES", "3")
    monkeypatch.setenv("TUNESTACK_GENERATION", "3")
    found = read_settings("dev", {"maxNodes": 4, "location": None})
    assert (found.max_nodes, found.generation, found.idle_seconds) == (4, 3, 99)
    assert found.location == "eastus2"


def test_the_last_day_may_be_a_date_or_its_text(stacks: Path) -> None:
    stack_file("dev").write_text("config:\n  tunestack:expires: 2026-12-31\n")
    assert read_settings("dev").expires == "2026-12-31"
    with pytest.raises(SettingsError, match=r"expires: .soon. is no day; for example 2026-12-31"):
        parse_settings({"expires": "soon"})


def test_tags_may_come_from_the_environment(stacks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (stacks / "Pulumi.dev.yaml").write_text("config: {}\n")
    monkeypatch.setenv("TUNESTACK_TAGS", "team=nlp, cost=42")
    assert read_settings("dev").tags == {"team": "nlp", "cost": "42"}


def test_a_missing_stack_is_answered_with_the_command_that_makes_it() -> None:
    with pytest.raises(PrerequisiteError) as error:
        read_settings("dev")
    assert error.value.hint == "tunestack init --stack dev"


def test_all_findings_come_at_once(stacks: Path) -> None:
    (stacks / "Pulumi.dev.yaml").write_text(
        "config:\n  tunestack:maxNodes: 0\n  tunestack:location: East US\n  tunestack:colour: red\n"
    )
    with pytest.raises(SettingsError) as error:
        read_settings("dev")
    lines = str(error.value).splitlines()
    assert {line.partition(":")[0] for line in lines} == {"maxNodes", "location", "colour"}


@pytest.mark.parametrize("text", ["config: [", "- a\n", "config: text\n", "\x80"])
def test_a_broken_file_is_named(stacks: Path, text: str) -> None:
    (stacks / "Pulumi.dev.yaml").write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match=r"Pulumi\.dev\.yaml"):
        read_settings("dev")


def test_a_secret_setting_is_refused_with_what_to_do(stacks: Path) -> None:
    (stacks / "Pulumi.dev.yaml").write_text("config:\n  tunestack:location:\n    secure: AAA\n")
    with pytest.raises(SettingsError, match="is a secret") as error:
        read_settings("dev")
    assert "--plaintext" in error.value.hint


def test_a_stacks_name_cannot_leave_the_folder() -> None:
    with pytest.raises(SettingsError):
        read_settings("../../etc/passwd")


def test_pulumi_yaml_declares_every_setting_with_type_words_and_default() -> None:
    project = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())
    words = {
        "str": "string",
        "int": "integer",
        "bool": "boolean",
        "dict": "array",
        "tuple": "array",
    }
    expected = {}
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        expected[config_key(name)] = {
            "type": words[type(default).__name__],
            "description": field.description,
            "default": [] if default in ({}, ()) else default,
            **({"items": {"type": "string"}} if default in ({}, ()) else {}),
        }
    assert project["config"] == expected
    assert (project["name"], project["main"]) == ("tunestack", "infra/")


@pytest.mark.parametrize("stack", ["local", "dev"])
def test_the_stacks_that_come_along_are_valid(stack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TUNESTACK_STACKS")
    assert as_config(read_settings(stack))["tunestack:location"] == "eastus2"
