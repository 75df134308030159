"""Which of the stack's grants are in Azure, each told with who needs it for what."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from infra.arm_types import TYPES
from infra.engine import Existing, grant_rows
from infra.roles import Grant
from infra.site import Site

if TYPE_CHECKING:
    from core.arm import Arm

ASSIGNMENT = TYPES["azure-native:authorization:RoleAssignment"]
PROPAGATION = timedelta(minutes=10)
"""Within this time a role assignment is in force everywhere (Microsoft Learn, "Troubleshoot Azure
RBAC": changes can take up to 10 minutes)."""
AT_ONCE = 8
"""Assignments that are read side by side."""


@dataclass(frozen=True)
class Granted:
    """A grant of the stack as Azure has it now."""

    grant: Grant
    holder: str
    """The name of the one it is for, as Azure shows it."""
    is_there: bool
    made: datetime | None = None
    """When; None where Azure does not say."""

    def is_young(self, now: datetime) -> bool:
        """Say whether it may not be in force yet, by its age."""
        return self.is_there and (self.made is None or now - self.made < PROPAGATION)

    @property
    def lack(self) -> str:
        """Say who lacks what, and which operation misses it."""
        grant = self.grant
        return (
            f"The {grant.who} ({self.holder}) lacks {grant.role.title} on the {grant.scope},"
            f" which is for {grant.needed_by}: {grant.reason}."
        )


def read_grants(site: Site, state: Sequence[Existing], arm: "Arm") -> list[Granted]:
    """Read every grant that the settings ask for; `state` is what the stack's engine made.

    Raises:
        CloudError: Azure refused to show one.
    """
    ids = {item.name: item.id for item in state if item.title == ASSIGNMENT.title}

    def read(grant: Grant) -> dict[str, Any] | None:
        id = ids.get(grant.name)
        return arm.get(id, ASSIGNMENT.api_version) if id else None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(read, site.grants))
    rows = zip(site.grants, grant_rows(site), answers, strict=True)
    return [Granted(grant, row.identity, bool(found), _made(found)) for grant, row, found in rows]


def lacks(found: Iterable[Granted]) -> list[str]:
    """Say what is missing, a line each."""
    return [granted.lack for granted in found if not granted.is_there]


def utc_now() -> datetime:
    """Give the time that a grant's age is counted to."""
    return datetime.now(UTC)


def _made(assignment: dict[str, Any] | None) -> datetime | None:
    written = ((assignment or {}).get("properties") or {}).get("createdOn")
    if not written:
        return None
    time = datetime.fromisoformat(written)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
