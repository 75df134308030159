"""Recipes as files: find one by name or path, apply `--set`, check it whole.

What a recipe may say is `core.recipe`; this module reads YAML and lists every finding at once.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from core.documents import mapping_of, nearest, read_text
from core.environments import Device
from core.errors import SettingsError
from core.managed_recipe import OF_ROUTE, AnyManaged, OpenAIRecipe, ServerlessRecipe
from core.recipe import Recipe
from core.settings import findings

FOLDER = Path(__file__).resolve().parent
Checked = TypeVar("Checked", bound=BaseModel)


def recipe_names(route: str = "") -> list[str]:
    """List the recipes that come with the program, or those of one route."""
    names = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    return [name for name in names if not route or route_of(name) == route]


def load_recipe(name_or_path: str, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe for a cluster of one's own; see `load_any_recipe`.

    Raises:
        SettingsError: as there, and a recipe of a managed route.
    """
    recipe = load_any_recipe(name_or_path, overrides)
    if not isinstance(recipe, Recipe):
        raise SettingsError(
            f"{recipe.name} is a recipe of the route {recipe.route}: Azure tunes, and nothing runs"
            " on a cluster of yours.",
            hint="It is for train, data check, doctor and recipe.",
        )
    return recipe


def load_any_recipe(name_or_path: str, overrides: Iterable[str] = ()) -> Recipe | AnyManaged:
    """Read a recipe of any route, apply overrides such as `training.epochs=2`, check the result.

    A text with a slash or a .yaml ending is a path; anything else names a recipe of ours.

    Raises:
        SettingsError: no such recipe, no YAML, or findings, each as `path: reason`.
    """
    path = _find(name_or_path)
    reasons: list[str] = []
    document = _read(path)
    for override in overrides:
        _override(document, override, reasons)
    kind = _kind_of_recipe(document, reasons)
    recipe = _checked(document, reasons, kind) if kind else None
    if reasons or recipe is None:
        raise SettingsError("\n".join(reasons), hint=f"In {path}; nothing was sent.")
    return recipe


def route_of(name_or_path: str, overrides: Iterable[str] = ()) -> str:
    """Say which route a recipe names, be the rest of it right or wrong; else the own cluster's."""
    try:
        document = _read(_find(name_or_path))
    except SettingsError:
        return "azureml"
    for override in overrides:
        _override(document, override, [])
    return str(document.get("route", "azureml"))


def changed_recipe(recipe: Recipe, overrides: Iterable[str]) -> Recipe:
    """Apply overrides to a recipe that was read before, such as an earlier job's.

    Raises:
        SettingsError: findings, each as `path: reason`.
    """
    document = recipe.model_dump(mode="json")
    reasons: list[str] = []
    for override in overrides:
        _override(document, override, reasons)
    changed = _checked(document, reasons, Recipe)
    if reasons or changed is None:
        raise SettingsError("\n".join(reasons), hint="Nothing was sent.")
    return changed


def fits_device(recipe: Recipe, device: Device) -> list[str]:
    """Say why a recipe does not suit the kind of node; empty where it does.

    Four bits on a CPU do work, for rehearsing QLoRA with a small model. They are no way to train
    a large one: every product first multiplies the weights out, each time anew.
    """
    if device == "cpu" and recipe.method == "qlora" and recipe.base.source == "hub":
        return [
            "method: qlora spares a GPU's memory; on a CPU it only costs time: take a cluster with"
            " GPUs, or --set method=lora"
        ]
    return []


def _find(name_or_path: str) -> Path:
    if "/" in name_or_path or name_or_path.endswith((".yaml", ".yml")):
        path = Path(name_or_path).expanduser()
        if not path.is_file():
            raise SettingsError(f"There is no recipe file {path}.")
        return path
    if name_or_path not in recipe_names():
        raise SettingsError(
            f"There is no recipe {name_or_path!r}.{nearest(name_or_path, recipe_names())}",
            hint=f"Recipes: {', '.join(recipe_names())}; or give a path to your own .yaml.",
        )
    return FOLDER / f"{name_or_path}.yaml"


def _read(path: Path) -> dict[str, Any]:
    return mapping_of(read_text(path), str(path), "a recipe")


def _override(document: dict[str, Any], text: str, reasons: list[str]) -> None:
    """Put one `path=value` into the document; the value is read as YAML."""
    path, equals, value = text.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        reasons.append(f"--set {text}: not `path=value`; for example training.epochs=2")
        return
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        reasons.append(f"--set {text}: the value is not YAML")
        return
    place = document
    for key in keys[:-1]:
        inner = place.setdefault(key, {})
        if not isinstance(inner, dict):
            reasons.append(f"--set {text}: {key} has no parts")
            return
        place = inner
    place[keys[-1]] = parsed


def _kind_of_recipe(
    document: Mapping[str, Any], reasons: list[str]
) -> type[Recipe] | type[ServerlessRecipe] | type[OpenAIRecipe] | None:
    """Give the model of a document's route; None where there is no such route."""
    route = document.get("route", "azureml")
    found = OF_ROUTE.get(route) if isinstance(route, str) else None
    if found is None:
        reasons.append(f"route: {route!r} is none of {', '.join(OF_ROUTE)}")
    return found


def _checked(
    document: Mapping[str, Any], reasons: list[str], kind: type[Checked]
) -> Checked | None:
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        lines = findings(error).splitlines()
        meant = [_suggestion(item["type"], item["loc"], kind) for item in error.errors()]
        if len(meant) == len(lines):
            lines = [line + suggestion for line, suggestion in zip(lines, meant, strict=True)]
        reasons.extend(lines)
        return None


def _suggestion(error: str, path: tuple[int | str, ...], kind: type[BaseModel]) -> str:
    """Say which key was probably meant, where the finding is an unknown key."""
    if error != "extra_forbidden":
        return ""
    part: type[BaseModel] = kind
    for key in path[:-1]:
        inner = part.model_fields[str(key)].annotation if key in part.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return ""
        part = inner
    return nearest(str(path[-1]), part.model_fields)
