"""A recipe's hyperparameters as TRL's settings, under today's names."""

import os
from pathlib import Path
from typing import Any

from device import Device
from recipe_file import Recipe
from trl import DPOConfig, SFTConfig


def conversation_settings(
    recipe: Recipe, device: Device, checkpoints: Path, first_evaluation: bool
) -> SFTConfig:
    """Translate a recipe that learns the assistant's turns."""
    return SFTConfig(**_shared(recipe, device, checkpoints, first_evaluation), **_packing(recipe))


def preference_settings(
    recipe: Recipe, device: Device, checkpoints: Path, first_evaluation: bool
) -> DPOConfig:
    """Translate a recipe that learns from pairs of answers."""
    return DPOConfig(
        **_shared(recipe, device, checkpoints, first_evaluation),
        beta=recipe.dpo.beta,
        loss_type=[recipe.dpo.loss],
        precompute_ref_log_probs=recipe.method == "full",
        max_length=None,  # lengths are checked already; TRL would cut, or drop pairs
    )


def _shared(
    recipe: Recipe, device: Device, checkpoints: Path, first_evaluation: bool
) -> dict[str, Any]:
    ours = recipe.training
    checkpointing = ours.gradient_checkpointing
    return {
        "output_dir": str(checkpoints),
        "num_train_epochs": ours.epochs,
        "max_steps": ours.max_steps,
        "learning_rate": ours.learning_rate,
        **_schedule(recipe),
        "weight_decay": ours.weight_decay,
        "max_grad_norm": ours.max_grad_norm,
        "per_device_train_batch_size": ours.batch_size,
        "per_device_eval_batch_size": ours.batch_size,
        "gradient_accumulation_steps": ours.accumulation,
        "bf16": device.dtype_name == "bfloat16",
        "use_cpu": not device.is_gpu,
        "gradient_checkpointing": device.is_gpu if checkpointing == "auto" else checkpointing,
        "dataloader_pin_memory": device.is_gpu,
        "eval_strategy": "steps" if ours.eval_steps else "epoch",
        "eval_steps": ours.eval_steps or None,
        "eval_on_start": first_evaluation,
        "save_strategy": "steps",
        "save_steps": ours.save_steps,
        "logging_steps": ours.logging_steps,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,  # a broken loss has to show
        "seed": ours.seed,
        "data_seed": ours.seed,
        "disable_tqdm": True,
        **_reporting(),
    }


def _schedule(recipe: Recipe) -> dict[str, Any]:
    """Warm up under every schedule; transformers' `constant` would pass over it in silence."""
    ours = recipe.training
    name = ours.scheduler
    if name == "constant" and ours.warmup:
        name = "constant_with_warmup"
    return {"lr_scheduler_type": name, "warmup_steps": ours.warmup}  # below one: a share of all


def _packing(recipe: Recipe) -> dict[str, Any]:
    """Put conversations together without waste: in packs, or in batches of a like length."""
    if recipe.training.packing:
        return {
            "packing": True,
            "packing_strategy": "bfd_split",  # plain `bfd` cuts long conversations off
            "max_length": recipe.training.max_length,
        }
    # The data is tokenised and its length checked already, so nothing is left to cut.
    return {"max_length": None}


def _reporting() -> dict[str, Any]:
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        return {"report_to": "none"}
    # The recipe's settings are logged instead of transformers' two hundred.
    os.environ["MLFLOW_MAX_LOG_PARAMS"] = "0"
    return {"report_to": "mlflow"}
