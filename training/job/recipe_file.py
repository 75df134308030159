"""The recipe as the job gets it: JSON that the command line has checked against its model."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from failure import JobError


class Recipe(SimpleNamespace):
    """A part of a recipe: its fields as attributes, under the names of core/recipe.py."""

    def as_dict(self) -> dict[str, Any]:
        """Give this part back as it was in the file."""
        return {k: v.as_dict() if isinstance(v, Recipe) else v for k, v in vars(self).items()}


def read_recipe(path: Path) -> Recipe:
    """Read a recipe that the command line has written."""
    try:
        recipe = json.loads(path.read_text(encoding="utf-8"), object_hook=_part)
    except (OSError, ValueError) as error:
        raise JobError(f"the recipe {path} cannot be read: {error}") from error
    if not isinstance(recipe, Recipe):
        raise JobError(f"the recipe {path} is not a JSON object")
    return recipe


def _part(fields: dict[str, Any]) -> Recipe:
    return Recipe(**fields)


def check_world_size(recipe: Recipe) -> None:
    """Refuse to train in another number of processes than the recipe says.

    Launchers have been seen to start one process where several were asked for, without a word;
    the batch and so the result would differ from what the recipe promises.
    """
    asked = recipe.training.processes * recipe.training.nodes
    running = int(os.environ.get("WORLD_SIZE", "1"))
    if running != asked:
        raise JobError(
            f"the recipe asks for {asked} processes ({recipe.training.processes} on each of"
            f" {recipe.training.nodes} nodes), WORLD_SIZE is {running}"
        )


def is_first_process() -> bool:
    """Tell whether this process is the one that writes, saves and answers samples."""
    return int(os.environ.get("RANK", "0")) == 0
