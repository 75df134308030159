"""What sides cost: whose price it is, what is added up, and None where nobody says."""

import pytest

from commands.evaluate.sides.resolving import resolve
from evaluation.sides import Price
from tests.evaluation_commands.standing_stack import (
    GPT,
    TUNED_GPT,
    Service,
    Stack,
    deployed,
    hosted,
    order,
    registered,
)

TRAVEL = registered("travel", "3", "2026-11-20", price_usd="1.5000", price_source="2 h of E4s")


def price(stack: Stack, name: str, *, live: bool = False) -> Price:
    return resolve(stack.session, [name], live=live)[0].side.price


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Stack:
    orders = {"travel-job-3": order("travel-job-3")}
    return Stack(models=[TRAVEL], orders=orders).answers(monkeypatch)


def test_an_own_model_has_cost_what_was_noted_with_it(stack: Stack) -> None:
    assert price(stack, "tuned") == Price(training_usd=1.5, training_source="2 h of E4s")


def test_a_model_without_a_noted_price_has_none(stack: Stack) -> None:
    stack.models = [registered("travel", "3", "2026-11-20")]
    assert price(stack, "tuned") == Price()


def test_a_base_model_was_trained_by_nobody(stack: Stack) -> None:
    assert price(stack, "base").training_usd == 0.0


def test_all_instances_of_a_deployment_cost_by_the_hour(stack: Stack) -> None:
    stack.deployments = [deployed("v3", "travel:3", 100)]
    found = price(stack, "tuned", live=True)
    assert (found.per_hour_usd, found.training_usd) == (0.6, 1.5)
    assert found.source.startswith("2 x Standard_E4s_v3: westeurope list prices, 2026-11-22")
    assert found.input_usd_per_million is None


def test_a_rehearsal_costs_what_azure_would_ask(stack: Stack) -> None:
    stack.is_rehearsal = True
    found = price(stack, "tuned")
    assert found.training_usd == 0.5
    assert found.training_source == (
        "a rehearsal; on Azure 2.000 h of Standard_E4s_v3 at $0.250 an hour"
    )


def test_a_checkpoint_has_cost_the_whole_run(stack: Stack) -> None:
    stack.checkpoints = [20]
    found = price(stack, "travel-job-3@20")
    assert (found.training_usd, found.training_source) == (4.0, "the whole run: two jobs")


def test_a_managed_model_costs_its_training_an_hour_and_tokens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stack = Stack(service=Service()).answers(monkeypatch)
    stack.managed = [(Opened(), hosted("gpt-tuned", TUNED_GPT, "tuned")),
                     (Opened(), hosted("gpt-base", GPT, "base"))]  # fmt: skip
    tuned, base = price(stack, "tuned"), price(stack, "base")
    assert tuned.training_usd == 11.0
    assert tuned.training_source.startswith("2,000,000 tokens at $5.50 a million (")
    assert (tuned.per_hour_usd, base.per_hour_usd) == (1.7, 0.0)
    assert (tuned.input_usd_per_million, tuned.output_usd_per_million) == (0.4, 1.6)
    assert (base.training_usd, base.output_usd_per_million) == (0.0, 1.6)
    assert "2025-11-04" in base.source


def test_a_managed_model_that_no_page_prices_has_no_price(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack(service=Service()).answers(monkeypatch)
    path = "azureml://registries/azureml/models/Mystery-7b/versions/2"
    stack.managed = [(Opened(), hosted("m", path, "base", per_hour=None, sku="Consumption"))]
    found = price(stack, "endpoint/m")
    assert (found.per_hour_usd, found.output_usd_per_million) == (None, None)
    stack.managed = [(Opened(), hosted("p", path.replace("Mystery-7b", "Phi-4"), "base",
                                       sku="Consumption"))]  # fmt: skip
    assert price(stack, "endpoint/p").output_usd_per_million == 0.5


class Opened:
    route = "openai"
