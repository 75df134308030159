"""What the program promises about a stack's budget."""

import os
from datetime import date
from typing import Any

import pytest
from recorded_arm import FakeCloud, arm_type, engine, ignore

from core.cloud import Cloud
from core.settings import parse_settings
from infra.budget import first_of_month
from infra.engine import Change, Event
from infra.in_process.engine import InProcess
from local.process import LocalAzure

WITH = {"budget": 120, "alertEmails": ["nlp@example.com", "cfo@example.com"]}


def budget(cloud: FakeCloud) -> dict[str, Any]:
    (found,) = cloud.arm.of_type(arm_type("budget"))
    return found


def on(monkeypatch: pytest.MonkeyPatch, day: date) -> None:
    """Let the program run on another day."""
    monkeypatch.setattr("infra.budget.today", lambda: day)


def test_a_stack_that_asks_for_none_has_none(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    assert cloud.arm.of_type(arm_type("budget")) == []


def test_the_group_has_a_monthly_budget_that_mails_at_50_80_100_and_when_100_is_foreseen(
    cloud: FakeCloud,
) -> None:
    outputs = engine(cloud, **WITH).up(ignore)
    found = budget(cloud)
    properties = found["properties"]
    scope = found["id"].partition("/providers/")[0]
    assert scope.endswith(f"/resourceGroups/{outputs.resource_group}")
    assert (properties["amount"], properties["timeGrain"]) == (120, "Monthly")
    told = {
        (one["thresholdType"], one["threshold"]) for one in properties["notifications"].values()
    }
    assert told == {("Actual", 50), ("Actual", 80), ("Actual", 100), ("Forecasted", 100)}
    for one in properties["notifications"].values():
        assert one["contactEmails"] == ["nlp@example.com", "cfo@example.com"]
        assert one["enabled"] is True
    assert "filter" not in properties


def test_in_an_adopted_group_it_counts_what_carries_the_stacks_tag(cloud: FakeCloud) -> None:
    group = f"/subscriptions/{cloud.subscription_id}/resourceGroups/rg-shared"
    cloud.arm.resources[group.lower()] = {"id": group, "name": "rg-shared", "properties": {}}
    engine(cloud, adoptGroup="rg-shared", **WITH).up(ignore)
    tags = budget(cloud)["properties"]["filter"]["tags"]
    assert tags == {"name": "tunestack-stack", "operator": "In", "values": ["local"]}


def test_it_starts_in_the_month_of_the_first_up_and_no_later_up_sends_another(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, date(2026, 11, 21))
    engine(cloud, **WITH).up(ignore)
    on(monkeypatch, date(2027, 2, 3))
    cloud.arm.requests.clear()
    assert not engine(cloud, **WITH).plan().has_changes
    engine(cloud, **WITH).up(ignore)
    assert (cloud.arm.count("PUT"), cloud.arm.count("DELETE")) == (0, 0)
    assert budget(cloud)["properties"]["timePeriod"] == {"startDate": "2026-11-01T00:00:00Z"}


def test_another_amount_is_sent_with_the_start_that_it_has(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, date(2026, 11, 21))
    engine(cloud, **WITH).up(ignore)
    on(monkeypatch, date(2027, 2, 3))
    more = engine(cloud, **{**WITH, "budget": 300})
    (step,) = (step for step in more.plan().steps if step.change is not Change.SAME)
    (difference,) = step.differences
    assert (difference.path, difference.before, difference.after) == ("properties.amount", 120, 300)
    more.up(ignore)
    sent = cloud.arm.bodies[budget(cloud)["id"]]["properties"]
    assert (sent["amount"], sent["timePeriod"]) == (300, {"startDate": "2026-11-01T00:00:00Z"})


def test_made_anew_it_starts_anew(cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, date(2026, 11, 21))
    engine(cloud, **WITH).up(ignore)
    engine(cloud).up(ignore)
    on(monkeypatch, date(2027, 2, 3))
    engine(cloud, **WITH).up(ignore)
    assert budget(cloud)["properties"]["timePeriod"] == {"startDate": "2027-02-01T00:00:00Z"}


def test_taken_out_of_the_settings_it_goes(cloud: FakeCloud) -> None:
    engine(cloud, **WITH).up(ignore)
    engine(cloud).up(ignore)
    assert cloud.arm.of_type(arm_type("budget")) == []


@pytest.mark.parametrize(
    ("day", "written"),
    [
        (date(2026, 11, 21), "2026-11-01T00:00:00Z"),
        (date(2028, 2, 29), "2028-02-01T00:00:00Z"),
        (date(2027, 1, 1), "2027-01-01T00:00:00Z"),
    ],
)
def test_a_month_is_written_as_azure_writes_it_back(day: date, written: str) -> None:
    assert first_of_month(day) == written


def test_azure_takes_it_keeps_its_start_and_nothing_is_left_of_it(
    local_azure: LocalAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stack(amount: int) -> InProcess:
        chosen = {"personType": "ServicePrincipal", "compute": "cpu", **WITH, "budget": amount}
        return InProcess("with-budget", parse_settings(chosen), cloud)

    cloud = Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])
    stack(120).up(ignore)
    (made,) = (item for item in stack(120).resources() if item.title == "budget")
    on(monkeypatch, date(2100, 1, 1))
    events: list[Event] = []
    stack(120).up(events.append)
    assert {event.change for event in events} == {Change.SAME}
    # Azure would refuse another start, and so does the local one.
    stack(300).up(ignore)
    found = cloud.arm.get(made.id, "2024-08-01")
    assert found is not None
    assert found["properties"]["amount"] == 300
    stack(300).destroy(ignore)
    assert cloud.arm.get(made.id, "2024-08-01") is None
