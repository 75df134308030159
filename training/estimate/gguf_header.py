"""The shapes of a packaged model, from its GGUF file's header; reading one takes seconds."""

import importlib.util
from pathlib import Path
from typing import Any

from core.recipe import BaseModelSource
from training.estimate.shapes import Shape, ShapeUnknown, from_config

KEYS = {
    "hidden_size": "embedding_length",
    "intermediate_size": "feed_forward_length",
    "num_hidden_layers": "block_count",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "head_dim": "attention.key_length",
}


def gguf_shape(base: BaseModelSource) -> Shape:
    """Read the shapes of the file that an installed package carries.

    Raises:
        ShapeUnknown: the package or the reader is not installed, or the file is no such file.
    """
    found = importlib.util.find_spec(base.package)
    if found is None or not found.origin:
        raise ShapeUnknown(f"The package {base.package} is not installed.")
    if importlib.util.find_spec("gguf") is None:
        raise ShapeUnknown(
            f"{base.id}: reading a GGUF file takes the package gguf.",
            hint="pip install 'tunestack[rehearsal]'",
        )
    return _read(Path(found.origin).parent / base.file)


def _read(file: Path) -> Shape:
    from gguf import GGUFReader

    try:
        reader = GGUFReader(file)
    except (OSError, ValueError) as error:
        raise ShapeUnknown(f"{file.name}: {error}") from error
    family = str(_field(reader, "general.architecture"))
    config = {name: _field(reader, f"{family}.{key}") for name, key in KEYS.items()}
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    if "token_embd.weight" not in tensors:
        raise ShapeUnknown(f"{file.name} holds no embedding.")
    config["vocab_size"] = int(max(tensors["token_embd.weight"].shape))
    config["tie_word_embeddings"] = "output.weight" not in tensors
    return from_config({**config, "model_type": family}, file.name)


def _field(reader: Any, name: str) -> Any:
    field = reader.fields.get(name)
    return field.contents() if field is not None else None
