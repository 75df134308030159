"""Tokens on disk: written once for a file, a tokenizer, a template and this code, then mapped.

An entry is two files: KEY.arrow, and KEY.json, which is written last and says how long the first
one is. Without it, or with another length, there is no entry: a write that was killed, or whose
end a mounted store lost, is done again. `training.max_length` and packing are no part of the key:
nothing is cut here, so the same tokens serve every length, which is checked on reading.
"""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

HERE = Path(__file__).parent
CODE = ("conversations.py", "rendering.py", "token_cache.py", "dataset.py")
"""What decides about tokens; a change of it makes new entries."""
PACKAGES = ("transformers", "tokenizers", "jinja2")


def key_of(data_sha256: str, tokenizer: PreTrainedTokenizerBase, template: str) -> str:
    """Hash everything that the tokens depend on."""
    backend = tokenizer.backend_tokenizer
    backend.no_padding()  # a state, not a property: set by whoever tokenised last
    backend.no_truncation()
    parts = {
        "data": data_sha256,
        "tokenizer": hashlib.sha256(backend.to_str().encode()).hexdigest(),
        "special": {name: str(token) for name, token in tokenizer.special_tokens_map.items()},
        "template": template,
        "code": [hashlib.sha256((HERE / name).read_bytes()).hexdigest() for name in CODE],
        "packages": [importlib.metadata.version(name) for name in PACKAGES],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


class Entry:
    """One key's place in a folder of entries."""

    def __init__(self, folder: Path, key: str, suffix: str = ".arrow") -> None:
        self.file = folder / f"{key}{suffix}"
        self._facts = folder / f"{key}.json"

    def facts(self) -> dict[str, Any] | None:
        """Give what was noted with a whole entry; None where there is none."""
        try:
            facts: dict[str, Any] = json.loads(self._facts.read_text(encoding="utf-8"))
            return facts if self.file.stat().st_size == facts["bytes"] else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @contextlib.contextmanager
    def written(self, facts: dict[str, Any]) -> Iterator[Path]:
        """Write the entry through the path that this gives, and note `facts` at the end."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        part = self.file.with_name(f"{self.file.name}.{os.getpid()}.part")
        try:
            yield part
            _to_disk(part)
            size = part.stat().st_size
            part.replace(self.file)
            note = self._facts.with_name(f"{self._facts.name}.{os.getpid()}.part")
            note.write_text(json.dumps(facts | {"bytes": size}), encoding="utf-8")
            _to_disk(note)
            note.replace(self._facts)
        finally:
            part.unlink(missing_ok=True)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Let one process of this machine at a time look for the entry and make it.

        The lock lies on the machine's own disk: a mounted store may know none. Processes of
        several machines may write at once; they write the same, and the last one's stays.
        """
        with (Path(tempfile.gettempdir()) / f"tunestack-{self.file.stem}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
