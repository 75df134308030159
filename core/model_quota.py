"""How many tokens a minute deployments of a model may have: the rows of Azure's quota page.

A row is `<provider>.<kind of deployment>.<model>`, in thousands of tokens a minute, with
`-finetune` at its end where it is of deployments of what was tuned from the model. Training
itself draws on none of them (managed-wire facts, section 2).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.model_dates import PROVIDER

if TYPE_CHECKING:
    from core.facts import Facts

API = "2023-05-01"
TUNED = "-finetune"
ASK = "https://ai.azure.com > Management center > Quota > Request quota"


@dataclass(frozen=True)
class TokenQuota:
    """A row of the quota page."""

    name: str
    title: str
    """As the portal writes it."""
    used: int
    limit: int

    @property
    def free(self) -> int:
        """Thousands of tokens a minute that are left; never less than nothing."""
        return max(0, self.limit - self.used)

    @property
    def is_tuned(self) -> bool:
        """Say whether it is of deployments of tuned models."""
        return self.name.endswith(TUNED)

    @property
    def model(self) -> str:
        """Give the base model in lower case; models have dots in theirs. Empty: of no model."""
        parts = self.name.split(".", 2)
        return parts[2].removesuffix(TUNED).lower() if len(parts) == 3 else ""

    def __str__(self) -> str:
        return f"{self.name} {self.free} of {self.limit}"


def token_quotas(facts: "Facts") -> list[TokenQuota]:
    """List the rows of the stack's region."""
    return [quota_row(row) for row in facts.get_list(facts.at_location(PROVIDER, "usages"), API)]


def listed(rows: Iterable[TokenQuota]) -> str:
    """Write rows for a person."""
    return ", ".join(map(str, rows))


def quota_row(row: dict[str, Any]) -> TokenQuota:
    """Read a row as Azure writes it."""
    names = row.get("name") or {}
    name = str(names.get("value") or "")
    title = str(names.get("localizedValue") or name)
    return TokenQuota(name, title, int(row.get("currentValue") or 0), int(row.get("limit") or 0))
