"""Full weights, adapters, and adapters on four bits: each is trained here, on a CPU."""

import contextlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from job_runs import JobRunner, Run, arguments, conversations, recipe

if TYPE_CHECKING:
    import torch

SHORT = {"max_steps": 6, "logging_steps": 1}
NONE = {"count": 0}


@pytest.fixture(scope="module")
def in_four_bits(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run of `tiny-phi3` by QLoRA: bitsandbytes computes on a CPU, too."""
    import train as program

    folder, log = tmp_path_factory.mktemp("qlora"), io.StringIO()
    training = {"max_steps": 30, "learning_rate": 1e-2, "eval_steps": 15}
    chosen = recipe(method="qlora", lora={"rank": 8}, training=training, samples={"count": 2})
    with contextlib.redirect_stdout(log):
        code = program.main(arguments(folder, chosen))
    return Run(code, log.getvalue(), folder)


def test_adapters_learn_on_a_base_of_four_bits(in_four_bits: Run) -> None:
    assert in_four_bits.code == 0, in_four_bits.log
    metrics = in_four_bits.metrics
    assert metrics["eval_loss_after"] < metrics["eval_loss_before"] - 0.3
    assert "unquantised" in in_four_bits.log
    assert len(in_four_bits.samples) == 2


def test_what_was_learned_on_four_bits_is_merged_into_whole_weights(in_four_bits: Run) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    config = json.loads((in_four_bits.output / "config.json").read_text())
    assert "quantization_config" not in config
    model = AutoModelForCausalLM.from_pretrained(in_four_bits.output, dtype=torch.float32)
    assert {part.dtype for part in model.parameters()} == {torch.float32}
    assert not list(in_four_bits.output.glob("adapter_*"))
    base = _base(in_four_bits)
    changed = [
        name
        for (name, part), (_, old) in zip(
            model.named_parameters(), base.named_parameters(), strict=True
        )
        if not torch.equal(part, old)
    ]
    assert changed and all("_proj" in name for name in changed)


def test_the_kept_adapter_makes_the_tuned_model_of_the_base(in_four_bits: Run) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    config = json.loads((in_four_bits.output / "adapter" / "adapter_config.json").read_text())
    assert str(in_four_bits.output.parent) not in json.dumps(config)
    tuned = AutoModelForCausalLM.from_pretrained(in_four_bits.output, dtype=torch.float32)
    base = _base(in_four_bits)
    question = torch.arange(5, 25)[None]
    with torch.no_grad():
        plain = base(question).logits
        adapted = PeftModel.from_pretrained(base, in_four_bits.output / "adapter")(question).logits
        merged = tuned(question).logits
    torch.testing.assert_close(adapted, merged, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(plain, merged, atol=1e-2)
    files = in_four_bits.manifest["files_sha256"]
    assert "adapter/adapter_model.safetensors" in files


def test_the_merged_model_measures_near_what_four_bits_measured(in_four_bits: Run) -> None:
    """Near, not the same: the adapters meet the base without its rounding."""
    import torch
    from test_train import _loss_on_assistant
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(in_four_bits.output, dtype=torch.float32)
    measured = in_four_bits.metrics["eval_loss_after"]
    assert _loss_on_assistant(model, in_four_bits) == pytest.approx(measured, rel=0.05)


def _base(run: Run) -> "torch.nn.Module":
    import torch
    from base_model import load_base
    from conversations import read_conversations
    from device import Device
    from recipe_file import read_recipe

    texts = read_conversations(run.folder / "train.jsonl").texts
    chosen = read_recipe(run.folder / "recipe.json")
    return load_base(chosen, None, texts, Device("cpu", torch.float32), in_full=True)[0]


def _in_four_bits(run: Run) -> "torch.nn.Module":
    import torch
    from base_model import load_base
    from conversations import read_conversations
    from device import Device
    from recipe_file import read_recipe

    texts = read_conversations(run.folder / "train.jsonl").texts
    chosen = read_recipe(run.folder / "recipe.json")
    return load_base(chosen, None, texts, Device("cpu", torch.float32))[0]


def test_four_bits_are_nf4_and_take_a_fraction_of_the_memory(in_four_bits: Run) -> None:
    import torch
    from quantised import is_quantised

    model = _in_four_bits(in_four_bits)
    assert is_quantised(model)
    weights = model.model.layers[0].mlp.down_proj.weight
    assert weights.quant_state.quant_type == "nf4" and weights.quant_state.nested
    assert weights.numel() * weights.element_size() == 64 * 256 / 2
    assert model.lm_head.weight.dtype == torch.float32  # the head stays whole


def test_gradients_go_through_four_bits_after_an_evaluation_too(in_four_bits: Run) -> None:
    """bitsandbytes packs weights in an evaluation on some CPUs; packed, they have no gradient."""
    import torch

    model = _in_four_bits(in_four_bits)
    ids = torch.arange(20, 60)[None]
    model.eval()
    with torch.no_grad():
        measured = model(input_ids=ids, labels=ids, use_cache=False).loss.item()
    model.train()
    embedded = model.get_input_embeddings()(ids).detach().requires_grad_()
    loss = model(inputs_embeds=embedded, labels=ids, use_cache=False).loss
    loss.backward()
    assert loss.item() == pytest.approx(measured, abs=1e-4)
    plain = model.dequantize()
    again = embedded.detach().clone().requires_grad_()
    plain(inputs_embeds=again, labels=ids, use_cache=False).loss.backward()
    assert embedded.grad.abs().sum() > 0
    assert torch.allclose(embedded.grad, again.grad, atol=1e-5)


@pytest.mark.slow
def test_a_folder_of_weights_is_loaded_in_four_bits_and_trained(
    run_job: JobRunner, in_four_bits: Run, tmp_path: Path
) -> None:
    """Slow: two more jobs."""
    from transformers import AutoModelForCausalLM

    base = {"source": "hub", "id": "keeper/lighthouse", "revision": "0" * 40}
    chosen = recipe(base=base, method="qlora", lora={"rank": 2}, training=SHORT, samples=NONE)
    run = run_job(chosen, extra=("--base-model", str(in_four_bits.output)))
    assert run.code == 0, run.log
    assert run.losses[-1] < run.losses[0]
    assert AutoModelForCausalLM.from_pretrained(run.output).config.model_type == "phi3"


@pytest.mark.parametrize(
    ("lora", "reason"),
    [
        ({"target_modules": ["q_proj", "down_proj"]}, "no q_proj in its layers; it has"),
        ({"layers": 3}, "3 asked for, but the model has 2 layers"),
    ],
)
def test_modules_that_are_not_there_are_named(
    lora: dict[str, Any], reason: str, run_job: JobRunner
) -> None:
    run = run_job(recipe(method="lora", lora=lora, samples=NONE), conversations(4))
    assert run.code == 1
    assert reason in run.error
    if "target_modules" in lora:
        assert "down_proj, gate_up_proj, o_proj, qkv_proj" in run.error
