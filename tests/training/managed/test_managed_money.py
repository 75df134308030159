"""What a managed training is said to cost, and what is said of a price that nobody knows."""

from pathlib import Path
from typing import Any

import pytest

from core.managed_prices import family, hosting, inference, training
from core.managed_recipe import OpenAIRecipe, ServerlessRecipe
from training.managed.contract import ManagedOrder, Prepared
from training.managed.money import expected_epochs, hosting_per_hour, training_cost
from training.managed.text_tokens import example_tokens

TUNED = "gpt-4.1-mini-2025-04-14.ft-0e208cf33a6a466994aff31a08aba678-travel"


def order(rows: int = 500, tokens: int = 1_000_000, **more: Any) -> ManagedOrder:
    recipe = {"name": "o", "description": "", "model_name": "m", "route": "openai"}
    base = {"id": more.pop("base", "gpt-4.1-2025-04-14")}
    made = OpenAIRecipe.model_validate({**recipe, "base": base, **more})
    held = Prepared(Path("v"), 20, 10, "b", 40_000)
    return ManagedOrder(made, Prepared(Path("t"), rows, 10, "a", tokens), held)


def phi() -> ManagedOrder:
    recipe = {"name": "s", "description": "", "model_name": "m", "route": "serverless"}
    made = ServerlessRecipe.model_validate({**recipe, "base": {"id": "Phi-4-mini-instruct"}})
    return ManagedOrder(made, Prepared(Path("t"), 50, 10, "a", 2_000))


def test_training_costs_the_files_tokens_times_epochs_and_validation_nothing() -> None:
    found = training_cost(order(training={"epochs": 2}))
    assert (found.tokens, found.epochs, found.rate, found.usd) == (1_000_000, 2, 25.0, 50.0)
    assert found.told[0].startswith("Training: $50.00 = 1,000,000 tokens x 2 epochs x $25.00")
    assert "2025-11-04" in found.source
    assert not any("service's choice" in line for line in found.told)


def test_developer_costs_half_of_global() -> None:
    usd = training_cost(order(training={"epochs": 2}, tier="Developer")).usd
    assert usd == 25.0


def test_a_price_of_another_tier_bounds_this_one_and_says_so() -> None:
    found = training_cost(order(base="gpt-4.1-mini", training={"epochs": 1}))
    assert found.usd == pytest.approx(0.9 * 5.5)
    assert any("at most: 10% under Standard" in line for line in found.told)
    bound = training("gpt-4.1", "Standard")
    assert bound is not None and bound.note and bound.per_million == pytest.approx(25 / 0.7)


def test_epochs_that_the_service_chooses_are_assumed_and_told() -> None:
    found = training_cost(order())
    assert found.epochs == 3
    assert "Epochs are the service's choice; 3 is what OpenAI's rule comes to." in found.told


@pytest.mark.parametrize(
    ("rows", "epochs"), [(1, 25), (10, 10), (20, 5), (34, 3), (8_333, 3), (12_500, 2), (60_000, 1)]
)
def test_the_assumed_epochs_show_at_least_100_and_at_most_25000_examples(
    rows: int, epochs: int
) -> None:
    assert expected_epochs(order().recipe, rows) == epochs


def test_a_price_that_nobody_knows_is_none_and_never_nothing() -> None:
    found = training_cost(phi())
    assert (found.usd, found.rate, found.source, found.epochs) == (None, None, "", 3)
    assert "no public price of Phi-4-mini-instruct, Serverless is known" in found.told[0]
    assert training("gpt-4o-mini", "GlobalStandard") is None
    assert hosting("Phi-4-mini-instruct", "Consumption") is None
    assert hosting_per_hour("gpt-oss-20b", "GlobalStandard") is None
    assert inference("gpt-oss-20b", "GlobalStandard") is None


@pytest.mark.parametrize(
    ("sku", "usd"), [("Standard", 1.7), ("globalstandard", 1.7), ("DeveloperTier", 0.0)]
)
@pytest.mark.parametrize("model", ["gpt-4.1-mini", TUNED, f"{TUNED}:ckpt-step-90"])
def test_a_tuned_model_costs_by_the_hour_but_in_the_developer_tier(
    model: str, sku: str, usd: float
) -> None:
    quote = hosting(model, sku)
    assert quote is not None and quote.per_hour == hosting_per_hour(model, sku) == usd
    assert quote.source.origin


def test_a_base_model_costs_nothing_while_nobody_asks() -> None:
    for model, sku in (("gpt-4.1-mini", "GlobalStandard"), ("Phi-4", "Consumption")):
        quote = hosting(model, sku, serves="base")
        assert quote is not None and quote.per_hour == 0


def test_answers_cost_the_base_models_price() -> None:
    tuned, base = inference(TUNED, "DeveloperTier"), inference("gpt-4.1-mini", "GlobalStandard")
    assert tuned == base and base is not None
    assert (base.read.per_million, base.written.per_million) == (0.4, 1.6)
    regional = inference("gpt-4.1-mini", "Standard")
    assert regional is not None and regional.read.per_million == 0.44
    small = inference("Phi-4-mini-instruct", "Consumption")
    assert small is not None and small.written.per_million == 0.3


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (TUNED, "gpt-4.1-mini"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("Qwen3-32B", "qwen3-32b"),
        ("Llama-3.3-70B-Instruct", "llama-3.3-70b-instruct"),
    ],
)
def test_a_model_is_priced_by_its_family(model: str, name: str) -> None:
    assert family(model) == name


def test_tokens_are_four_bytes_of_what_is_said_and_the_marks_around_it() -> None:
    chat = {"messages": [{"role": "user", "content": "a" * 40}, {"role": "assistant"}]}
    assert example_tokens(chat) == 10 + 2 * 3 + 3
    greek = {"messages": [{"role": "user", "content": "α" * 40}]}
    assert example_tokens(greek) == 20 + 3 + 3


def test_both_answers_of_a_pair_count() -> None:
    turn = [{"role": "user", "content": "a" * 40}]
    ours = {"prompt": turn, "chosen": turn, "rejected": turn}
    theirs = {"input": {"messages": turn}, "preferred_output": turn, "non_preferred_output": turn}
    assert example_tokens(ours) == example_tokens(theirs) == 30 + 3 * 3 + 3


def test_a_picture_counts_by_its_detail_and_not_by_its_address() -> None:
    def asked(detail: str) -> int:
        url = {"url": "data:image/png;base64," + "A" * 90_000, "detail": detail}
        content = [{"type": "image_url", "image_url": url}]
        return example_tokens({"messages": [{"role": "user", "content": content}]})

    assert (asked("low"), asked("high")) == (85 + 6, 765 + 6)
