"""The flow as files: the template's, with the endpoint's address in them, and never a key."""

import json
from datetime import date
from pathlib import Path

from core.errors import SettingsError
from core.lifecycle import Kind, retirement
from core.refs import EndpointRef

TEMPLATE = Path(__file__).resolve().parent / "template"
REQUIREMENTS = Path(__file__).resolve().parent / "requirements.txt"
FLOW_FILE = "flow.dag.yaml"
DEVELOPMENT_ENDED = date(2026, 4, 20)
"""learn.microsoft.com, migrate-prompt-flow-to-agent-framework."""
OPENED_BY = {
    "key": "or let the Azure CLI fetch it: `az ml online-endpoint get-credentials`.",
    "entra": (
        "this endpoint takes Microsoft Entra tokens, so leave the variable unset after `az login`."
    ),
}


def notice() -> str:
    """Say what becomes of prompt flow."""
    end = retirement(Kind.PACKAGE, "promptflow")
    assert end is not None
    return (
        f"Prompt flow's development ended on {_written(DEVELOPMENT_ENDED)}; it is retired on"
        f" {_written(end.on)}. Its successor is {end.successor}."
    )


def export(folder: Path, endpoint: EndpointRef, *, overwrite: bool = False) -> list[Path]:
    """Write the flow into a folder and give its files; the same flow again changes nothing.

    Raises:
        SettingsError: files there differ and `overwrite` is not set, or cannot be written.
    """
    contents = _contents(endpoint)
    if not overwrite and (changed := _differing(folder, contents)):
        raise SettingsError(
            f"{folder} has files of another flow, or yours changed: {', '.join(changed)}",
            hint="Name another folder, or add --overwrite.",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (folder / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{folder} cannot be written: {error.strerror}") from error
    return [folder / name for name in contents]


def _contents(endpoint: EndpointRef) -> dict[str, str]:
    values = {
        '"<scoring url>"': json.dumps(endpoint.scoring_url),
        '"<key or entra>"': json.dumps(endpoint.auth),
        "<endpoint>": endpoint.name,
        "<notice>": notice(),
        "<how it is opened>": OPENED_BY[endpoint.auth],
    }
    contents = {}
    for file in sorted(path for path in TEMPLATE.iterdir() if path.is_file()):
        text = file.read_text(encoding="utf-8")
        for placeholder, value in values.items():
            text = text.replace(placeholder, value)
        contents[file.name] = text
    return {**contents, REQUIREMENTS.name: REQUIREMENTS.read_text(encoding="utf-8")}


def _differing(folder: Path, contents: dict[str, str]) -> list[str]:
    try:
        return [
            name
            for name, content in contents.items()
            if (folder / name).exists() and (folder / name).read_bytes() != content.encode()
        ]
    except OSError as error:
        raise SettingsError(f"{folder} cannot be read: {error.strerror}") from error


def _written(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
