"""What a stack costs follows from its settings, and covers what the program declares."""

from datetime import date
from typing import Any

import pytest
from recorded_arm import FakeCloud, engine, ignore

from core.price_list import LOW_PRIORITY, Meter, PriceList, Quote, shipped
from core.settings import Settings, parse_settings
from infra.prices import (
    Price,
    Run,
    outlook,
    per_hour,
    prices,
    sizes,
    standing_price,
)

TODAY = date(2026, 11, 25)
SOME_RUN = Run(2.0, "as told")


def standing(chosen: dict[str, Any]) -> dict[str, float | None]:
    rows = prices(parse_settings(chosen), today=TODAY)
    return {row.what: row.per_hour for row in rows if row.when == "standing" and row.per_hour}


def cheap(settings: Settings) -> PriceList:
    """A list in which everything costs a round sum."""
    source = shipped(settings.location, ()).meters[Meter.REGISTRY_BASIC].source
    vms = {(size.lower(), "Dedicated"): Quote(4.0, source) for size in sizes(settings)}
    low = {(size.lower(), LOW_PRIORITY): Quote(1.0, source) for size in sizes(settings)}
    return PriceList(settings.location, {**vms, **low}, dict.fromkeys(Meter, Quote(0.5, source)))


def test_a_stack_that_only_stands_costs_its_registry_and_a_load_balancer() -> None:
    assert standing({}) == {
        "container registry, Basic": pytest.approx(0.167 / 24),
        "load balancer of a cluster": pytest.approx(0.33 / 24),
    }


def test_a_private_network_costs_its_endpoints_and_a_premium_registry() -> None:
    assert standing({"privateNetwork": True}) == {
        "container registry, Premium": pytest.approx(1.6666 / 24),
        "4 × private endpoint": pytest.approx(0.04),
    }


def test_every_cluster_of_up_to_fifty_nodes_has_a_load_balancer() -> None:
    more = {"clusters": ["Standard_NC40ads_H100_v5*51"], "lowPriority": True}
    assert standing(more)["4 × load balancer of a cluster"] == pytest.approx(4 * 0.33 / 24)


def test_what_is_adopted_is_not_the_stacks_to_pay() -> None:
    adopting = {"adoptGroup": "rg-research", "adoptWorkspace": "mlw-research"}
    assert list(standing(adopting)) == ["load balancer of a cluster"]


@pytest.mark.parametrize(
    "chosen",
    [{}, {"privateNetwork": True}, {"privateNetwork": True, "hardened": True}, {"hub": True}],
    ids=str,
)
def test_the_priced_registry_and_endpoints_are_those_that_are_declared(
    chosen: dict[str, Any],
) -> None:
    cloud = FakeCloud()
    engine(cloud, **chosen).up(ignore)
    (registry,) = cloud.arm.of_type("Microsoft.ContainerRegistry/registries")
    assert f"container registry, {registry['sku']['name']}" in standing(chosen)
    workspaces = cloud.arm.of_type("Microsoft.MachineLearningServices/workspaces")
    rules = [
        rule
        for item in workspaces
        for rule in ((item["properties"].get("managedNetwork") or {}).get("outboundRules") or {})
        .values()
    ]  # fmt: skip
    targets = {str(rule["destination"]["serviceResourceId"]).lower() for rule in rules}
    by_azure = bool(rules) and registry["id"].lower() not in targets
    found = prices(parse_settings(chosen), cheap(parse_settings(chosen)), TODAY)
    priced = sum(row.per_hour or 0 for row in found if "private endpoint" in row.what) / 0.5
    assert len(rules) + by_azure == priced


def test_every_declared_resource_is_billed_by_use_or_has_a_price() -> None:
    cloud = FakeCloud()
    features = {"hub": True, "foundry": True, "monitoring": True, "privateNetwork": True}
    engine(cloud, **features).up(ignore)
    for item in cloud.arm.resources.values():
        type = item.get("type", "Microsoft.Resources/resourceGroups")
        if type.endswith("/computes"):
            continue  # its nodes are priced where they are counted
        sku = str((item.get("sku") or {}).get("name") or "")
        assert standing_price(type, sku) is not None, type


def test_what_no_list_names_has_no_price() -> None:
    assert standing_price("Microsoft.ContainerRegistry/registries", "Classic") is None
    assert standing_price("Some.Thing/else", "") is None
    assert standing_price("microsoft.insights/metricAlerts", "") == pytest.approx(0.1 / 730)


def test_each_cluster_has_its_own_price_by_size_and_priority() -> None:
    settings = parse_settings({"lowPriority": True, "clusters": ["Standard_NC40ads_H100_v5*2"]})
    rows = {row.what: row for row in prices(settings, cheap(settings), TODAY)}
    assert rows["one cluster node, Standard_NC24ads_A100_v4"].per_hour == 4.0
    assert rows["one low-priority node, Standard_NC24ads_A100_v4"].per_hour == 1.0
    assert rows["one node, Standard_NC40ads_H100_v5"].when == "further clusters"
    assert per_hour(rows.values(), "training") == 4.0


def test_a_price_that_is_not_known_says_so_and_leaves_the_sum_unknown() -> None:
    found = prices(parse_settings({"lowPriority": True}), today=TODAY)
    (low,) = [row for row in found if row.when == "further clusters"]
    assert (low.per_hour, "were not reached" in low.source) == (None, True)
    odd = prices(parse_settings({"vmSize": "Standard_Odd_v9"}), today=TODAY)
    sums = outlook(odd, SOME_RUN)
    assert (sums.training_run, sums.unknown) == (None, ("one cluster node, Standard_Odd_v9",))
    assert sums.standing_month is not None


def test_the_outlook_sums_up_a_month_a_run_and_an_endpoint() -> None:
    rows = (
        Price("a", "standing", 0.5, ""),
        Price("b", "standing", 0.25, ""),
        Price("node", "training", 4.0, ""),
        Price("instance", "serving", 1.0, ""),
    )
    sums = outlook(rows, SOME_RUN)
    assert (sums.standing_hour, sums.standing_month) == (0.75, 547.5)
    assert (sums.training_run, sums.training_hours, sums.training_basis) == (8.0, 2.0, "as told")
    assert sums.endpoint_month == 730.0
    assert sums.document()["unknown"] == ()


def test_prices_of_the_table_say_whose_region_they_are_and_how_old() -> None:
    for row in prices(parse_settings({"location": "swedencentral"}), today=TODAY):
        if row.per_hour and "private" not in row.what and "balancer" not in row.what:
            assert "not swedencentral's" in row.source
            assert "days old" in row.source
