"""Low-rank adapters: which modules of a model get them."""

import torch
from peft import LoraConfig
from recipe_file import Recipe
from transformers import PreTrainedModel


def lora_config(recipe: Recipe, model: PreTrainedModel) -> LoraConfig:
    """Say which linear modules get adapters, and of what rank."""
    lora = recipe.lora
    modules = lora.target_modules
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=_linear_names(model) if modules == "all-linear" else modules,
        layers_to_transform=_last_layers(model, lora.layers),
        task_type="CAUSAL_LM",
    )


def _linear_names(model: PreTrainedModel) -> list[str]:
    """Name the linear modules of the layers; the head stays as it is, TRL reads its weights."""
    names = {
        name.rpartition(".")[2]
        for name, module in model.base_model.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    return sorted(names)


def _last_layers(model: PreTrainedModel, count: int) -> list[int] | None:
    total = model.config.num_hidden_layers
    return list(range(total - count, total)) if 0 < count < total else None
