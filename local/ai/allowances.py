"""How much an account may hold and do: Azure's published limits, smaller ones where somebody asks.

Sources: quotas and limits of Azure OpenAI (July 2025) and the fine-tuning pages of October 2026,
which allow 100 files where the older page says 50. A limit that was set by hand is a document of
the state, so that another process can set it while the local Azure runs.
"""

from dataclasses import dataclass, replace

from local.state import Place, opened

KEY = "setting:/aiAllowances"


@dataclass(frozen=True)
class Allowances:
    """What one account may have."""

    file_bytes: int = 512 << 20
    """Of a file that is sent in one request, and of one that a job reads."""
    files: int = 100
    total_bytes: int = 1 << 30
    """Of all its files together, results included."""
    upload_bytes: int = 9 << 30
    upload_seconds: int = 7200
    jobs: int = 100
    running: int = 1
    queued: int = 20
    trained_tokens: int = 2_000_000_000
    """Tokens of the training file times epochs."""
    examples: int = 10
    """At least so many in a training file."""


def allowances(place: Place) -> Allowances:
    """Give the limits that count now."""
    with opened(place) as state:
        return replace(Allowances(), **(state.get(KEY) or {}))


def set_allowances(place: Place, **limits: int) -> None:
    """Set some limits; the others are Azure's again."""
    replace(Allowances(), **limits)  # fails where there is no such limit
    with opened(place) as state, state.transaction():
        state.put(KEY, "setting", limits)
