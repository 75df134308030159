"""A stack's settings in Pulumi.<stack>.yaml: read, overridden and written, in one place.

Flag > environment (`TUNESTACK_VM_SIZE` and so on) > the stack's config > default.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from core.errors import PrerequisiteError, SettingsError
from core.features import Features
from core.home import PROJECT
from core.settings import NAMESPACE, Settings, config_key, environment_name, parse_settings
from infra.names import stack_name
from infra.pulumi_cli.backend import own_secrets_provider


def stack_file(stack: str) -> Path:
    """Say where the stack's config is; `TUNESTACK_STACKS` names another folder."""
    folder = Path(os.environ.get("TUNESTACK_STACKS") or PROJECT)
    return folder / f"Pulumi.{stack_name(stack)}.yaml"


def read_settings(stack: str, flags: Mapping[str, Any] | None = None) -> Settings:
    """Read the stack's settings; `flags` are by config key, and those that are None say nothing.

    Raises:
        PrerequisiteError: there is no such stack; names the command that makes it.
        SettingsError: lists every finding.
    """
    file = stack_file(stack)
    if not file.is_file():
        raise PrerequisiteError(
            f"There is no stack {stack}: {file.name} is missing.",
            hint=f"tunestack init --stack {stack}",
        )
    chosen = {name: value for name, value in (flags or {}).items() if value is not None}
    return parse_settings({**_own_config(file), **environment_overrides(), **chosen})


def write_settings(stack: str, settings: Settings) -> Path:
    """Write what differs from the defaults; keep what else is in the file (Pulumi's own keys)."""
    file = stack_file(stack)
    document = _document(file) if file.is_file() else {}
    kept = {
        key: value
        for key, value in (document.get("config") or {}).items()
        if not key.startswith(f"{NAMESPACE}:")
    }
    _choose_encryption(document, settings, file.name)
    document["config"] = {**kept, **as_config(settings)} or None
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return file


def _choose_encryption(document: dict[str, Any], settings: Settings, name: str) -> None:
    """Write Pulumi's own key for a stack that is yet to be made.

    Raises:
        SettingsError: the state is encrypted already, and by something else.
    """
    wanted = own_secrets_provider(settings)
    has = str(document.get("secretsprovider") or "")
    is_made = bool(document.get("encryptionsalt") or document.get("encryptedkey"))
    if is_made and settings.secrets_provider and wanted != has:
        raise SettingsError(
            f"secretsProvider: {name} says that the state is encrypted by {has or 'a passphrase'}.",
            hint=f"pulumi stack change-secrets-provider {settings.secrets_provider!r}",
        )
    if not is_made:
        document.pop("secretsprovider", None)
        document.update({"secretsprovider": wanted} if wanted else {})


def as_config(settings: Settings) -> dict[str, Any]:
    """Write settings as config keys with their namespace: the location, and what is not default."""
    chosen = settings.model_dump(exclude_defaults=True) | {"location": settings.location}
    chosen = {name: _as_yaml(value) for name, value in chosen.items()}
    if settings.tags:
        chosen["tags"] = [f"{name}={value}" for name, value in settings.tags.items()]
    return {
        f"{NAMESPACE}:{config_key(name)}": chosen[name]
        for name in sorted(Settings.model_fields, key=Features.model_fields.__contains__)
        if name in chosen
    }


def _as_yaml(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def environment_overrides() -> dict[str, str]:
    """Give the settings that the environment names, by config key."""
    named = {config_key(name): environment_name(name) for name in Settings.model_fields}
    return {key: os.environ[name] for key, name in named.items() if os.environ.get(name)}


def _own_config(file: Path) -> dict[str, Any]:
    config = _document(file).get("config") or {}
    if not isinstance(config, dict):
        raise SettingsError(f"{file.name}: `config` is no mapping.")
    prefix = f"{NAMESPACE}:"
    return {
        key.removeprefix(prefix): _plain(key, value)
        for key, value in config.items()
        if str(key).startswith(prefix)
    }


def _plain(key: str, value: Any) -> Any:
    if isinstance(value, dict) and "secure" in value:
        raise SettingsError(
            f"{key}: is a secret, and no setting is one.",
            hint=f"pulumi config set --plaintext {key} VALUE",
        )
    return value


def _document(file: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file.name} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise SettingsError(f"{file.name} is no mapping.")
    return document
