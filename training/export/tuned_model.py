"""The tuned model that an export starts from, and what is written of the export beside it.

Refused are files that are not the manifest's, and a chat template other than the one of training:
what is made of them would answer wrongly without a sign.
"""

import hashlib
import json
import resource
import shutil
import time
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from template_fingerprint import SPECIAL_TOKENS, template_fingerprint

MANIFEST = "tunestack.json"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)
KEPT = (
    "fingerprint",
    "system_message",
    "recipe",
    "method",
    "base",
    "base_revision",
    "base_sha256",
    "data_sha256",
    "seed",
    "parameters",
    "dtype",
    "settings",
)
"""What is as true of an export as of its model. Losses are not: nobody has measured it."""


class ExportError(Exception):
    """The export cannot be made; the message is the reason, in the user's words."""


@dataclass(frozen=True)
class TunedModel:
    """A model that a training job has saved."""

    name: str
    """`name:version` in the registry."""
    folder: Path
    manifest: dict[str, Any]
    sha256: str
    """Of the manifest, which has the hashes of all other files."""


def read_tuned(name: str, root: Path) -> TunedModel:
    """Find a tuned model at or below `root` and hold files and template to its manifest.

    Raises:
        ExportError: there is none, or it is not what its manifest says.
    """
    found = sorted(root.rglob(MANIFEST))
    if len(found) != 1:
        raise ExportError(f"the model {name} has {len(found)} files {MANIFEST} where one is wanted")
    manifest = read_manifest(found[0])
    folder = found[0].parent
    check_files(folder, manifest)
    check_template(folder, manifest)
    return TunedModel(name, folder, manifest, file_sha256(found[0]))


def read_manifest(file: Path) -> dict[str, Any]:
    """Read a manifest."""
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ExportError(f"{MANIFEST} is no JSON: {error}") from error
    if not isinstance(manifest, dict):
        raise ExportError(f"{MANIFEST} holds no JSON object")
    return manifest


def check_files(folder: Path, manifest: dict[str, Any]) -> None:
    """Refuse a model of which a file is missing or is not the one that training wrote."""
    hashes: dict[str, str] = manifest.get("files_sha256") or {}
    if not hashes:
        raise ExportError(f"{MANIFEST} has no hashes of the model's files")
    for name, expected in hashes.items():
        if not (folder / name).is_file():
            raise ExportError(f"{name} is not among the model's files")
        if file_sha256(folder / name) != expected:
            raise ExportError(f"{name} is not the file that training wrote: its SHA-256 differs")


def check_template(folder: Path, manifest: dict[str, Any]) -> None:
    """Refuse a folder whose chat template is not the one that the model was trained with."""
    found, expected = fingerprint(folder), manifest.get("fingerprint")
    if found != expected:
        raise ExportError(
            f"the chat template or its special tokens differ from those in training: {MANIFEST}"
            f" says {expected}, the files of {folder.name} give {found}"
        )


def fingerprint(folder: Path) -> str:
    """Compute the fingerprint of the template in a folder, as the endpoint will see it."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if not isinstance(tokenizer.chat_template, str) or not tokenizer.chat_template:
        raise ExportError("the model's tokenizer has no chat template")
    tokens = {name: getattr(tokenizer, name, None) for name in SPECIAL_TOKENS}
    return template_fingerprint(tokenizer.chat_template, tokens)


def copy_tokenizer(source: Path, target: Path) -> None:
    """Put the tokenizer's files beside the export, byte by byte as training wrote them."""
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def write_manifest(
    folder: Path, tuned: TunedModel, kind: str, began: float, more: dict[str, Any]
) -> None:
    """Write what the export is and came from.

    `more` comes over what the tuned model's manifest says, None takes it away; `began` is when
    the program started, by `time.monotonic`.
    """
    kept = {name: tuned.manifest[name] for name in KEPT if name in tuned.manifest}
    made = {
        "kind": kind,
        "exported_from": tuned.name,
        "source_sha256": tuned.sha256,
        "seconds": round(time.monotonic() - began, 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "packages": {one.name: one.version for one in sorted(distributions(), key=_name)},
    }
    told = {name: value for name, value in (kept | more).items() if value is not None}
    manifest = {**told, "export": made, "files_sha256": hashes(folder)}
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def _name(one: Distribution) -> str:
    return str(one.name).lower()


def hashes(folder: Path) -> dict[str, str]:
    """Hash every file of a folder but its manifest, by its path in it."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): file_sha256(path)
        for path in files
        if path.name != MANIFEST
    }


def file_sha256(path: Path) -> str:
    """Hash a file without reading it whole into memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
