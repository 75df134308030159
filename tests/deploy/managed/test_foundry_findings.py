"""What would stop a Foundry deployment, told before anything is sent: one table of cases."""

from typing import Any

import pytest

from core.model_quota import TokenQuota
from deploy.managed.contract import Hosted, HostedOrder
from deploy.managed.foundry_findings import Standing, findings
from deploy.managed.names import LEGAL, LEGAL_ENDPOINT, deployment_name, endpoint_name
from deploy.managed.offers import Offer, is_openai, offer_of, room_for

TUNED = "gpt-4.1-mini-2025-04-14.ft-0e208cf3-travel"
MINI = Offer("gpt-4.1-mini", "2025-04-14", "OpenAI", ("Standard", "GlobalStandard"))
OSS = Offer("gpt-oss-20b", "1", "OpenAI-OSS", ("GlobalStandard",))
GONE = Offer("gpt-4o", "2024-08-06", "OpenAI", ("Standard",), "2026-10-01", "Deprecated")
ROWS = (
    TokenQuota("OpenAI.DeveloperTier.gpt-4.1-mini-finetune", "Mini - finetune - Developer", 10, 50),
    TokenQuota("OpenAI.GlobalStandard.gpt-4.1-mini-finetune", "Mini - finetune - Global", 0, 0),
    TokenQuota("OpenAI.GlobalStandard.gpt-4.1-mini", "Mini - Global", 245, 250),
    TokenQuota("AIServices.GlobalStandard.gpt-oss-20b", "gpt-oss-20b - Global", 0, 100),
    TokenQuota("AIServices.GlobalStandard.gpt-oss-20b-finetune", "gpt-oss-20b - finetune", 90, 100),
)
STANDING = Standing("eastus2", (MINI, OSS, GONE), ROWS, filters=("tunestack", "Microsoft.Default"))


def order(**chosen: Any) -> HostedOrder:
    return HostedOrder(**{"name": "travel", "model": TUNED, **chosen})


def base(**chosen: Any) -> HostedOrder:
    fields: dict[str, Any] = {"name": "travel-base", "serves": "base", "sku": "GlobalStandard"}
    return HostedOrder(**{**fields, "model": "gpt-4.1-mini-2025-04-14", **chosen})


def hosted(**known: Any) -> Hosted:
    fields: dict[str, Any] = {"route": "openai", "serves": "tuned", "state": "Succeeded"}
    return Hosted(**{**fields, "name": "travel", "model": TUNED, **known})


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (order(sku="GlobalStandard"), "5 thousand tokens a minute needed, 0 free of 0"),
        (order(capacity=41), "41 thousand tokens a minute needed, 40 free of 50"),
        (order(name="a b"), "--name 'a b': a deployment's name has 2 to 64"),
        (order(content_filter="mine"), "--content-filter mine: the account has tunestack"),
        (base(sku="DeveloperTier"), "--sku DeveloperTier is for tuned models"),
        (order(model="gpt-oss-20b.ft-1"), "--sku DeveloperTier is for OpenAI's models"),
        (order(sku="DataZoneStandard"), "is offered as Standard, GlobalStandard"),
        (base(model="gpt-4o-2024-08-06", sku="Standard"), "retired since 2026-10-01"),
        (base(model="gpt-9"), "gpt-9 is not among the models of eastus2"),
    ],
)
def test_each_obstacle_is_found_and_named(wanted: HostedOrder, told: str) -> None:
    (found,) = findings([wanted], STANDING)
    assert told in found


def test_what_can_be_made_finds_nothing() -> None:
    assert findings([order(), base()], STANDING) == []


def test_all_obstacles_are_told_at_once() -> None:
    found = findings([order(name="?", content_filter="x", capacity=99)], STANDING)
    assert [text.split()[0] for text in found] == ["--name", "--content-filter", "Mini"]


def test_a_short_quota_names_its_row_where_to_raise_it_and_what_would_fit() -> None:
    (found,) = findings([order(capacity=41)], STANDING)
    assert "OpenAI.DeveloperTier.gpt-4.1-mini-finetune" in found
    assert "Request quota: 51" in found
    assert "--capacity 40" in found


def test_tuned_and_base_draw_on_rows_of_their_own() -> None:
    both = [
        order(model="gpt-oss-20b.ft-1", sku="GlobalStandard", capacity=11),
        base(model="gpt-oss-20b", capacity=100),
    ]
    (found,) = findings(both, STANDING)
    assert "gpt-oss-20b-finetune" in found


def test_orders_for_the_same_row_are_counted_together() -> None:
    two = [order(name="one", capacity=21), order(name="two", capacity=20)]
    assert "41 thousand" in findings(two, STANDING)[0]


def test_a_larger_deployment_needs_only_what_it_has_not_yet() -> None:
    stands = Standing(
        "eastus2", (MINI,), ROWS, (hosted(sku="DeveloperTier", capacity=10),), ("tunestack",)
    )
    assert findings([order(capacity=50)], stands) == []
    assert "41 thousand" in findings([order(capacity=51)], stands)[0]


def test_a_name_that_serves_another_model_is_not_taken_over() -> None:
    stands = Standing("eastus2", (MINI,), ROWS, (hosted(model="gpt-4.1-mini-2025-04-14.ft-9"),))
    (found,) = findings([order()], stands)
    assert "Azure changes no deployment's model" in found
    assert "tunestack undeploy travel first" in found


def test_the_developer_row_is_found_whatever_azure_calls_the_kind() -> None:
    odd = TokenQuota("OpenAI.Developer.gpt-4.1-mini-finetune", "odd", 0, 1)
    assert room_for([odd], order(), MINI) == odd


def test_a_row_that_is_not_listed_stops_nothing() -> None:
    assert findings([order()], Standing("eastus2", (MINI,))) == []


def test_a_base_model_is_found_with_its_version_without_it_and_behind_a_tuned_name() -> None:
    found = [offer_of([OSS, MINI], name) for name in ("gpt-4.1-mini", MINI.id, TUNED)]
    assert found == [MINI] * 3
    assert offer_of([MINI], "gpt-4.1") is None


@pytest.mark.parametrize(
    ("model", "is_it"),
    [
        (TUNED, True),
        ("o4-mini-2025-04-16", True),
        ("gpt-oss-20b.ft-1", False),
        ("Qwen3-32B", False),
    ],
)
def test_open_models_are_told_from_openais(model: str, is_it: bool) -> None:
    assert is_openai(model) is is_it


@pytest.mark.parametrize(
    "model", ["travel", "My Model!", "x" * 90, TUNED, "1st", "--", "a.b-" * 20]
)
def test_names_are_legal_and_repeatable(model: str) -> None:
    for side in ("tuned", "base"):
        assert LEGAL.fullmatch(deployment_name(model, side))
        assert LEGAL_ENDPOINT.fullmatch(endpoint_name(model, side, "prj-dev"))
        assert endpoint_name(model, side, "prj-dev") != endpoint_name(model, side, "prj-test")
    assert deployment_name(model, "tuned") != deployment_name(model, "base")
