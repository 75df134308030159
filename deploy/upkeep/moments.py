"""Moments and spans as a person writes them for `--expires`, and as Azure does."""

import re
from datetime import UTC, datetime, timedelta

from core.errors import SettingsError

NEVER = "never"
MOST = timedelta(days=90)
LEAST = timedelta(minutes=5)
"""A deployment takes longer than that to answer at all."""

EXAMPLES = "for example 8h, 3d or 2026-12-24T18:00Z"
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"(\d{1,5})([mhdw])")


def parse_expiry(text: str, now: datetime) -> datetime:
    """Read when an endpoint is to end: a span from `now`, or a moment with its time zone. UTC.

    Raises:
        SettingsError: it is neither, has passed or is more than 90 days ahead.
    """
    wanted = text.strip()
    span = parse_span(wanted)
    when = read(wanted) if span is None else now + span
    if when < now + LEAST:
        raise SettingsError(
            f"--expires: {write(when)} is not {LEAST.seconds // 60} minutes ahead; {EXAMPLES}"
        )
    if when > now + MOST:
        raise SettingsError(
            f"--expires: {write(when)} is more than {MOST.days} days ahead; at most {MOST.days}d"
        )
    return when.replace(microsecond=0)


def parse_span(text: str) -> timedelta | None:
    """Read a span such as 30m, 8h, 3d or 2w; None where it is none."""
    found = _SPAN.fullmatch(text.strip().lower())
    return timedelta(**{UNITS[found[2]]: int(found[1])}) if found else None


def write(when: datetime) -> str:
    """Write a moment as it is read again."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read(text: str) -> datetime:
    """Read a moment that says its time zone, in UTC.

    Raises:
        SettingsError: it is none, or says no zone.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(
            f"--expires: {text!r} is neither a span nor a moment; {EXAMPLES}"
        ) from error
    if found.tzinfo is None:
        raise SettingsError(
            f"--expires: {text!r} says no time zone; {EXAMPLES}, where Z stands for UTC"
        )
    return found.astimezone(UTC)


def span_in_words(span: timedelta) -> str:
    """Write a span as a person would say it: `61 minutes`, `8 hours`, `3 days`."""
    minutes = int(span.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes < 48 * 60 else f"{minutes // 1440} days"
