"""Put finished files in place, all or none, and never over somebody's changes."""

import filecmp
from collections.abc import Mapping
from pathlib import Path

from core.errors import SettingsError


def publish(made: Mapping[Path, Path], *, force: bool, otherwise: str) -> None:
    """Move each finished file (key) to its place (value), in the same file system.

    Raises:
        SettingsError: a file there differs and `force` is not given; the hint says `otherwise`.
    """
    changed = [
        str(place)
        for new, place in made.items()
        if place.exists() and not filecmp.cmp(new, place, shallow=False)
    ]
    if changed and not force:
        named = " and ".join(changed)
        differ = "differ" if len(changed) > 1 else "differs"
        raise SettingsError(
            f"{named} would be overwritten and {differ} from what would be written.",
            hint=f"Add --force, or {otherwise}.",
        )
    for new, place in made.items():
        new.replace(place)
