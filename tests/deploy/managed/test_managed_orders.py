"""What a `deploy` of a managed model orders: names that are free, and what stands kept as it is."""

from typing import Any

import pytest

from commands.managed.options import HostingChoices
from commands.managed.ordering import names_for, orders_for
from core.errors import SettingsError
from core.managed_recipe import Route
from core.refs import ModelRef
from deploy.managed.contract import Hosted, HostedOrder
from deploy.managed.names import endpoint_name
from training.managed.contract import TunedModel

BASE = "gpt-4.1-mini-2025-04-14"
OLD, NEW = f"{BASE}.ft-1-travel", f"{BASE}.ft-2-travel"
PROJECT = "prj-dev"
PHI = "azureml://locations/eastus2/workspaces/{}/models/travel/versions/{}"


def model(path: str = NEW, route: Route = "openai", base: str = BASE, **known: Any) -> TunedModel:
    reference = ModelRef(name=path, version=known.pop("version", "1"))
    tags = {"model_name": "travel"}
    return TunedModel(reference, route, base, path=path, tags=tags, **known)


def hosted(name: str, served: str = OLD, serves: Any = "tuned", **known: Any) -> Hosted:
    fields: dict[str, Any] = {"route": "openai", "state": "Succeeded", **known}
    return Hosted(name=name, model=served, serves=serves, **fields)


def ordered(*standing: Hosted, of: TunedModel | None = None, **chosen: Any) -> list[HostedOrder]:
    tuned = of or model()
    return orders_for(tuned, tuned.path, PROJECT, HostingChoices(**chosen), standing)


@pytest.mark.parametrize(
    ("standing", "name"),
    [
        ((), "travel"),
        ((hosted("travel"),), "travel-2"),
        ((hosted("travel"), hosted("travel-2")), "travel-3"),
        ((hosted("travel-2"),), "travel"),
        ((hosted("Travel", NEW),), "Travel"),
        ((hosted("travel"), hosted("mine", NEW)), "mine"),
        ((hosted("travel", BASE, "base"),), "travel-2"),
    ],
)
def test_what_serves_the_model_is_changed_else_the_first_free_name_is_taken(
    standing: tuple[Hosted, ...], name: str
) -> None:
    assert ordered(*standing)[0].name == name


def test_only_earlier_models_of_the_same_name_are_called_earlier() -> None:
    standing = [hosted("travel"), hosted("travel-2", NEW), hosted("other"), hosted("travel-3")]
    found = names_for(model(), PROJECT, "tuned").earlier(NEW, standing)
    assert [one.name for one in found] == ["travel", "travel-3"]


def test_a_serverless_model_tuned_anew_has_an_endpoint_of_its_own() -> None:
    anew = model(PHI.format("guid", 2), "serverless", "Phi-4-mini-instruct")
    first = endpoint_name("travel", "tuned", PROJECT)
    (order,) = ordered(hosted(first, PHI.format("guid", 1)), of=anew)
    assert order.name == endpoint_name("travel", "tuned", PROJECT, 2) != first
    # ARM writes the workspace of the same model in another way.
    (order,) = ordered(hosted(first, PHI.format("prj-dev", 2)), of=anew)
    assert order.name == first


def test_what_is_not_chosen_stays_as_it_is() -> None:
    stands = hosted("travel", NEW, sku="globalstandard", capacity=20, content_filter="mine")
    (order,) = ordered(stands)
    assert (order.sku, order.capacity, order.content_filter) == ("GlobalStandard", 20, "mine")
    (order,) = ordered(stands, sku="Standard", capacity=3)
    assert (order.sku, order.capacity, order.content_filter) == ("Standard", 3, "mine")
    (order,) = ordered(hosted("travel", OLD, sku="GlobalStandard", capacity=20))
    assert (order.sku, order.capacity, order.content_filter) == ("DeveloperTier", 5, "")


def test_content_safety_and_the_way_in_stay_as_they_are() -> None:
    phi = model(PHI.format("guid", 1), "serverless", "Phi-4-mini-instruct")
    stands = hosted("e", phi.path, auth="entra", content_filter="content safety off")
    (order,) = ordered(stands, of=phi)
    assert (order.auth, order.content_safety) == ("entra", False)
    (order,) = ordered(stands, of=phi, auth="key", content_safety=True)
    assert (order.auth, order.content_safety) == ("key", True)
    (order,) = ordered(of=phi)
    assert (order.auth, order.content_safety) == ("key", True)


def test_the_base_model_beside_it_is_never_of_the_developer_kind() -> None:
    tuned, base = ordered(with_base=True, sku="DeveloperTier", capacity=7)
    assert (tuned.name, tuned.sku) == ("travel", "DeveloperTier")
    assert (base.name, base.sku, base.capacity) == ("travel-base", "GlobalStandard", 7)


def test_a_base_model_that_stands_is_used_and_its_name_is_not_given_away() -> None:
    _, base = ordered(hosted("other-base", BASE, "base", capacity=9), with_base=True)
    assert (base.name, base.capacity) == ("other-base", 9)
    _, base = ordered(with_base=True, name="travel-base")
    assert base.name == "travel-base-2"
    with pytest.raises(SettingsError, match="the base model is served under this name"):
        ordered(hosted("travel-base", BASE, "base"), with_base=True, name="travel-base")


def test_a_checkpoints_name_says_its_step() -> None:
    assert ordered(checkpoint=5)[0].name == "travel-step-5"
    assert ordered(of=model(version="ckpt-step-7"))[0].name == "travel-step-7"
