"""Low-rank adapters: which modules of a model get them."""

import torch
from failure import JobError
from peft import LoraConfig
from recipe_file import Recipe
from transformers import PreTrainedModel


def lora_config(recipe: Recipe, model: PreTrainedModel) -> LoraConfig | None:
    """Say which linear modules get adapters, and of what rank; None where all weights learn.

    Raises:
        JobError: the model has no such modules, or not so many layers.
    """
    if recipe.method == "full":
        return None
    lora = recipe.lora
    names = _linear_names(model)
    if lora.target_modules != "all-linear":
        _check_names(lora.target_modules, names)
        names = lora.target_modules
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=names,
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


def _check_names(asked: list[str], known: list[str]) -> None:
    """Refuse names that PEFT would pass over in silence as long as another one is right."""
    unknown = [name for name in asked if name.rpartition(".")[2] not in known]
    if unknown:
        raise JobError(
            f"lora.target_modules: the model has no {', '.join(unknown)} in its layers; it has"
            f" {', '.join(known)}"
        )


def _last_layers(model: PreTrainedModel, count: int) -> list[int] | None:
    total = model.config.num_hidden_layers
    if count > total:
        raise JobError(f"lora.layers: {count} asked for, but the model has {total} layers")
    return list(range(total - count, total)) if 0 < count < total else None
