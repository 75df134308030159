"""What commands say about money: today's prices, what a run is taken to last, and `--max-cost`."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from commands.session import Session
from core.errors import CloudError, PrerequisiteError, SettingsError

if TYPE_CHECKING:
    from core.price_list import PriceList
    from infra.engine import Plan
    from infra.prices import Outlook, Price, Run

ASSUMED_HOURS = 1.0
PRICE_PAGES = "https://azure.microsoft.com/pricing"


def max_cost_option(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--max-cost`: refuse where `what` costs more."""
    return click.option(
        "--max-cost",
        type=click.FloatRange(min=0),
        metavar="USD",
        help=f"Refuse if {what} costs more, or a price in it is not known.",
    )


def training_hours_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--training-hours`: what a training run is taken to last."""
    return click.option(
        "--training-hours",
        type=click.FloatRange(min=0, min_open=True),
        help="Hours of a training run.  [default: as the stack's last completed job, else 1]",
    )(command)


def price_list(session: Session, *more: str, asks: bool = True) -> "PriceList":
    """Give the newest prices of the stack's VM sizes, and of `more`; or those that are kept."""
    from core import retail_prices
    from infra.prices import sizes

    if session.is_rehearsal and asks:
        _ = session.cloud  # its proxy lets nobody out, so that a rehearsal asks nobody
    wanted = (*sizes(session.settings), *filter(None, more))
    return retail_prices.price_list(session.settings.location, wanted, asks=asks)


def priced(session: Session, found: "Plan") -> "Plan":
    """Give a plan with today's prices."""
    return replace(found, prices=stack_prices(session))


def stack_prices(session: Session) -> "tuple[Price, ...]":
    """List what the stack costs an hour, by today's prices."""
    from infra.prices import prices

    return prices(session.settings, price_list(session))


def expected_run(session: Session, hours: float | None = None) -> "Run":
    """Say how long a training run is taken to be: as told, as the last one, else an hour."""
    from infra.prices import Run

    if hours is not None:
        return Run(hours, "as told")
    try:
        return _last_run(session) or Run(ASSUMED_HOURS, "assumed: no job has completed yet")
    except PrerequisiteError:
        return Run(ASSUMED_HOURS, "assumed: no stack is up")
    except CloudError:  # a figure must not end what it is only shown beside
        return Run(ASSUMED_HOURS, "assumed: Azure's jobs could not be read")


def _last_run(session: Session) -> "Run | None":
    from datetime import UTC, datetime

    from infra.prices import Run
    from infra.standing.run_times import last_completed
    from infra.standing.workloads import workspace_id

    last = last_completed(session.cloud.arm, workspace_id(session.outputs))
    hours = last.hours(datetime.now(UTC)) if last else None
    return Run(hours, f"as the job {last.name} took") if last and hours else None


def check_max_cost(
    limit: float | None, amount: float | None, what: str, parts: list[str], *, instead: str
) -> None:
    """Refuse what costs more than a person allowed, or what nobody can say the cost of.

    Raises:
        SettingsError: shows the sum's parts and `instead`, what to change.
    """
    if limit is None or (amount is not None and amount <= limit):
        return
    lines = "\n".join(f"  {part}" for part in parts)
    if amount is None:
        raise SettingsError(
            f"--max-cost {limit:g}: what {what.rstrip(',')} costs is not known.\n{lines}",
            hint=f"Look the price up ({PRICE_PAGES}) and leave --max-cost out. Nothing was sent.",
        )
    raise SettingsError(
        f"--max-cost {limit:g}: {what} would be ${amount:,.2f}.\n{lines}",
        hint=f"{instead} Nothing was sent.",
    )


def check_standing(limit: float | None, found: "tuple[Price, ...]") -> None:
    """Hold `--max-cost` against what the stack costs in a month in which nothing runs.

    Raises:
        SettingsError: it is more, or not known.
    """
    from core.price_list import HOURS_A_MONTH
    from infra.prices import per_hour

    standing = per_hour(found, "standing")
    rows = [row for row in found if row.when == "standing" and row.per_hour != 0]
    parts = [f"{row.what}: {_month(row.per_hour)}" for row in rows]
    check_max_cost(
        limit,
        None if standing is None else standing * HOURS_A_MONTH,
        f"a month of {HOURS_A_MONTH} h, with nothing running,",
        parts,
        instead="Turn a feature off (tunestack init --set), or allow more.",
    )


def outlook_lines(found: "Outlook") -> list[str]:
    """Write the sums of a plan, a line each."""
    lines = [
        f"Standing: {dollars(found.standing_hour)} an hour,"
        f" {dollars(found.standing_month)} a month of 730 h.",
        f"A training run: {dollars(found.training_run)} for {found.training_hours:.2g} h on one"
        f" node ({found.training_basis}).",
        f"An endpoint: {dollars(found.endpoint_month)} a month for one instance.",
    ]
    if found.unknown:
        lines.append(f"No price is known for: {'; '.join(found.unknown)}.")
    return lines


def dollars(amount: float | None) -> str:
    """Write USD for a sentence; small amounts keep their digits."""
    if amount is None:
        return "an unknown amount"
    return f"${amount:,.2f}" if amount >= 1 or not amount else f"${amount:.3f}"


def _month(per_hour: float | None) -> str:
    from core.price_list import HOURS_A_MONTH

    if per_hour is None:
        return "its price is not known"
    return f"${per_hour * HOURS_A_MONTH:,.2f} a month"
