"""The shapes of the models that the recipes name, so that an estimate needs no network.

The Phi models' sizes are those of their public pages; the hub was out of reach when they were
written down, so the pinned revisions' own config.json was not read (it wins where it can be had).
SmolLM2's are the packaged GGUF header's. Tests build each in transformers and count the parameters.
"""

from typing import Any

_PHI3 = {
    "model_type": "phi3",
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "vocab_size": 32064,
    "tie_word_embeddings": False,
}

KNOWN: dict[str, dict[str, Any]] = {
    # 3,821,079,552 parameters
    "microsoft/Phi-3-mini-4k-instruct": _PHI3,
    "microsoft/Phi-3.5-mini-instruct": _PHI3,
    # 3,836,021,760 parameters
    "microsoft/Phi-4-mini-instruct": {
        **_PHI3,
        "num_attention_heads": 24,
        "num_key_value_heads": 8,
        "vocab_size": 200064,
        "tie_word_embeddings": True,
    },
    # 134,515,008 parameters
    "HuggingFaceTB/SmolLM2-135M-Instruct": {
        "model_type": "llama",
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "vocab_size": 49152,
        "tie_word_embeddings": True,
    },
}
"""By hub id: the fields of config.json that sizes follow from."""
