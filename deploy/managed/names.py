"""Names of managed deployments: pure, legal, and the same for the same model and stack."""

import hashlib
import re
from typing import Literal

LONGEST = 64
LONGEST_ENDPOINT = 32
LEGAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,63}")
"""A deployment in a Foundry account."""
LEGAL_ENDPOINT = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]")
"""A serverless endpoint; unique in its region."""

Side = Literal["tuned", "base"]


def deployment_name(model: str, side: Side, number: int = 1) -> str:
    """Name a deployment in a Foundry account by the model that it serves.

    From the second on the number is in the name: a model that was tuned anew stands beside the
    one before.
    """
    end = _end(side, number)
    slug = re.sub(r"[^a-z0-9._-]+", "-", model.lower()).strip("-._") or "model"
    return f"{slug[: LONGEST - len(end)].rstrip('-._')}{end}"


def endpoint_name(model: str, side: Side, project: str, number: int = 1) -> str:
    """Name a serverless endpoint; its end tells this stack's from all others of the region."""
    mark = hashlib.sha256(project.lower().encode()).hexdigest()[:6]
    end = f"{_end(side, number)}-{mark}"
    slug = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-") or "model"
    slug = slug if slug[0].isalpha() else f"m-{slug}"
    return f"{slug[: LONGEST_ENDPOINT - len(end)].rstrip('-')}{end}"


def _end(side: Side, number: int) -> str:
    return f"{'-base' if side == 'base' else ''}{f'-{number}' if number > 1 else ''}"
