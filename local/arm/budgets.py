"""Budgets: Azure's rules for amounts, months and mails. Nothing is ever spent and no mail goes out.

The rules are those of the published type's own descriptions (Microsoft.Consumption 2024-08-01);
the refusal of another start is as reported in Azure/CanadaPubSecALZ#317, the other messages and
the code are not verified.
"""

import re
import uuid
from datetime import UTC, date, datetime
from typing import Any

from local.arm.extensions import document, path_of, register, scope_of
from local.arm.ids import name_of
from local.operations import Answer, Call, Refusal, operation
from local.state import Document

BUDGETS = "Microsoft.Consumption/budgets"
NAME = re.compile(r"[a-zA-Z0-9_-]{1,63}")
MONTHS = {"Monthly": 1, "Quarterly": 3, "Annually": 12}
"""How long the time of a budget is; the billing ones are for web direct customers only."""

FIRST = date(2017, 6, 1)
MOST_AHEAD = 12
MOST_NOTIFICATIONS = 5
MOST_EMAILS = 50
YEARS = 10
OPERATORS = ("EqualTo", "GreaterThan", "GreaterThanOrEqualTo")
KINDS = ("Actual", "Forecasted")


@operation(
    "PUT",
    path_of(BUDGETS),
    action=f"{BUDGETS}/write",
    note="amount, months, mails and the start that stays are checked; nothing is spent, so that"
    " currentSpend is 0 and no mail goes out",
)
def put_budget(call: Call) -> Answer:
    """Create or change a budget."""
    scope_of(call)
    with call.world.state.transaction():
        before = call.world.state.get(call.path)
        properties = _checked(call, before)
        etag = f'"{uuid.uuid4().hex[:16]}"'
        budget = document(call, BUDGETS, properties, eTag=etag)
        call.world.state.put(call.path, BUDGETS, budget)
    return Answer(budget, status=200 if before else 201)


def _checked(call: Call, before: Document | None) -> dict[str, Any]:
    sent = call.body.get("properties") or {}
    missing = [key for key in ("amount", "category", "timeGrain", "timePeriod") if key not in sent]
    if missing:
        raise _bad(f"The budget lacks: {', '.join(missing)}.")
    if not NAME.fullmatch(name_of(call.path)):
        raise _bad(f"'{name_of(call.path)}' is no budget's name: it must match {NAME.pattern}.")
    amount = sent["amount"]
    if isinstance(amount, bool) or not isinstance(amount, int | float) or amount <= 0:
        raise _bad(f"The amount is {amount!r}: it must be greater than zero.")
    if sent["category"] != "Cost":
        raise _bad(f"The category {sent['category']!r} is not played here: Cost.")
    asked = call.body.get("eTag")
    if asked and before and asked != before["eTag"]:
        raise Refusal(412, "412", "The budget was changed meanwhile: its eTag is another one.")
    _check_notifications(sent.get("notifications") or {})
    return {**sent, "timePeriod": _period(sent, before), "currentSpend": _nothing()}


def _period(sent: dict[str, Any], before: Document | None) -> dict[str, str]:
    grain, period = sent["timeGrain"], sent["timePeriod"]
    if grain not in MONTHS:
        raise _bad(f"The time grain {grain!r} is not played here: {', '.join(MONTHS)}.")
    start = _day(period.get("startDate"))
    if start.day != 1:
        raise _bad("Start date should be the first of the month.")
    end = _day(period["endDate"]) if period.get("endDate") else start.replace(start.year + YEARS)
    if start >= end:
        raise _bad("Start date should be less than the end date.")
    _check_start(start, MONTHS[grain], before)
    return {"startDate": _moment(start), "endDate": _moment(end)}


def _check_start(start: date, months: int, before: Document | None) -> None:
    if before is not None:
        if before["properties"]["timePeriod"]["startDate"] != _moment(start):
            raise _bad(
                "Start date of budgets cannot be updated. Please delete and create a new budget."
            )
        return
    if start < FIRST:
        raise _bad("Start date should be on or after June 1, 2017.")
    ahead = _month(start) - _month(datetime.now(UTC).date())
    if ahead > MOST_AHEAD:
        raise _bad("Future start date should not be more than twelve months.")
    if ahead <= -months:
        raise _bad("Past start date should be selected within the time grain period.")


def _check_notifications(notifications: dict[str, Any]) -> None:
    if len(notifications) > MOST_NOTIFICATIONS:
        raise _bad(f"{len(notifications)} notifications: at most {MOST_NOTIFICATIONS}.")
    for name, one in notifications.items():
        emails, threshold = one.get("contactEmails") or [], one.get("threshold")
        if not 1 <= len(emails) + len(one.get("contactGroups") or []) <= MOST_EMAILS:
            raise _bad(f"The notification {name!r} needs 1 to {MOST_EMAILS} contacts.")
        if not isinstance(threshold, int | float) or not 0 <= threshold <= 1000:
            raise _bad(f"The threshold of {name!r} is {threshold!r}: it must be 0 to 1000 percent.")
        if one.get("operator") not in OPERATORS:
            raise _bad(f"The operator of {name!r} is none of {', '.join(OPERATORS)}.")
        if one.get("thresholdType", "Actual") not in KINDS:
            raise _bad(f"The thresholdType of {name!r} is none of {', '.join(KINDS)}.")
        if not isinstance(one.get("enabled"), bool):
            raise _bad(f"The notification {name!r} does not say whether it is enabled.")


def _day(text: Any) -> date:
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")).date()
    except ValueError as error:
        raise _bad(f"{text!r} is no date.") from error


def _moment(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def _month(day: date) -> int:
    return day.year * 12 + day.month


def _nothing() -> dict[str, Any]:
    return {"amount": 0.0, "unit": "USD"}


def _bad(message: str) -> Refusal:
    return Refusal(400, "400", message)


register(BUDGETS)
