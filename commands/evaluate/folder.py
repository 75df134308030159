"""Where an evaluation is written on this machine: its JSON for machines, its page for people."""

import re
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from core.errors import SettingsError
from core.home import home
from evaluation.results import FORMAT, Evaluation

NUMBERS, PAGE = "evaluation.json", "index.html"


def default_folder(evaluation: Evaluation) -> Path:
    """Name a folder for it: by stack, the last side's model and the moment."""
    last = evaluation.sides[-1]
    model = re.sub(r"[^\w.-]+", "-", last.model or last.name).strip("-")
    moment = datetime.fromisoformat(evaluation.made).astimezone(UTC)
    name = f"{model}-{moment:%Y%m%dT%H%M%SZ}"
    return home() / "evaluations" / (evaluation.stack or "files") / name


def write(folder: Path, evaluation: Evaluation, page: str) -> None:
    """Write both files.

    Raises:
        SettingsError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / NUMBERS).write_text(evaluation.model_dump_json(indent=1), encoding="utf-8")
        (folder / PAGE).write_text(page, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"--out: {folder} cannot be written to: {error}") from error


def read(place: Path) -> Evaluation:
    """Read an evaluation from its folder, or from its file.

    Raises:
        SettingsError: there is none, or another version of this program wrote it.
    """
    file = place / NUMBERS if place.is_dir() else place
    try:
        return Evaluation.model_validate_json(file.read_bytes())
    except OSError as error:
        raise SettingsError(
            f"--from: {file} cannot be read: {error}",
            hint="It is the folder that an earlier evaluation named at its end.",
        ) from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise SettingsError(
            f"--from: {file} is no evaluation of format {FORMAT}: {where}: {first['msg']}"
        ) from error
