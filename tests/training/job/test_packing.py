"""Packed documents do not see each other: in the model, and in the very batch that is trained."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from job_runs import conversations, recipe

if TYPE_CHECKING:
    import torch
    from device import Device


def _cpu() -> "Device":
    import torch
    from device import Device

    return Device("cpu", torch.float32)


def _gpu() -> "Device":
    import torch
    from device import Device

    return Device("cuda", torch.bfloat16)


def _model() -> "tuple[torch.nn.Module, Any]":
    import torch
    from random_model import random_model, random_tokenizer

    texts = [turn["content"] for record in conversations() for turn in record["messages"]]
    tokenizer = random_tokenizer(texts)
    sizes = recipe().base.architecture
    model = random_model(sizes, tokenizer, seed=0).eval()
    assert model.config._attn_implementation == "sdpa"
    with torch.no_grad():  # as far from zero as a trained model's, so that a look aside shows
        for weights in model.parameters():
            weights.mul_(8 if weights.ndim > 1 else 1)
    return model, tokenizer


def _logits(model: "torch.nn.Module", ids: list[int], positions: list[int] | None = None) -> Any:
    import torch

    places = None if positions is None else torch.tensor([positions])
    # Without a cache, as in training: with one, transformers makes no mask from positions.
    with torch.no_grad():
        found = model(input_ids=torch.tensor([ids]), position_ids=places, use_cache=False)
    return found.logits[0]


def test_positions_that_begin_again_keep_documents_apart() -> None:
    import torch

    model, _ = _model()
    one, two = list(range(10, 40)), list(range(60, 105))
    apart = torch.cat([_logits(model, one), _logits(model, two)])
    packed = _logits(model, one + two, [*range(len(one)), *range(len(two))])
    assert torch.allclose(packed, apart, atol=1e-3)
    seen = _logits(model, one + two, list(range(len(one + two))))
    assert (seen[len(one) :] - apart[len(one) :]).abs().max() > 1


@pytest.mark.parametrize("batch_size", [1, 3])
def test_each_document_of_a_trained_batch_counts_as_if_alone(
    batch_size: int, tmp_path: Path
) -> None:
    import torch
    from datasets import Dataset
    from recipe_file import read_recipe
    from trainers import build_trainer

    model, tokenizer = _model()
    rows = [[100 + row, *range(110, 110 + 3 + 5 * row)] for row in range(12)]
    data = Dataset.from_dict({"input_ids": rows, "labels": rows})
    packed = {"packing": True, "max_length": 32, "batch_size": batch_size}
    (tmp_path / "recipe.json").write_text(recipe(training=packed).model_dump_json())
    trainer = build_trainer(
        read_recipe(tmp_path / "recipe.json"), _cpu(), (model, tokenizer), (data, data), tmp_path,
        first_evaluation=False, callbacks=[],
    )  # fmt: skip
    pieces = []
    for batch in trainer.get_train_dataloader():
        assert "attention_mask" not in batch and len(batch["input_ids"]) == 1
        ids, positions = batch["input_ids"][0].tolist(), batch["position_ids"][0].tolist()
        starts = [index for index, position in enumerate(positions) if position == 0]
        together = _logits(model.eval(), ids, positions)
        for begin, end in zip(starts, [*starts[1:], len(ids)], strict=True):
            piece = ids[begin:end]
            assert positions[begin:end] == list(range(end - begin))
            assert torch.allclose(together[begin:end], _logits(model, piece), atol=1e-3)
            pieces.append(piece)
    whole = [row for row in rows if len(row) <= 32]
    assert all(row in pieces for row in whole)
    # bfd_split: what is longer than a pack goes on in another, and no token is lost.
    assert {token for piece in pieces for token in piece} == {t for row in rows for t in row}
    assert sum(map(len, pieces)) >= sum(map(len, rows))


def test_flash_attention_is_taken_for_packs_on_a_gpu_that_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The decision alone: flash attention itself was not run here, it needs a GPU."""
    import torch
    from attention import choose_attention
    from device import Device

    monkeypatch.setattr("attention.is_flash_attn_3_available", lambda: False)
    monkeypatch.setattr("attention.is_flash_attn_2_available", lambda: True)
    assert choose_attention(_gpu(), packing=True) == "flash_attention_2"
    assert choose_attention(_gpu(), packing=False) == "sdpa"
    assert choose_attention(_cpu(), packing=True) == "sdpa"
    assert choose_attention(Device("cuda", torch.float32), packing=True) == "sdpa"
    monkeypatch.setattr("attention.is_flash_attn_2_available", lambda: False)
    assert choose_attention(_gpu(), packing=True) == "sdpa"


@pytest.mark.parametrize(("generation", "name"), [(9, "flash_attention_3"), (8, "sdpa")])
def test_the_third_flash_attention_is_for_hopper(
    generation: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decision alone: not run here, it needs a GPU."""
    import torch
    from attention import choose_attention

    monkeypatch.setattr("attention.is_flash_attn_3_available", lambda: True)
    monkeypatch.setattr("attention.is_flash_attn_2_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (generation, 0))
    assert choose_attention(_gpu(), packing=True) == name
