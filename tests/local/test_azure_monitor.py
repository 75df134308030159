"""Budgets, diagnostic settings, action groups and alerts are checked as Azure checks them."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from azure_group import Group, Raw

from core.arm import Arm
from core.errors import CloudError

BUDGETS_API = "2024-08-01"
SETTINGS_API = "2021-05-01-preview"


def month(ahead: int = 0) -> str:
    """Write the first of the month that many months from this one."""
    today = datetime.now(UTC).date()
    years, index = divmod(today.year * 12 + today.month - 1 + ahead, 12)
    return f"{date(years, index + 1, 1).isoformat()}T00:00:00Z"


def budget(**changes: Any) -> dict[str, Any]:
    mail = {
        "enabled": True,
        "operator": "GreaterThanOrEqualTo",
        "threshold": 80,
        "contactEmails": ["nlp@example.com"],
    }
    properties = {
        "category": "Cost",
        "amount": 100,
        "timeGrain": "Monthly",
        "timePeriod": {"startDate": month()},
        "notifications": {"actual80": mail},
    }
    return {"properties": {**properties, **changes}}


def path(group: Group, name: str = "monthly") -> str:
    return group.path(f"Microsoft.Consumption/budgets/{name}")


def mailing(**changes: Any) -> dict[str, Any]:
    mail = budget()["properties"]["notifications"]["actual80"]
    return {"notifications": {"actual80": {**mail, **changes}}}


def test_a_budget_is_kept_with_what_azure_adds(group: Group) -> None:
    made = group.arm.put(path(group), BUDGETS_API, budget())
    assert made["properties"]["currentSpend"] == {"amount": 0.0, "unit": "USD"}
    start, end = (made["properties"]["timePeriod"][key] for key in ("startDate", "endDate"))
    assert (start, int(end[:4]) - int(start[:4])) == (month(), 10)
    assert group.arm.get(path(group), BUDGETS_API) == made
    assert group.arm.get_list(path(group).rpartition("/")[0], BUDGETS_API) == [made]
    assert group.arm.delete(path(group), BUDGETS_API)
    assert not group.arm.delete(path(group), BUDGETS_API)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount": 0}, "greater than zero"),
        ({"amount": -5}, "greater than zero"),
        ({"timePeriod": {"startDate": month(-1)}}, "within the time grain"),
        ({"timePeriod": {"startDate": month(13)}}, "twelve months"),
        ({"timePeriod": {"startDate": "2017-05-01T00:00:00Z"}}, "June 1, 2017"),
        ({"timePeriod": {"startDate": "2026-11-15T00:00:00Z"}}, "first of the month"),
        ({"timePeriod": {"startDate": month(), "endDate": month(-1)}}, "less than the end"),
        ({"timePeriod": {"startDate": "soon"}}, "no date"),
        ({"timeGrain": "Weekly"}, "Weekly"),
        (mailing(contactEmails=[]), "contacts"),
        (mailing(threshold=1001), "0 to 1000"),
        (mailing(operator="Above"), "operator"),
        ({"notifications": {f"n{i}": {} for i in range(6)}}, "at most 5"),
    ],
)
def test_a_budget_that_azure_would_refuse_is_refused(
    group: Group, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(CloudError, match=reason) as caught:
        group.arm.put(path(group), BUDGETS_API, budget(**changes))
    assert caught.value.status == 400
    assert group.arm.get(path(group), BUDGETS_API) is None


def test_a_quarter_may_have_begun_before_this_month(group: Group) -> None:
    quarterly = budget(timeGrain="Quarterly", timePeriod={"startDate": month(-2)})
    assert group.arm.put(path(group), BUDGETS_API, quarterly)


def test_a_budgets_start_cannot_be_changed_and_everything_else_can(group: Group) -> None:
    group.arm.put(path(group), BUDGETS_API, budget())
    with pytest.raises(CloudError, match="Start date of budgets cannot be updated"):
        group.arm.put(path(group), BUDGETS_API, budget(timePeriod={"startDate": month(1)}))
    assert group.arm.put(path(group), BUDGETS_API, budget(amount=7))["properties"]["amount"] == 7


def test_a_budget_goes_with_its_group(group: Group, raw: Raw) -> None:
    group.arm.put(path(group), BUDGETS_API, budget())
    group.arm.delete(group.id, "2024-03-01")
    assert raw.refused("GET", path(group)) == (404, "ResourceGroupNotFound")


@pytest.fixture
def logs(group: Group) -> str:
    return str(group.put("Microsoft.OperationalInsights/workspaces/logs", {})["id"])


def setting(logs: str, *categories: str) -> dict[str, Any]:
    kinds = [{"category": name, "enabled": True} for name in categories]
    return {"properties": {"workspaceId": logs, "logs": kinds}}


def grouped(logs: str, **log: str) -> dict[str, Any]:
    return {"properties": {"workspaceId": logs, "logs": [{"enabled": True, **log}]}}


def put_setting(group: Group, body: dict[str, Any], name: str = "mine") -> dict[str, Any]:
    on = f"{group.path('Microsoft.Storage/storageAccounts')}/{group.unique}"
    return group.arm.put(
        f"{on}/providers/Microsoft.Insights/diagnosticSettings/{name}", SETTINGS_API, body
    )


def test_a_setting_lies_on_a_resource_and_goes_with_it(group: Group, logs: str) -> None:
    account = group.storage()["id"]
    made = put_setting(group, setting(logs, "StorageRead"))
    folder = f"{account}/providers/Microsoft.Insights/diagnosticSettings"
    assert group.arm.get_list(folder, SETTINGS_API) == [made]
    assert group.arm.delete(account, "2024-01-01")
    assert group.arm.get(made["id"], SETTINGS_API) is None


def test_a_setting_on_nothing_or_to_nothing_is_refused(group: Group, logs: str) -> None:
    with pytest.raises(CloudError, match="could not be found"):
        put_setting(group, setting(logs, "StorageRead"))
    group.storage()
    with pytest.raises(CloudError, match="does not exist"):
        put_setting(group, setting(f"{logs}-gone", "StorageRead"))
    with pytest.raises(CloudError, match="workspaceId is missing"):
        put_setting(group, setting("", "StorageRead"))
    with pytest.raises(CloudError, match="must be enabled"):
        put_setting(group, setting(logs))
    with pytest.raises(CloudError, match="not supported"):
        put_setting(group, grouped(logs, categoryGroup="someLogs"))
    with pytest.raises(CloudError, match="either a category or a category group"):
        put_setting(group, grouped(logs, categoryGroup="audit", category="StorageRead"))


def test_a_sink_takes_a_category_of_a_resource_once(group: Group, logs: str) -> None:
    group.storage()
    put_setting(group, setting(logs, "StorageRead"))
    put_setting(group, setting(logs, "StorageRead"))
    put_setting(group, setting(logs, "StorageWrite"), "other")
    with pytest.raises(CloudError, match="already used in diagnostic setting 'mine'") as caught:
        put_setting(group, setting(logs, "StorageRead"), "third")
    assert (caught.value.status, caught.value.code) == (409, "Conflict")


def action_group(group: Group, **changes: Any) -> dict[str, Any]:
    receivers = [{"name": "nlp", "emailAddress": "nlp@example.com"}]
    properties = {"groupShortName": "tunestack", "enabled": True, "emailReceivers": receivers}
    body = {"location": "global", "properties": {**properties, **changes}}
    return group.put("Microsoft.Insights/actionGroups/mails", body)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"groupShortName": "thirteen-char"}, "12 characters"),
        ({"groupShortName": ""}, "groupShortName"),
        ({"enabled": None}, "enabled"),
        ({"emailReceivers": [{"name": "a", "emailAddress": "nobody"}]}, "no email address"),
        ({"emailReceivers": [{"emailAddress": "a@example.com"}]}, "name of its own"),
    ],
)
def test_a_wrong_action_group_is_refused(
    group: Group, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(CloudError, match=reason):
        action_group(group, **changes)


def test_an_action_group_is_a_tracked_resource(group: Group) -> None:
    made = action_group(group)
    assert "provisioningState" not in made["properties"]
    assert [item["id"] for item in group.arm.get_list(f"{group.id}/resources", "2021-04-01")] == [
        made["id"]
    ]


def alert(group: Group, scope: str, **changes: Any) -> dict[str, Any]:
    criterion = {
        "criterionType": "StaticThresholdCriterion",
        "name": "used",
        "metricName": "UsedCapacity",
        "operator": "GreaterThan",
        "threshold": 1,
        "timeAggregation": "Average",
    }
    properties = {
        "severity": 2,
        "enabled": True,
        "scopes": [scope],
        "evaluationFrequency": "PT5M",
        "windowSize": "PT15M",
        "criteria": {
            "odata.type": "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
            "allOf": [criterion],
        },
        "actions": [],
    }
    location = changes.pop("location", "global")
    return group.put(
        "Microsoft.Insights/metricAlerts/used",
        {"location": location, "properties": {**properties, **changes}},
    )


def test_an_alert_is_about_a_resource_that_is_there(group: Group) -> None:
    account = group.storage()["id"]
    assert alert(group, account)["properties"]["scopes"] == [account]
    with pytest.raises(CloudError, match="does not exist"):
        alert(group, f"{account}gone")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"location": "eastus2"}, "global"),
        ({"severity": 5}, "0 to 4"),
        ({"windowSize": "PT1M"}, "shorter than the frequency"),
        ({"evaluationFrequency": "PT2M"}, "A frequency is one of"),
        ({"criteria": {"odata.type": "x", "allOf": [{}]}}, "Only criteria"),
        ({"actions": [{"actionGroupId": "/subscriptions/x"}]}, "action group"),
        ({"criteria": None}, "properties.criteria"),
    ],
)
def test_a_wrong_alert_is_refused(group: Group, changes: dict[str, Any], reason: str) -> None:
    account = group.storage()["id"]
    changes = {"location": "global", **changes}
    with pytest.raises(CloudError, match=reason):
        alert(group, account, **changes)


def test_who_may_only_read_may_set_no_budget(group: Group, acting_as: Any) -> None:
    reader = group.identity("reader")
    group.grant(reader, "Reader", group.id)
    theirs = Arm(acting_as(reader))
    assert theirs.get_list(path(group).rpartition("/")[0], BUDGETS_API) == []
    with pytest.raises(CloudError, match=r"Microsoft\.Consumption/budgets/write") as caught:
        theirs.put(path(group), BUDGETS_API, budget())
    assert caught.value.status == 403
