"""TRL's trainer under today's names, set up from a recipe."""

import os
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl import SFTConfig, SFTTrainer

from device import Device
from recipe_file import Recipe
from run_metrics import Curve


def build_trainer(
    recipe: Recipe,
    device: Device,
    base: tuple[PreTrainedModel, PreTrainedTokenizerBase],
    data: tuple[Dataset, Dataset],
    checkpoints: Path,
    curve: Curve,
) -> SFTTrainer:
    """Set up the training of `base` on the first data set, measured on the second."""
    trainer = SFTTrainer(
        model=base[0],
        args=training_settings(recipe, device, checkpoints),
        train_dataset=data[0],
        eval_dataset=data[1],
        processing_class=base[1],
        peft_config=_lora(recipe, base[0]) if recipe.method == "lora" else None,
        callbacks=[_Watch(curve)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def training_settings(recipe: Recipe, device: Device, checkpoints: Path) -> SFTConfig:
    """Translate a recipe into TRL's settings."""
    ours = recipe.training
    checkpointing = ours.gradient_checkpointing
    return SFTConfig(
        output_dir=str(checkpoints),
        num_train_epochs=ours.epochs,
        max_steps=ours.max_steps,
        learning_rate=ours.learning_rate,
        lr_scheduler_type=ours.scheduler,
        warmup_steps=ours.warmup,  # below one it is a share of all steps
        weight_decay=ours.weight_decay,
        max_grad_norm=ours.max_grad_norm,
        per_device_train_batch_size=ours.batch_size,
        per_device_eval_batch_size=ours.batch_size,
        gradient_accumulation_steps=ours.accumulation,
        bf16=device.dtype_name == "bfloat16",
        use_cpu=not device.is_gpu,
        gradient_checkpointing=device.is_gpu if checkpointing == "auto" else checkpointing,
        dataloader_pin_memory=device.is_gpu,
        eval_strategy="epoch",
        save_strategy="steps",
        save_steps=ours.save_steps,
        save_total_limit=2,
        logging_steps=ours.logging_steps,
        logging_first_step=True,
        logging_nan_inf_filter=False,  # a broken loss has to show
        seed=ours.seed,
        data_seed=ours.seed,
        disable_tqdm=True,
        **_batching(recipe),
        **_reporting(),
    )


def _batching(recipe: Recipe) -> dict[str, Any]:
    """Put conversations together without waste: in packs, or in batches of a like length."""
    if recipe.training.packing:
        return {
            "packing": True,
            "packing_strategy": "bfd_split",  # plain `bfd` cuts long conversations off
            "max_length": recipe.training.max_length,
        }
    # The data is tokenised and its length checked already, so nothing is left to cut.
    return {"max_length": None, "train_sampling_strategy": "group_by_length"}


def _reporting() -> dict[str, Any]:
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        return {"report_to": "none"}
    # The recipe's settings are logged instead of transformers' two hundred.
    os.environ["MLFLOW_MAX_LOG_PARAMS"] = "0"
    return {"report_to": "mlflow"}


def _lora(recipe: Recipe, model: PreTrainedModel) -> LoraConfig:
    lora = recipe.lora
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=_linear_names(model) if lora.target_modules == "all-linear" else lora.target_modules,
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


class _Watch(TrainerCallback):
    """Hand everything that the trainer logs to a curve."""

    def __init__(self, curve: Curve) -> None:
        self._curve = curve

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: object,
    ) -> None:
        self._curve.add(
            state.global_step, state.max_steps, logs or {}, say=state.is_world_process_zero
        )
