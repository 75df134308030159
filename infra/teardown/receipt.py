"""What a teardown did and what it left: the receipt that `destroy` prints."""

from dataclasses import asdict, dataclass
from typing import Any

from infra.engine import Existing
from infra.standing.listing import Remaining


@dataclass(frozen=True)
class Held:
    """A deleted resource that Azure keeps, and its name with it."""

    name: str
    title: str
    id: str
    until: str
    """The day on which Azure lets go of it; empty where it is not known."""
    why: str
    release: str
    """What frees it before that day, or that nothing does."""


@dataclass(frozen=True)
class Receipt:
    """What is gone, what cannot be had back, what is still there and what Azure holds."""

    stack: str
    canceled: tuple[Existing, ...] = ()
    deleted: tuple[Existing, ...] = ()
    purged: tuple[Existing, ...] = ()
    remains: tuple[Remaining, ...] = ()
    held: tuple[Held, ...] = ()
    refused: tuple[str, ...] = ()
    """What Azure would not do, in its words."""
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True where nothing was there and nothing is."""
        gone = self.canceled or self.deleted or self.purged
        return not (gone or self.remains or self.held or self.refused)

    @property
    def is_done(self) -> bool:
        """True where nothing that the stack made is left."""
        return not self.refused and not any(item.is_ours for item in self.remains)

    @property
    def cost_per_hour(self) -> float | None:
        """What the stack's remains cost in USD; None where one's price is not known."""
        amounts = [item.per_hour for item in self.remains if item.is_ours]
        known = [amount for amount in amounts if amount is not None]
        return round(sum(known), 4) if len(known) == len(amounts) else None

    def document(self) -> dict[str, Any]:
        """Give the receipt as one JSON document."""
        return {**asdict(self), "cost_per_hour": self.cost_per_hour, "is_done": self.is_done}
