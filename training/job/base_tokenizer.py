"""The base model's own tokenizer: from a GGUF file, a folder, the hub, or the training texts.

Needs no torch: the preview on a laptop loads it here as the job does on its node.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from failure import JobError
from random_tokenizer import random_tokenizer
from recipe_file import Recipe
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

ROLES = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
"""Special tokens: transformers' names, and those of GGUF."""


def load_tokenizer(
    base: Recipe, folder: Path | None, texts: Iterable[str]
) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a recipe's base model.

    `folder` holds the base model's files, where the job gets them; `texts` are what a random
    model's tokenizer is made from.

    Raises:
        JobError: it cannot be had; says why.
    """
    if base.source == "random":
        return random_tokenizer(texts)
    if base.file and folder is not None:
        return gguf_tokenizer(find(folder, base.file))
    if folder is None and base.source != "hub":
        raise JobError(f"the base model {base.id} did not reach the job: --base-model is missing")
    return _by_transformers(base, folder)


def _by_transformers(base: Recipe, folder: Path | None) -> PreTrainedTokenizerBase:
    """Load it from a folder, or from the hub: its own files only, which are kept for next time."""
    from transformers import AutoTokenizer  # takes torch along where torch is installed

    if folder is not None:
        found = find(folder, "config.json").parent
        return AutoTokenizer.from_pretrained(found, trust_remote_code=False)
    try:
        return AutoTokenizer.from_pretrained(
            base.id, revision=base.revision, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:400]
        raise JobError(f"{base.id} at {base.revision} cannot be loaded: {reason}") from error


def find(folder: Path, name: str) -> Path:
    """Find a file in a mounted model, whose files lie at the top or one folder down."""
    for pattern in (name, f"*/{name}", f"**/{name}"):
        if found := sorted(folder.glob(pattern)):
            return found[0]
    raise JobError(f"the base model is not there: no {name} in {folder}")


def gguf_tokenizer(file: Path) -> PreTrainedTokenizerBase:
    """Read the tokenizer out of a GGUF file.

    transformers reads the file with torch and builds the tokenizer without it; here gguf reads
    it, and transformers' own builder makes the same tokenizer of it (a test compares both).
    """
    import gguf
    from transformers.integrations.gguf.gguf_tokenizer_mapping import (
        GGUF_TOKENIZER_MAPPING,
        convert_gguf_tokenizer,
    )

    fields = gguf.GGUFReader(str(file)).fields
    found = {
        name: {
            ours: fields[f"tokenizer.{key}"].contents()
            for key, ours in names.items()
            if f"tokenizer.{key}" in fields
        }
        for name, names in GGUF_TOKENIZER_MAPPING.items()
    }
    parts, settings = found["tokenizer"], found["tokenizer_config"]
    backend, more = convert_gguf_tokenizer(fields["general.architecture"].contents(), parts)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, **settings, **more, **_special_tokens(fields, parts)
    )


def _special_tokens(fields: Any, parts: dict[str, Any]) -> dict[str, str]:
    keys = {f"{ours}_token": f"tokenizer.ggml.{theirs}_token_id" for ours, theirs in ROLES.items()}
    return {
        name: parts["tokens"][fields[key].contents()] for name, key in keys.items() if key in fields
    }
