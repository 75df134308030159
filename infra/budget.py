"""The stack's budget: Azure mails when a month's cost reaches a share of it, and stops nothing.

Azure counts in the subscription's billing currency and some hours late. A budget of an own group
sees all that is in it; in an adopted one it sees what carries the stack's tag.
"""

from datetime import UTC, date, datetime

import pulumi
from pulumi_azure_native import consumption, resources

from infra.site import STACK_TAG, Site

THRESHOLDS = (("Actual", 50), ("Actual", 80), ("Actual", 100), ("Forecasted", 100))
"""Percent at which a mail goes out; Azure takes five at most."""


class Budget(pulumi.ComponentResource):
    """A monthly budget on the stack's resource group, with mails to `alert_emails`."""

    def __init__(self, site: Site, group: resources.ResourceGroup) -> None:
        super().__init__("tunestack:infra:Budget", "budget")
        self.resource = consumption.Budget(
            "monthly-budget",
            budget_name=site.names.budget,
            scope=group.id,
            amount=site.settings.budget,
            category="Cost",
            time_grain="Monthly",
            time_period=consumption.BudgetTimePeriodArgs(start_date=first_of_month(today())),
            notifications=_notifications(site.settings.alert_emails),
            filter=_own_costs(site) if site.settings.adopt_group else None,
            # Azure takes only the month of creation as a start, and then never another one
            # ("Start date of budgets cannot be updated", Azure/CanadaPubSecALZ#317): so it comes
            # from the clock of the first `up`, and every later one leaves it alone.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["time_period"]),
        )
        self.register_outputs({})


def today() -> date:
    """Give the day in UTC, in which Azure counts months."""
    return datetime.now(UTC).date()


def first_of_month(day: date) -> str:
    """Write the first moment of a day's month as Azure writes it back."""
    return f"{day.replace(day=1).isoformat()}T00:00:00Z"


def _notifications(emails: tuple[str, ...]) -> dict[str, consumption.NotificationArgs]:
    return {
        f"{kind.lower()}{percent}": consumption.NotificationArgs(
            enabled=True,
            operator="GreaterThanOrEqualTo",
            threshold=percent,
            threshold_type=kind,
            contact_emails=list(emails),
        )
        for kind, percent in THRESHOLDS
    }


def _own_costs(site: Site) -> consumption.BudgetFilterArgs:
    return consumption.BudgetFilterArgs(
        tags=consumption.BudgetComparisonExpressionArgs(
            name=STACK_TAG, operator="In", values=[site.tags[STACK_TAG]]
        )
    )
