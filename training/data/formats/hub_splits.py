"""Which Parquet files of a hub data set make which split: by its card, else by their names."""

import fnmatch
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from core.errors import SettingsError

DEFAULT = "default"
_SHARD = re.compile(r"[-_.]?\d{4,5}(-of-\d{4,5})?(-[0-9a-f]{16})?$")
_FOLDERS = ("data", "")


@dataclass(frozen=True)
class Split:
    """A part of a data set, with its files in order."""

    config: str
    name: str
    files: tuple[str, ...]


def splits(files: Sequence[str], card: Any) -> list[Split]:
    """Sort a data set's Parquet files into splits; none where it has no such file."""
    tables = sorted(path for path in files if path.endswith(".parquet"))
    found: dict[tuple[str, str], list[str]] = {}
    for config, split, pattern in _named_by_card(card):
        for path in tables:
            if fnmatch.fnmatchcase(path, pattern):
                found.setdefault((config, split), []).append(path)
    if not found:
        for path in tables:
            found.setdefault(_named_by_path(path), []).append(path)
    return [Split(*names, tuple(dict.fromkeys(paths))) for names, paths in found.items()]


def _named_by_card(card: Any) -> Iterator[tuple[str, str, str]]:
    """Give config, split and path pattern of each entry under `configs:` of the card."""
    configs = card.get("configs") if isinstance(card, dict) else None
    for config in configs if isinstance(configs, list) else []:
        name = str(config.get("config_name", DEFAULT))
        entries = config.get("data_files")
        for entry in entries if isinstance(entries, list) else [entries]:
            is_named = isinstance(entry, dict)
            split = str(entry.get("split", "train")) if is_named else "train"
            paths = entry.get("path") if is_named else entry
            for path in paths if isinstance(paths, list) else [paths]:
                if isinstance(path, str):
                    yield name, split, path


def _named_by_path(path: str) -> tuple[str, str]:
    """Take `CONFIG/SPLIT/0000.parquet`, `CONFIG/SPLIT-00000-of-00003.parquet` or `data/…` apart."""
    parts = PurePosixPath(path)
    split = _SHARD.sub("", parts.stem)
    folders = list(parts.parent.parts)
    if not split and folders:
        split = folders.pop().removeprefix("partial-")
    config = "/".join(folders)
    return DEFAULT if config in _FOLDERS else config, split or "train"


def choose(
    made: Sequence[Split], config: str | None, name: str | None, source: str
) -> tuple[Split, tuple[str, ...]]:
    """Pick the split that was asked for, or the only sensible one; say what was chosen.

    Raises:
        SettingsError: there is none such, or several; lists them as they are written.
    """
    fitting = [one for one in made if config in (None, one.config) and name in (None, one.name)]
    if len(fitting) > 1:
        usual = [one for one in fitting if one.name == (name or "train")]
        if len({one.config for one in fitting}) > 1:
            usual = [one for one in usual if one.config == DEFAULT]
        fitting = usual or fitting
    if len(fitting) == 1:
        said = f"read {fitting[0].config}/{fitting[0].name}, one of {len(made)} splits"
        was_open = len(made) > 1 and (config is None or name is None)
        return fitting[0], (said,) * was_open
    asked = "/".join(part for part in (config, name) if part)
    listed = "\n".join(f"  hub:{source}:{one.config}/{one.name}" for one in made)
    raise SettingsError(
        f"{source}: {'several splits fit' if fitting else f'there is no split {asked}'}.",
        hint=f"It has these:\n{listed}",
    )
