"""When an endpoint ends by itself, as commands take and show it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from rich.markup import escape

from commands.output import say
from commands.session import Session
from deploy.endpoint import endpoint_name
from deploy.upkeep.expiry import read_expiry, settle_expiry
from deploy.upkeep.moments import NEVER, parse_expiry, write


@dataclass
class Ending:
    """What `--expires` asks for."""

    text: str

    @cached_property
    def when(self) -> datetime | None:
        """The moment in UTC; None where none is asked for.

        Raises:
            SettingsError: it is no moment ahead; gives examples.
        """
        is_asked = self.text and self.text.strip().lower() != NEVER
        return parse_expiry(self.text, datetime.now(UTC)) if is_asked else None

    def settle(self, session: Session) -> None:
        """Set it before anything is deployed, take it away, or keep what stands; say which.

        Raises:
            PrerequisiteError: nothing would happen when it is due.
        """
        settle_expiry(
            session.cloud,
            session.outputs,
            endpoint_name(session.outputs),
            self.when,
            lambda text: say(f"  {escape(text)}"),
            never=self.text.strip().lower() == NEVER,
        )


def told_expiry(session: Session, endpoint: str) -> dict[str, str]:
    """Give when an endpoint ends, JSON-ready, and in words; both empty where it does not."""
    found = read_expiry(session.cloud, session.outputs, endpoint)
    if found is None:
        return {"expires": "", "expiry": ""}
    return {"expires": write(found.when), "expiry": found.told(datetime.now(UTC))}
