"""A model's shapes, from its config.json, a GGUF file's header or a recipe's own sizes.

Known are the families whose layers are alike: Llama, Mistral, Phi-3, Qwen 2 and 3. Models
with experts or with layers of several kinds are left out: a wrong figure would be worse than none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import UserError
from core.recipe import BaseModelSource, Lora
from training.estimate.known_shapes import KNOWN

FUSED = frozenset({"phi3"})
"""Families whose query, key and value are one matrix, and gate and up another."""
FAMILIES = frozenset({"llama", "mistral", "phi3", "qwen2", "qwen3"})


class ShapeUnknown(UserError):
    """Nobody here knows how large a base model is."""


@dataclass(frozen=True)
class Shape:
    """What a model's memory and speed follow from."""

    family: str
    """`model_type` of config.json."""
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    is_tied: bool
    """True where the output layer is the embedding."""
    source: str = ""

    @property
    def modules(self) -> dict[str, tuple[int, int]]:
        """The linear modules of a layer, by name: inputs and outputs."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        hidden, inner = self.hidden, self.intermediate
        ends = {"o_proj": (queries, hidden), "down_proj": (inner, hidden)}
        if self.family in FUSED:
            return {
                "qkv_proj": (hidden, queries + 2 * keys),
                "gate_up_proj": (hidden, 2 * inner),
                **ends,
            }
        inputs = {"q_proj": queries, "k_proj": keys, "v_proj": keys}
        inputs |= {"gate_proj": inner, "up_proj": inner}
        return {**{name: (hidden, size) for name, size in inputs.items()}, **ends}

    @property
    def layer_matrices(self) -> int:
        """Weights of a layer's matrices."""
        return sum(inputs * outputs for inputs, outputs in self.modules.values())

    @property
    def layer_parameters(self) -> int:
        """Weights of a layer, norms and biases included."""
        extra = 2 * self.hidden
        if self.family == "qwen2":
            extra += (self.heads + 2 * self.kv_heads) * self.head_dim
        if self.family == "qwen3":
            extra += 2 * self.head_dim
        return self.layer_matrices + extra

    @property
    def embedding(self) -> int:
        """Weights of the embedding; the output layer has as many, or shares them."""
        return self.vocab * self.hidden

    @property
    def parameters(self) -> int:
        """Weights of the model, each counted once."""
        tables = 1 if self.is_tied else 2
        return tables * self.embedding + self.layers * self.layer_parameters + self.hidden

    def adapted(self, lora: Lora) -> dict[str, tuple[int, int]]:
        """Give the modules of a layer that adapters are put beside."""
        if lora.target_modules == "all-linear":
            return self.modules
        return {name: size for name, size in self.modules.items() if name in lora.target_modules}

    def adapters(self, lora: Lora) -> int:
        """Count the weights of one layer's adapters."""
        return lora.rank * sum(sum(size) for size in self.adapted(lora).values())


def shape_of(base: BaseModelSource, *, asks: bool = True) -> Shape:
    """Find a base model's shapes; `asks` allows a question to the hub.

    Raises:
        ShapeUnknown: it is in no table here, and neither file nor hub says it.
    """
    if base.source == "random":
        return from_config({"model_type": "phi3", **base.architecture}, "the recipe")
    if base.id in KNOWN:
        return from_config(KNOWN[base.id], "this program's table")
    if base.source == "package":
        from training.estimate.gguf_header import gguf_shape

        return gguf_shape(base)
    from training.estimate.hub_config import hub_config

    return from_config(hub_config(base, asks=asks), f"config.json of {base.id}")


RANDOM = {
    "vocab_size": 4096,
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
}
"""What a random model is where its recipe says nothing: at most 4096 tokens (random_model.py), and
Phi3Config's own defaults."""


def from_config(config: Mapping[str, Any], source: str) -> Shape:
    """Take the shapes from a config.json.

    Raises:
        ShapeUnknown: of another family, or not the file it should be.
    """
    family = str(config.get("model_type", ""))
    if family not in FAMILIES:
        raise ShapeUnknown(
            f"{source}: nothing here counts models of the kind {family or 'without a name'!r}.",
            hint=f"Known: {', '.join(sorted(FAMILIES))}.",
        )
    found = {**RANDOM, **config} if source == "the recipe" else config
    try:
        heads, hidden = int(found["num_attention_heads"]), int(found["hidden_size"])
        return Shape(
            family=family,
            layers=int(found["num_hidden_layers"]),
            hidden=hidden,
            intermediate=int(found["intermediate_size"]),
            heads=heads,
            kv_heads=int(found.get("num_key_value_heads") or heads),
            head_dim=int(found.get("head_dim") or hidden // heads),
            vocab=int(found["vocab_size"]),
            is_tied=bool(found.get("tie_word_embeddings", False)),
            source=source,
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise ShapeUnknown(f"{source}: sizes are missing or no numbers: {error}.") from error
