"""Limits: how much of what a location gives the subscription, and which VM sizes it offers.

What a new subscription gets is in the tables (`sizes`, `models`); what was set by hand is a
document of the state, so that another process can set it while the local Azure runs, and it
survives a restart. A setting for one location goes before one for all of them. Counting what is
used is `cores`' and `tokens`' business.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from core.errors import SettingsError
from local.models import MODELS, Model
from local.sizes import FAMILIES, SIZES, VmSize, size_of
from local.state import Place, opened

KIND = "quota"
WITHDRAWN = "withdrawnSize"
EVERYWHERE = "*"


@dataclass(frozen=True)
class Quota:
    """One limit by Azure's name for it, and the portal's."""

    name: str
    words: str
    limit: int
    """What a new subscription gets."""


@dataclass(frozen=True)
class Setting:
    """A limit that was set by hand."""

    name: str
    location: str
    limit: int


CLUSTERS = Quota("Total Clusters", "Total Clusters", 200)
ENDPOINTS = Quota("Online Endpoints", "Online Endpoints", 100)
DEDICATED = Quota("TotalDedicatedCores", "Total Cluster Dedicated Regional vCPUs", 300)
LOW_PRIORITY = Quota("TotalLowPriorityCores", "Total Cluster LowPriority Regional vCPUs", 100)


def of_tokens(model: Model, sku: str, *, is_tuned: bool = False) -> Quota:
    """Give the limit of a model's tokens per minute, in thousands, for a kind of deployment.

    Deployments of tuned models have one of their own.
    """
    name = f"{model.provider}.{sku}.{model.name}{'-finetune' if is_tuned else ''}"
    parts = [model.name, *(["finetune"] if is_tuned else []), *([] if sku == "Standard" else [sku])]
    return Quota(name, f"Tokens Per Minute (thousands) - {' - '.join(parts)}", model.limit)


def token_quotas() -> tuple[Quota, ...]:
    """List the limits of all models."""
    return tuple(
        of_tokens(model, sku, is_tuned=is_tuned)
        for model in MODELS
        for is_tuned in (False, True)
        for sku in (model.tuned_skus if is_tuned else model.skus)
    )


@cache
def all_quotas() -> tuple[Quota, ...]:
    """List every limit that there is."""
    families = [Quota(one.code, one.quota, one.starting_cores) for one in FAMILIES]
    return (CLUSTERS, ENDPOINTS, DEDICATED, LOW_PRIORITY, *families, *token_quotas())


def limit(place: Place, name: str, location: str) -> int:
    """Give a limit in a location, as it was set or as a new subscription has it."""
    quota = _named(name)
    with opened(place) as state:
        for where in (location, EVERYWHERE):
            record = state.get(_key(where, quota.name))
            if record is not None:
                return int(record["limit"])
    return quota.limit


def set_limit(place: Place, name: str, value: int, location: str = EVERYWHERE) -> Setting:
    """Set a limit, by either of its names, in one location or all.

    Raises:
        SettingsError: there is no such limit, or it is less than none.
    """
    quota = _named(name)
    if value < 0:
        raise SettingsError(f"limit: {value} is less than 0.", hint="0 leaves nothing to use.")
    where = _place_name(location)
    with opened(place) as state:
        record = {"name": quota.name, "location": where, "limit": value}
        state.put(_key(where, quota.name), KIND, record)
    return Setting(quota.name, where, value)


def settings(place: Place) -> list[Setting]:
    """List the limits that were set by hand."""
    with opened(place) as state:
        return [Setting(**record) for _, record in state.within(f"{KIND}:")]


def withdraw(place: Place, name: str, location: str = EVERYWHERE) -> VmSize:
    """Let a location, or all of them, no longer offer a VM size.

    Raises:
        SettingsError: there is no such size.
    """
    size, where = _size(name), _place_name(location)
    with opened(place) as state:
        record = {"size": size.name, "location": where}
        state.put(_key(where, size.name, WITHDRAWN), WITHDRAWN, record)
    return size


def offer(place: Place, name: str, location: str = EVERYWHERE) -> VmSize:
    """Take a withdrawal back; without a location every one of that size.

    Raises:
        SettingsError: there is no such size.
    """
    size, where = _size(name), _place_name(location)
    with opened(place) as state:
        for id, record in state.within(f"{WITHDRAWN}:"):
            if record["size"] == size.name and where in (EVERYWHERE, record["location"]):
                state.delete(id)
    return size


def withdrawn(place: Place) -> list[tuple[str, str]]:
    """List what was withdrawn: (size, location)."""
    with opened(place) as state:
        rows = state.within(f"{WITHDRAWN}:")
    return [(record["size"], record["location"]) for _, record in rows]


def offered(place: Place, location: str) -> list[VmSize]:
    """List the VM sizes that a location offers."""
    gone = {size for size, where in withdrawn(place) if where in (EVERYWHERE, location)}
    return [size for size in SIZES if size.name not in gone]


def clear(place: Place) -> int:
    """Take all limits and withdrawals back; give how many there were."""
    with opened(place) as state, state.transaction():
        rows = [*state.within(f"{KIND}:"), *state.within(f"{WITHDRAWN}:")]
        for id, _ in rows:
            state.delete(id)
    return len(rows)


def _named(name: str) -> Quota:
    wanted = name.strip().lower()
    for quota in all_quotas():
        if wanted in (quota.name.lower(), quota.words.lower()):
            return quota
    known = [quota.name for quota in all_quotas()]
    near = get_close_matches(name, known, 1) or [FAMILIES[0].code]
    raise SettingsError(
        f"There is no quota {name!r}; for example {near[0]}.", hint="tunestack local quota list"
    )


def _size(name: str) -> VmSize:
    size = size_of(name)
    if size is None:
        known = ", ".join(one.name for one in SIZES)
        raise SettingsError(f"There is no VM size {name!r}.", hint=f"There are: {known}.")
    return size


def _place_name(location: str) -> str:
    return location.replace(" ", "").lower()


def _key(location: str, name: str, kind: str = KIND) -> str:
    return f"{kind}:/{location}/{name}"
