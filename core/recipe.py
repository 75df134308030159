"""A recipe: what to train, from which base model, how, in the field's terms.

One YAML file each in training/recipes/, or a person's own file. The job gets the very same
model as JSON, so nothing is decided twice.
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Part(BaseModel):
    """A frozen part of a recipe that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BaseModelSource(Part):
    """Where the weights that the training starts from come from."""

    source: Literal["package", "hub", "random"] = Field(
        description="package: a file in an installed Python package, uploaded once as a model"
        " asset; hub: downloaded by the node at a pinned revision; random: made by the job."
    )
    id: str = Field(description="Hub id, or the name that the base model goes by.")
    revision: str = Field("", description="Commit of the hub repository; pinned, never a branch.")
    package: str = Field("", description="Python module that carries the file.")
    file: str = Field("", description="File name of the weights inside the package (GGUF).")
    architecture: dict[str, int] = Field(
        default_factory=dict,
        description="Sizes of a random model: hidden_size, num_hidden_layers …",
    )

    @model_validator(mode="after")
    def _source_is_complete(self) -> "BaseModelSource":
        if self.source == "hub" and len(self.revision) != 40:
            raise ValueError("a hub model needs `revision`: the 40 digits of a commit")
        if self.source == "package" and not (self.package and self.file):
            raise ValueError("a packaged model needs `package` and `file`")
        return self


class Lora(Part):
    """Low-rank adapters; the base stays frozen and the adapters are merged at the end.

    With the method `qlora` the frozen base is held in four bits (nf4, twice quantised).
    """

    rank: int = Field(16, ge=1, le=512)
    alpha: int = Field(32, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    target_modules: list[str] | Literal["all-linear"] = "all-linear"
    layers: int = Field(
        0,
        ge=0,
        description="Adapt the last so many layers; 0: all. Fewer cost less time and memory.",
    )


class Dpo(Part):
    """Direct preference optimisation: learn to prefer `chosen` to `rejected` answers."""

    beta: float = Field(
        0.1, gt=0, description="How closely the model is held to the one it starts from."
    )
    loss: Literal["sigmoid", "hinge", "ipo"] = "sigmoid"


class Training(Part):
    """Hyperparameters, under TRL's names for today."""

    epochs: float = Field(3, gt=0)
    max_steps: int = Field(-1, ge=-1, description="Stop after so many updates; -1: by epochs.")
    learning_rate: float = Field(5e-6, gt=0, lt=1)
    scheduler: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = Field(0.2, ge=0, lt=1, description="Share of all steps.")
    batch_size: int = Field(4, ge=1, description="Conversations per device and step.")
    accumulation: int = Field(1, ge=1, description="Steps per optimiser update.")
    max_length: int = Field(2048, ge=16, description="Tokens; longer conversations are refused.")
    packing: bool = False
    gradient_checkpointing: bool | Literal["auto"] = Field(
        "auto", description="auto: on a GPU, not on a CPU."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 where the processor computes in it, else float32."
    )
    weight_decay: float = Field(0.0, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    save_steps: int = Field(500, ge=1)
    eval_steps: int = Field(
        0, ge=0, description="Measure on the validation file every so many steps; 0: every epoch."
    )
    keep: Literal["best", "last"] = Field(
        "last",
        description="Which weights become the model: those of the lowest validation loss, or the"
        " last.",
    )
    logging_steps: int = Field(20, ge=1)
    seed: int = 0
    processes: int = Field(1, ge=1, description="Processes per node (PyTorch distribution).")
    nodes: int = Field(1, ge=1)


class Samples(Part):
    """Held-out questions that the job answers with the base and with the tuned model."""

    count: int = Field(20, ge=0)
    max_new_tokens: int = Field(96, ge=1)
    repetition_penalty: float = Field(
        1.0,
        ge=1,
        le=2,
        description="Above 1 keeps a small model out of loops; saved with the model, so that an"
        " endpoint answers as the samples do.",
    )


class Recipe(Part):
    """A whole recipe."""

    name: str
    description: str
    route: Literal["azureml"] = "azureml"
    model_name: str = Field(
        pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]{0,60}$", description="Registered as."
    )
    base: BaseModelSource
    objective: Literal["sft", "dpo"] = Field(
        "sft", description="sft: learn the assistant's turns; dpo: learn from pairs of answers."
    )
    method: Literal["full", "lora", "qlora"]
    lora: Lora = Lora()
    dpo: Dpo = Dpo()
    training: Training = Training()
    samples: Samples = Samples()
    loss: Literal["assistant_only"] = "assistant_only"

    @model_validator(mode="after")
    def _parts_agree(self) -> "Recipe":
        """Refuse what contradicts itself or would be passed over in silence, all of it at once."""
        if reasons := [*self._wrong_adapters(), *self._wrong_steps(), *self._wrong_for_dpo()]:
            raise ValueError("\n".join(reasons))
        return self

    def _wrong_adapters(self) -> Iterator[str]:
        modules = self.lora.target_modules
        if not modules:
            yield "lora.target_modules: name at least one module, or all-linear"
        if modules != "all-linear" and any(name.endswith("lm_head") for name in modules):
            yield (
                "lora.target_modules: lm_head carries no adapter, as the loss is computed from its"
                " weights alone; leave it out"
            )

    def _wrong_steps(self) -> Iterator[str]:
        ours = self.training
        if ours.max_steps == 0:
            yield "training.max_steps: 0 trains nothing; -1 trains for the epochs"
        if 0 < ours.max_steps < ours.eval_steps:
            yield (
                f"training.eval_steps: {ours.eval_steps} never comes within training.max_steps"
                f" {ours.max_steps}; 0 measures at the end"
            )

    def _wrong_for_dpo(self) -> Iterator[str]:
        if self.objective != "dpo":
            return
        if self.training.packing:
            yield "training.packing: pairs of answers are not packed; set it to false"
        if self.method != "full" and self.lora.dropout:
            yield "lora.dropout: dpo compares two models and switches dropout off; set it to 0"
