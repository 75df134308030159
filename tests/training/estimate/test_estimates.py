"""Estimates as tables: memory, tokens, time, price, and what would make a run fit."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from core.catalog import Source
from core.price_list import DEDICATED, LOW_PRIORITY, PriceList, Quote
from core.recipe import BaseModelSource, Recipe
from tests.small_server import small_server
from training.estimate import DataSize, Fit, Measured, Shape, ShapeUnknown, of_run, shape_of
from training.estimate.fixes import changed
from training.estimate.memory import GIB, memory_of
from training.estimate.offers import UNCALIBRATED
from training.estimate.shapes import from_config
from training.estimate.work import flops_per_token, tokens_of
from training.recipes import load_recipe, recipe_names

DATA = DataSize(rows=5000, bytes=5_000_000)
CONFIG_7B = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008,
    "num_hidden_layers": 32, "num_attention_heads": 32, "vocab_size": 32000,
}  # fmt: skip
LLAMA_7B = from_config(CONFIG_7B, "LLaMA 7B")
A100, T4, CPU = "Standard_NC24ads_A100_v4", "Standard_NC4as_T4_v3", "Standard_E4s_v3"


def recipe(name: str = "phi-3.5-mini", *overrides: str) -> Recipe:
    return load_recipe(name, overrides)


def of(name: str = "phi-3.5-mini", *overrides: str, **more: Any) -> Any:
    return of_run(recipe(name, *overrides), more.pop("data", DATA), **more)


@pytest.mark.parametrize(("method", "gb", "tolerance"), [
    ("full", 60, 0.15), ("lora", 16, 0.25), ("qlora", 6, 0.35),
])  # fmt: skip
def test_a_7b_model_takes_what_llama_factorys_table_says(
    method: str, gb: float, tolerance: float
) -> None:
    """Its README (commit 00409ff) lists, as estimates: pure bf16 60 GB, LoRA 16, QLoRA 4 bits 6.

    The table names no sequence length; short ones, one at a time, are taken.
    """
    asked = recipe(
        "phi-3.5-mini", f"method={method}", "training.packing=false",
        "training.batch_size=1", "training.accumulation=1", "training.max_length=512",
    )  # fmt: skip
    found = memory_of(asked, LLAMA_7B, "gpu")
    assert (found.low + found.high) / 2 / 1e9 == pytest.approx(gb, rel=tolerance)


def test_bfloat16_halves_what_a_cpu_holds_in_float32() -> None:
    shape = shape_of(recipe().base)
    gpu, cpu = (memory_of(recipe(), shape, device) for device in ("gpu", "cpu"))
    assert gpu.weights == gpu.gradients == 2 * 3_821_079_552
    assert gpu.optimiser == 4 * 3_821_079_552 and cpu.weights == 2 * gpu.weights


@pytest.mark.parametrize(("change", "part"), [
    ("training.max_length=1024", "activations"),
    ("method=lora", "optimiser"),
    ("method=qlora", "weights"),
])  # fmt: skip
def test_each_knob_lowers_its_part(change: str, part: str) -> None:
    shape = shape_of(recipe().base)
    before, after = (
        memory_of(one, shape, "gpu") for one in (recipe(), recipe("phi-3.5-mini", change))
    )
    assert getattr(after, part) < 0.6 * getattr(before, part) and after.high < before.high


def test_checkpoints_cost_time_and_save_memory() -> None:
    keeps, spares = (
        recipe("phi-3.5-mini", f"training.gradient_checkpointing={on}") for on in ("true", "false")
    )
    shape = shape_of(keeps.base)
    assert (
        memory_of(keeps, shape, "gpu").activations < memory_of(spares, shape, "gpu").activations / 8
    )
    work = [flops_per_token(keeps, shape, 2048, 0.5, checkpoints=on) for on in (True, False)]
    assert 1.30 < work[0] / work[1] < 1.36


def test_full_training_takes_six_operations_a_weight_and_token_and_adapters_four() -> None:
    shape = shape_of(recipe().base)
    matrices = shape.layers * shape.layer_matrices + shape.embedding
    full = flops_per_token(recipe(), shape, 0, 1.0, checkpoints=False)
    lora = flops_per_token(recipe("phi-3.5-mini", "method=lora"), shape, 0, 1.0, checkpoints=False)
    assert full / matrices == pytest.approx(6, rel=0.02)
    assert lora / matrices == pytest.approx(4, rel=0.03)


def test_more_processes_do_not_make_a_model_fit() -> None:
    one, two = (
        of("phi-3.5-mini", f"training.processes={n}", sizes=["Standard_NC48ads_A100_v4"])
        for n in (1, 2)
    )
    assert two.offers[0].memory.low >= one.offers[0].memory.low
    assert two.offers[0].hours.high < one.offers[0].hours.high
    assert two.tokens.steps.high < one.tokens.steps.high
    assert of("phi-3.5-mini", "training.processes=2", sizes=[A100]).offers[0].fit is Fit.NO


def test_counted_tokens_are_taken_as_they_are() -> None:
    counted = tokens_of(recipe(), DataSize(rows=100, bytes=1, tokens=90_000), None)
    assert counted.is_counted and counted.total.low == counted.total.high == 270_000
    assert (
        tokens_of(recipe(), DATA, None).total.low
        < 5_000_000 * 3 / 4
        < tokens_of(recipe(), DATA, None).total.high
    )


def test_steps_follow_from_rows_or_packs_and_a_limit_shortens_the_epochs() -> None:
    rows = tokens_of(recipe("rehearsal"), DataSize(rows=158, bytes=100_000), None)
    assert rows.steps.low == rows.steps.high == 40
    short = tokens_of(recipe("rehearsal", "training.max_steps=10"), DataSize(158, 100_000), None)
    assert short.steps.high == 10 and short.total.high == pytest.approx(
        rows.total.high / 4, rel=0.02
    )
    packed = tokens_of(recipe(), DataSize(rows=10, bytes=1, tokens=2048 * 38), None)
    assert packed.steps.high == pytest.approx(3 * 38 / 4 / 0.95, abs=1.1)


def test_the_cheapest_that_fits_is_best_and_what_does_not_fit_says_what_would() -> None:
    found = of()
    assert found.best.vm_size == A100
    t4 = found.on(T4)
    assert t4.fit is Fit.NO and t4.fixes
    for way in t4.fixes:
        again = of_run(changed(recipe(), tuple(way.split())), DATA, sizes=[T4])
        assert again.offers[0].fit is Fit.YES, way
        assert load_recipe("phi-3.5-mini", way.split()) == changed(recipe(), tuple(way.split()))


def test_a_price_that_is_not_known_makes_no_best() -> None:
    found = of(prices=PriceList("mars"))
    assert found.best is None and all(offer.price is None for offer in found.offers)
    assert found.document()["offers"][0]["usd"] is None


def test_low_priority_is_an_offer_of_its_own_where_it_has_a_price() -> None:
    source = Source("a list", "eastus", date(2026, 11, 1))
    quotes = {
        (A100.lower(), DEDICATED): Quote(4, source),
        (A100.lower(), LOW_PRIORITY): Quote(1, source),
    }
    found = of(prices=PriceList("eastus", quotes), sizes=[A100])
    assert [offer.priority for offer in found.offers] == [LOW_PRIORITY, DEDICATED]
    low, dedicated = found.offers
    assert low.price.high * 4 == pytest.approx(dedicated.price.high)


def test_a_measured_job_rules_the_speed_of_its_own_size_alone() -> None:
    before = of(sizes=[A100, T4])
    after = of(sizes=[A100, T4], measured=[Measured("job-1", A100, 5000.0, 30 * GIB)])
    assert after.on(A100).basis == "as job-1 ran" and after.on(T4).basis == UNCALIBRATED
    assert after.on(T4).hours == before.on(T4).hours
    spans = [one.on(A100).hours.high - one.on(A100).hours.low for one in (before, after)]
    assert spans[1] < spans[0]
    assert after.on(A100).hours.low * 3600 > after.tokens.total.low / (5000 * 1.15)


def test_what_was_measured_to_be_too_much_does_not_fit() -> None:
    found = of(sizes=[A100], measured=[Measured("job-1", A100, 5000.0, 100 * GIB)])
    assert found.offers[0].fit is Fit.NO


@pytest.mark.parametrize("name", recipe_names("azureml"))
def test_every_recipe_of_ours_can_be_estimated_and_fits_somewhere(name: str) -> None:
    found = of(name)
    assert found.best is not None
    assert all(0 < offer.hours.low < offer.hours.high for offer in found.offers)
    assert all(offer.memory.low < offer.memory.high for offer in found.offers)


@pytest.mark.parametrize(("config", "reason"), [
    ({"model_type": "mixtral"}, "of the kind 'mixtral'"),
    ({}, "without a name"),
    ({"model_type": "llama", "hidden_size": 8}, "sizes are missing"),
    ({"model_type": "llama", "hidden_size": "x", "num_attention_heads": 2}, "no numbers"),
])  # fmt: skip
def test_a_model_that_cannot_be_counted_is_refused(config: dict[str, Any], reason: str) -> None:
    with pytest.raises(ShapeUnknown, match=reason):
        from_config(config, "config.json")


def test_a_size_that_is_not_in_the_catalog_is_left_out() -> None:
    assert of(sizes=["Standard_X1", CPU]).on("Standard_X1") is None


def test_the_shape_of_a_random_model_is_the_recipes() -> None:
    found: Shape = shape_of(recipe("tiny-phi3").base)
    assert found.layers == recipe("tiny-phi3").base.architecture["num_hidden_layers"]


def test_a_hub_models_config_is_asked_for_once_and_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    revision = "a" * 40
    base = BaseModelSource(source="hub", id="acme/Other-7B", revision=revision)
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path))
    with pytest.raises(ShapeUnknown, match="nobody was asked"):
        shape_of(base, asks=False)
    with small_server() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        path = f"/acme/Other-7B/resolve/{revision}/config.json"
        hub.said[path] = (200, CONFIG_7B)
        assert shape_of(base).parameters == LLAMA_7B.parameters == 6_738_415_616
        assert len(hub.asked) == 1
    assert shape_of(base, asks=False).layers == 32


def test_a_packaged_models_header_says_what_the_table_says() -> None:
    base = recipe("rehearsal").base
    read = shape_of(base.model_copy(update={"id": "another/Name"}))
    assert replace(read, source="") == replace(shape_of(base), source="")
    assert read.parameters == 134_515_008
