"""How the page writes amounts, times, names and states."""

from datetime import UTC, datetime
from typing import Any

from commands.pricing import dollars
from commands.status.page.markup import Html, tag

GOOD = ("Completed", "Succeeded", "Online", "up")
BAD = ("Failed", "Canceled", "NotResponding", "gone", "not whole", "severe")
FAIR = ("moderate", "mild", "Unhealthy")

PORTAL = "https://portal.azure.com/#@/resource"


def usd(amount: float | None) -> str:
    """Write USD; what is not known is a dash."""
    return "–" if amount is None else dollars(amount)


def hours(amount: float | None) -> str:
    """Write how long something took or stands."""
    if amount is None:
        return "–"
    if amount < 1 / 60:
        return f"{amount * 3600:.0f} s"
    if amount < 1:
        return f"{amount * 60:.0f} min"
    return f"{amount:.1f} h" if amount < 48 else f"{amount / 24:.1f} days"


def since(text: str, now: str) -> str:
    """Write how long ago a moment was; empty where either is not told."""
    begun, until = moment(text), moment(now)
    return hours((until - begun).total_seconds() / 3600) if begun and until else ""


def moment(text: str) -> datetime | None:
    """Read a moment as Azure writes it; None where it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def when(text: str) -> str:
    """Write a moment in UTC to the minute; what is none stays as it is."""
    found = moment(text)
    return f"{found.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if found else text


def figure(value: Any) -> str:
    """Write a loss."""
    return f"{value:.3f}" if isinstance(value, int | float) else "–"


def pill(state: str) -> Html:
    """Write a state with its colour; the word tells it to those who see none."""
    kinds = (("good", GOOD), ("bad", BAD), ("fair", FAIR))
    kind = next((name for name, words in kinds if state in words), "calm")
    return tag("span", state, class_=f"pill {kind}")


def portal(id: str, *, is_rehearsal: bool) -> str:
    """Give the address of a resource in Azure's portal; the rehearsal's has none."""
    return f"{PORTAL}{id}" if id.startswith("/") and not is_rehearsal else ""


def words(*parts: str | None) -> str:
    """Join what there is with dots."""
    return " · ".join(part for part in parts if part)
