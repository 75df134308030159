"""The estimate's counts against what torch and transformers really make of the same shapes."""

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from core.recipe import Lora, Recipe
from training.estimate import DataSize
from training.estimate.known_shapes import KNOWN
from training.estimate.memory import memory_of
from training.estimate.shapes import Shape, from_config

if TYPE_CHECKING:
    import torch

SMALL = {
    "hidden_size": 192, "intermediate_size": 512, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 6, "vocab_size": 640,
}  # fmt: skip
GROUPED = {**SMALL, "num_key_value_heads": 2}
EXACT = {
    "microsoft/Phi-3-mini-4k-instruct": 3_821_079_552,
    "microsoft/Phi-3.5-mini-instruct": 3_821_079_552,
    "microsoft/Phi-4-mini-instruct": 3_836_021_760,
    "HuggingFaceTB/SmolLM2-135M-Instruct": 134_515_008,
}


def recipe(method: str = "full", **training: Any) -> Recipe:
    base = {"source": "random", "id": "none"}
    fields = {"name": "r", "description": "", "model_name": "r", "base": base, "method": method}
    return Recipe.model_validate({**fields, "lora": {"rank": 8}, "training": training})


def build(family: str, sizes: dict[str, Any]) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM, Phi3Config, Phi3ForCausalLM

    kind, model = (
        (Phi3Config, Phi3ForCausalLM) if family == "phi3" else (LlamaConfig, LlamaForCausalLM)
    )
    config = kind(**sizes, pad_token_id=0, bos_token_id=1, eos_token_id=2)
    config._attn_implementation = "sdpa"
    return model(config)


def shape(family: str, sizes: dict[str, Any]) -> Shape:
    return from_config({**sizes, "model_type": family}, "a test")


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_the_models_of_the_recipes_have_exactly_these_parameters(name: str) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {**KNOWN[name], "pad_token_id": 0}
    config = AutoConfig.for_model(sizes.pop("model_type"), **sizes)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    assert from_config(KNOWN[name], "").parameters == model.num_parameters() == EXACT[name]


@pytest.mark.parametrize("family", ["llama", "mistral", "phi3", "qwen2", "qwen3"])
@pytest.mark.parametrize("tied", [False, True])
def test_every_family_is_counted_as_transformers_builds_it(family: str, tied: bool) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {**GROUPED, "tie_word_embeddings": tied, "head_dim": 32, "pad_token_id": 0}
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **sizes))
    assert shape(family, sizes).parameters == model.num_parameters()


@pytest.mark.parametrize("family", ["llama", "phi3"])
def test_adapters_are_counted_as_peft_makes_them(family: str) -> None:
    model = adapted(build(family, GROUPED), rank=8)
    learning = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert learning == 3 * shape(family, GROUPED).adapters(Lora(rank=8))


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_weights_gradients_and_optimiser_are_exact(method: str, width: int) -> None:
    import torch

    dtype = {2: torch.bfloat16, 4: torch.float32}[width]
    model = build("phi3", SMALL).to(dtype)
    if method == "lora":
        model = adapted(model, rank=8)
    learning = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learning, fused=True)
    model(input_ids=torch.zeros(1, 8, dtype=torch.long)).logits.float().sum().backward()
    optimiser.step()
    averages = [
        state[name] for state in optimiser.state.values() for name in ("exp_avg", "exp_avg_sq")
    ]

    precision = {2: "bfloat16", 4: "float32"}[width]
    found = memory_of(recipe(method, precision=precision), shape("phi3", SMALL), "cpu")
    assert found.weights == size_of(model.parameters())
    assert found.gradients == size_of(p.grad for p in learning)
    assert found.optimiser == size_of(averages)


@pytest.mark.parametrize("family", ["llama", "phi3"])
@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize(("rows", "length"), [(1, 64), (2, 256), (4, 128)])
def test_what_autograd_keeps_is_predicted_within_a_tenth(
    family: str, width: int, method: str, rows: int, length: int
) -> None:
    """Without checkpoints: every storage that the forward pass saves, each counted once."""
    measured = saved_bytes(family, GROUPED, width, method, rows, length)
    predicted = activations(family, GROUPED, width, method, rows, length, checkpoints=False)
    assert predicted == pytest.approx(measured, rel=0.10)


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize(("rows", "length"), [(1, 256), (2, 512)])
def test_the_peak_with_checkpoints_is_predicted_within_a_fifth(
    method: str, rows: int, length: int
) -> None:
    """The most that lives at once, forward and backward, beside weights and gradients."""
    sizes = {**GROUPED, "num_hidden_layers": 8}
    measured = peak_bytes(sizes, method, rows, length)
    predicted = activations("llama", sizes, 4, method, rows, length, checkpoints=True)
    assert predicted == pytest.approx(measured, rel=0.20)


def activations(
    family: str, sizes: dict[str, Any], width: int, method: str, rows: int, length: int,
    *, checkpoints: bool,
) -> int:  # fmt: skip
    asked = recipe(
        method, batch_size=rows, max_length=length, gradient_checkpointing=checkpoints,
        precision={2: "bfloat16", 4: "float32"}[width],
    )  # fmt: skip
    data = DataSize(rows=1, bytes=100, longest=length)
    return memory_of(asked, shape(family, sizes), "cpu", data).activations


def saved_bytes(
    family: str, sizes: dict[str, Any], width: int, method: str, rows: int, length: int
) -> int:
    import torch

    dtype = {2: torch.bfloat16, 4: torch.float32}[width]
    model = build(family, sizes).to(dtype)
    model = adapted(model, rank=8) if method == "lora" else model
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, Any] = {}

    def pack(tensor: "torch.Tensor") -> "torch.Tensor":
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", dtype, enabled=width == 2):
        hidden = body(model)(**batch(rows, length), use_cache=False).last_hidden_state
    assert hidden.requires_grad
    return sum(storage.nbytes() for storage in kept.values())


def peak_bytes(sizes: dict[str, Any], method: str, rows: int, length: int) -> int:
    """Run a step from the hidden states, as the fused output layer hands their gradient back."""
    import torch

    model = build("llama", sizes)
    if method == "lora":
        model = adapted(model, rank=8)
    model.train()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    if method == "lora":
        model.enable_input_require_grads()
    for parameter in model.parameters():  # gradients are held already, so that only work counts
        if parameter.requires_grad:
            parameter.grad = torch.zeros_like(parameter)
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        hidden = body(model)(**batch(rows, length), use_cache=False).last_hidden_state
        hidden.backward(torch.ones_like(hidden))
    events = profile.profiler.kineto_results.events()
    changes = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    assert changes
    return max(itertools.accumulate(change for _, change in changes))


def adapted(model: Any, rank: int) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model

    linear = {
        name.rpartition(".")[2]
        for name, module in model.base_model.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    return get_peft_model(model, LoraConfig(r=rank, target_modules=sorted(linear)))


def body(model: Any) -> Any:
    return model.base_model.model.model if hasattr(model, "peft_config") else model.model


def batch(rows: int, length: int) -> "dict[str, torch.Tensor]":
    import torch

    mask = torch.ones(rows, length, dtype=torch.long)
    if rows > 1:
        mask[:, -1] = 0  # a padded batch, which has a mask
    return {"input_ids": torch.zeros(rows, length, dtype=torch.long), "attention_mask": mask}


def size_of(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
