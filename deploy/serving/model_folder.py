"""The model's folder: where it is, what its manifest says, whether its template is the trained one.

The training job writes the manifest, `tunestack.json`, beside the weights; it carries the
fingerprint of chat template and special tokens. A model whose files say otherwise is refused.
"""

import json
from pathlib import Path
from typing import Any

from template_fingerprint import SPECIAL_TOKENS, template_fingerprint

MANIFEST = "tunestack.json"


class UnusableModel(Exception):
    """The model must not serve; the container never gets ready."""


def find_model(root: Path) -> Path:
    """Find the one folder at or below `root` that holds a manifest.

    Raises:
        UnusableModel: there is none, or more than one.
    """
    found = sorted(path.parent for path in root.rglob(MANIFEST))
    if len(found) != 1:
        names = ", ".join(str(path) for path in found) or "none"
        raise UnusableModel(f"Expected one folder with {MANIFEST} below {root}; found: {names}.")
    return found[0]


def check_fingerprint(tokenizer: Any, manifest: dict[str, Any]) -> None:
    """Compare the tokenizer's template and special tokens with what the model was trained with.

    Raises:
        UnusableModel: they differ, or there is no template.
    """
    template = tokenizer.chat_template
    if not isinstance(template, str) or not template:
        raise UnusableModel("The model's tokenizer has no chat template.")
    special = {name: getattr(tokenizer, name, None) for name in SPECIAL_TOKENS}
    found = template_fingerprint(template, special)
    expected = manifest.get("fingerprint")
    if found != expected:
        raise UnusableModel(
            f"The chat template or its special tokens differ from those in training: {MANIFEST}"
            f" says {expected}, the files give {found}. Answers would be wrong without a sign."
        )


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest.

    Raises:
        UnusableModel: it is no JSON object.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnusableModel(f"{folder / MANIFEST} cannot be read: {error}") from error
    if not isinstance(manifest, dict):
        raise UnusableModel(f"{folder / MANIFEST} holds no JSON object.")
    return manifest


def model_name(manifest: dict[str, Any]) -> str:
    """Give the name that answers carry: what the recipe registers its models as."""
    recipe = manifest.get("recipe")
    named = recipe.get("model_name") or recipe.get("name") if isinstance(recipe, dict) else recipe
    return str(named or "tunestack")
