"""Whose models a project subscribes to, when, and what a refusal of the marketplace is told as."""

from typing import Any

import pytest

from core.errors import CloudError
from core.marketplace import (
    ON_GROUP,
    ON_SUBSCRIPTION,
    needs_subscription,
    our_subscriptions,
    registry_model,
    subscribe,
    subscription_name,
    unsubscribe,
)

PHI = "azureml://registries/azureml/models/Phi-4-mini-instruct"
LLAMA = "azureml://registries/azureml-meta/models/Llama-3.3-70B-Instruct"


class Marketplace:
    """Remembers what was subscribed, and refuses what it is told to."""

    def __init__(self, *standing: dict[str, str], refusal: CloudError | None = None) -> None:
        self.standing, self.refusal = list(standing), refusal
        self.made: dict[str, str] = {}

    def get_list(self, path: str, api_version: str) -> list[dict[str, Any]]:
        assert path == "/ws/marketplaceSubscriptions"
        return [{"name": one["name"], "properties": one} for one in self.standing]

    def put(self, path: str, api_version: str, body: dict[str, Any]) -> dict[str, Any]:
        if self.refusal is not None:
            raise self.refusal
        self.made[path] = body["properties"]["modelId"]
        return body

    def delete(self, path: str, api_version: str) -> bool:
        self.standing = [one for one in self.standing if one["name"] != path.rpartition("/")[2]]
        return True


def subscription(model: str, status: str = "Subscribed", name: str = "mine") -> dict[str, str]:
    return {"name": name, "modelId": model, "marketplaceSubscriptionStatus": status}


def bought(market: Marketplace, model: str) -> list[str]:
    """Subscribe, and give the models that were bought for it."""
    subscribe(market, "/ws", model, lambda line: None)  # type: ignore[arg-type]
    return list(market.made.values())


def test_only_other_makers_models_are_subscribed_to() -> None:
    said: list[str] = []
    market = Marketplace()
    subscribe(market, "/ws", PHI, said.append)  # type: ignore[arg-type]
    assert (market.made, said) == ({}, [])
    subscribe(market, "/ws", f"{LLAMA}/versions/3", said.append)  # type: ignore[arg-type]
    assert market.made == {"/ws/marketplaceSubscriptions/tunestack-llama-3-3-70b-instruct": LLAMA}
    assert "its maker bills" in said[0]


def test_a_model_is_known_by_its_name_alone() -> None:
    assert registry_model("Llama-3.3-70B-Instruct") == LLAMA
    assert needs_subscription(LLAMA) and not needs_subscription(PHI)
    assert subscription_name(LLAMA) == "tunestack-llama-3-3-70b-instruct"
    assert bought(Marketplace(), "Llama-3.3-70B-Instruct") == [LLAMA]
    assert bought(Marketplace(), "Phi-4-mini-instruct") == []


@pytest.mark.parametrize(
    ("standing", "buys"),
    [
        (subscription(LLAMA.upper()), []),
        (subscription(LLAMA, "Suspended"), [LLAMA]),
        (subscription(PHI), [LLAMA]),
    ],
)
def test_one_in_force_of_any_name_serves_as_well(standing: dict[str, str], buys: list[str]) -> None:
    assert bought(Marketplace(standing), LLAMA) == buys


def test_a_refusal_names_every_right_or_else_what_the_marketplace_wants() -> None:
    for status, told in ((403, [*ON_SUBSCRIPTION, *ON_GROUP]), (400, ["a way of paying"])):
        refusal = CloudError("no", status=status, code="Refused", request_id="7", hint="Ask Azure.")
        with pytest.raises(CloudError) as caught:
            bought(Marketplace(refusal=refusal), LLAMA)
        assert all(one in caught.value.hint for one in told)
        assert caught.value.hint.endswith("Ask Azure.")
        assert (caught.value.status, caught.value.request_id) == (status, "7")
        assert ("sign/action" in caught.value.hint) == (status == 403)


def test_only_our_own_are_listed_and_ended() -> None:
    market = Marketplace(
        subscription(LLAMA, name="somebodys"), subscription(LLAMA, name="tunestack-llama")
    )
    assert our_subscriptions(market, "/ws") == ["tunestack-llama"]  # type: ignore[arg-type]
    unsubscribe(market, "/ws", "tunestack-llama")  # type: ignore[arg-type]
    assert [one["name"] for one in market.standing] == ["somebodys"]
