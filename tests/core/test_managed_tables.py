"""Which models are tuned by which service: names, versions, and the ends that the table knows."""

from datetime import date

import pytest

from core.lifecycle import Kind, retirement
from core.managed_models import (
    FOUNDRY,
    SERVERLESS,
    foundry_namesake,
    foundry_offer,
    serverless_offer,
)
from core.managed_recipe import TRAINING_TYPES, tier_named
from core.marketplace import needs_subscription
from core.model_dates import TUNABLE


@pytest.mark.parametrize(
    "model", ["gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", "GPT-4.1-mini-2025-04-14.ft-0e20-travel"]
)
def test_an_offer_is_found_with_and_without_version_and_for_what_was_tuned(model: str) -> None:
    offer = foundry_offer(model)
    assert offer is not None and offer.id == "gpt-4.1-mini-2025-04-14"


def test_another_version_is_no_offer_but_has_a_namesake() -> None:
    assert foundry_offer("gpt-4o-2024-05-13") is None
    found = foundry_namesake("gpt-4o-2024-05-13")
    assert found is not None and found.id == "gpt-4o-2024-08-06"
    assert foundry_offer("gpt-4") is None and foundry_namesake("gpt-4") is None


def test_what_azure_tunes_by_invitation_alone_is_not_among_the_tunable() -> None:
    assert {offer.name for offer in FOUNDRY} - set(TUNABLE) == {"gpt-5"}


@pytest.mark.parametrize(
    ("word", "tier"),
    [("globalStandard", "GlobalStandard"), (1, "GlobalStandard"), ("0", "Standard"),
     ("DeveloperTier", "Developer"), ("developer", "Developer"), ("cheap", None), (None, None)],
)  # fmt: skip
def test_a_tier_is_read_in_every_spelling_that_pages_have(word: object, tier: str | None) -> None:
    assert tier_named(word) == tier


def test_what_is_sent_for_a_tier_is_read_back_as_it() -> None:
    assert {tier_named(sent): tier for tier, sent in TRAINING_TYPES.items()} == {
        tier: tier for tier in TRAINING_TYPES
    }


def test_open_models_are_tuned_globally_alone() -> None:
    for offer in FOUNDRY:
        is_openais = offer.name.startswith(("gpt-4", "gpt-5", "o4"))
        assert bool(offer.standard) == bool(offer.version) == is_openais


@pytest.mark.parametrize("model", ["Phi-4", "microsoft/Phi-4-mini-instruct", "phi-4-MINI-instruct"])
def test_a_serverless_model_is_found_by_its_name_on_the_hub_too(model: str) -> None:
    offer = serverless_offer(model)
    assert offer is not None and not needs_subscription(offer.model_id)
    assert offer.model_id == f"azureml://registries/azureml/models/{offer.name}"
    assert serverless_offer("Phi-3.5-mini-instruct") is None


def test_only_other_makers_models_are_sold() -> None:
    for offer in SERVERLESS:
        assert needs_subscription(offer.model_id) != offer.name.startswith("Phi")


@pytest.mark.parametrize(
    ("name", "on"),
    [
        ("gpt-4o-2024-08-06", date(2026, 10, 1)),
        ("gpt-4o-mini-2024-07-18", date(2026, 10, 1)),
        ("gpt-4.1-nano-2025-04-14", date(2026, 10, 14)),
        ("gpt-4.1-mini-2025-04-14.ft-0e208cf3-travel", date(2026, 10, 14)),
        ("o4-mini-2025-04-16", date(2026, 10, 16)),
        ("gpt-4", date(2025, 6, 6)),
        ("gpt-4-0613", date(2025, 6, 6)),
        ("gpt-4-32k", date(2025, 6, 6)),
        ("gpt-35-turbo-0613", date(2025, 2, 13)),
        ("gpt-35-turbo", date(2026, 7, 7)),
        ("gpt-3.5-turbo-0125", date(2026, 7, 7)),
    ],
)
def test_models_end_with_their_versions(name: str, on: date) -> None:
    row = retirement(Kind.MODEL, name)
    assert row is not None and row.on == on
    assert "gpt-oss-20b" in row.successor and row.source


@pytest.mark.parametrize("name", ["gpt-5", "gpt-oss-20b", "gpt-4o-audio", "gpt-4.1-mini-2"])
def test_no_other_model_is_taken_for_one_that_ended(name: str) -> None:
    assert retirement(Kind.MODEL, name) is None
