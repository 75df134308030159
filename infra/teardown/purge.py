"""What Azure keeps of deleted resources, and its names with it: found, purged, or explained.

Vaults, AI accounts and Log Analytics workspaces are listed by Azure when they are deleted; a
deleted Azure ML workspace is not, but its id can still be purged. Reading and purging happen at
the subscription: who has rights on the group alone is refused, which is no failure here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from core.errors import CloudError
from infra.engine import Change, Existing
from infra.names import names
from infra.site import STACK_TAG, Site
from infra.standing.workloads import API as ML_API
from infra.teardown.receipt import Held
from infra.teardown.steps import Steps

if TYPE_CHECKING:
    from core.arm import Arm

VAULTS_API = "2024-11-01"
ACCOUNTS_API = "2025-06-01"
LOGS_API = "2023-09-01"
WORKSPACE_DAYS = LOGS_DAYS = 14
"""learn.microsoft.com, concept-soft-delete (Azure ML) and delete-workspace (Azure Monitor)."""
ACCOUNT_DAYS = 2
KEPT = "kept recoverable, as asked"
GENERATIONS = 5
"""How many of the stack's generations are looked for by name; older ones by their tag."""

HIDDEN = (
    "Whether Azure keeps a deleted {title} of the stack could not be read ({code}): that takes"
    " Reader on the subscription. A vault and its name are kept for 7 days, an AI account for 2,"
    " logs for 14."
)

VAULT = "key vault"
ACCOUNT = "AI account"
LOGS = "Log Analytics workspace"
WORKSPACE = "workspace"


@dataclass(frozen=True)
class Deleted:
    """A resource that Azure keeps after its deletion."""

    item: Existing
    location: str
    until: str
    is_protected: bool = False
    group: str = ""
    held_id: str = ""
    """Under which Azure lists and purges it, where that is not the id that it had."""


def deleted_resources(arm: "Arm", site: Site) -> tuple[list[Deleted], tuple[str, ...]]:
    """List what Azure keeps of the stack, by its tag, its names of any generation, its group.

    What may not be read, because the right is one at the subscription, is given as notes.
    """
    found: list[Deleted] = []
    notes = []
    for title, kept in ((VAULT, _vaults), (ACCOUNT, _accounts), (LOGS, _logs)):
        try:
            found += kept(arm, site)
        except CloudError as error:
            # Where a provider was never registered, nothing of it was ever made.
            if error.code != "MissingSubscriptionRegistration":
                notes.append(HIDDEN.format(title=title, code=error.code or error.status))
    return found, tuple(notes)


def purge(arm: "Arm", site: Site, found: Sequence[Deleted], steps: Steps) -> dict[str, CloudError]:
    """Purge what may be purged; give by id what Azure refused."""
    refused = {}
    for deleted in found:
        call = _purging(arm, site, deleted)
        error = steps.take(deleted.item, call, Change.PURGED) if call else None
        if error is not None:
            # Held and explained in the receipt: nothing that the stack pays for is left by it.
            refused[deleted.item.id.lower()] = error
            steps.refused.pop(deleted.item.id.lower())
    return refused


def purge_workspaces(arm: "Arm", site: Site, steps: Steps, but: set[str]) -> None:
    """Purge what an earlier plain deletion left of the stack's workspaces.

    Azure has no list of them: the id is deleted again, for good, and "not there" (204, 404) is
    the usual answer.
    """
    if site.settings.adopt_workspace:
        return
    for name in _workspace_names(site):
        id = f"{site.group_id}/providers/Microsoft.MachineLearningServices/workspaces/{name}"
        # One that answers is somebody's: what of it is the stack's was found and deleted before.
        if id.lower() not in but and arm.get(id, ML_API) is None:
            item, path = Existing(name, WORKSPACE, id), f"{id}?forceToPurge=true"
            call = partial(arm.delete, path, ML_API)
            steps.take(item, call, Change.PURGED, is_guess=True)
            steps.refused.pop(id.lower(), None)


def _workspace_names(site: Site) -> Iterator[str]:
    """Name what the stack's workspaces were called, the latest first, a project before its hub."""
    latest = site.settings.generation
    for generation in range(latest, max(0, latest - GENERATIONS), -1):
        own = names(site.subscription, site.stack, generation)
        yield from (own.hub_project, own.hub, own.workspace)


def purge_logs(arm: "Arm", deleted: Deleted, steps: Steps) -> None:
    """Bring a deleted Log Analytics workspace back, and delete it with force.

    There is no other way (Azure/azure-powershell#12841), and it takes the group to be there.
    """
    id = deleted.item.id

    def purge_it() -> bool:
        arm.put(id, LOGS_API, {"location": deleted.location, "properties": {}})
        return arm.delete(f"{id}?force=true", LOGS_API)

    # Refused, it is still held, and the receipt says so.
    steps.take(deleted.item, purge_it, Change.PURGED)
    steps.refused.pop(id.lower(), None)


def held(deleted: Deleted, refusal: CloudError | None, *, is_asked: bool, has_group: bool) -> Held:
    """Say why Azure keeps a deleted resource and what frees it."""
    item = deleted.item
    why = "Azure has not let go of it yet"
    if is_asked:
        why = KEPT
    elif deleted.is_protected:
        why = "purge protection: nobody can purge it before that day"
    elif item.title == LOGS:
        why = "deleted without force, and then no request purges it"
    elif refusal is not None and refusal.status == 403:
        why = "you may not purge it: the right is one at the subscription"
    elif refusal is not None:
        why = f"Azure would not purge it: {refusal}"
    way = _release(deleted, has_group=has_group)
    return Held(item.name, item.title, item.id, deleted.until, why, way)


def kept_workspace(item: Existing, site: Site, today: date) -> Held:
    """Say what Azure does with a workspace that was deleted recoverably."""
    return Held(
        item.name,
        item.title,
        item.id,
        _after(today.isoformat(), WORKSPACE_DAYS),
        f"{KEPT}; its computes and grants are gone all the same",
        "back: Azure's portal (Azure ML, recently deleted); gone: tunestack destroy --stack"
        f" {site.stack}",
    )


def _release(deleted: Deleted, *, has_group: bool) -> str:
    """Name what brings a deleted resource back, and what lets go of it for good."""
    name, location, group = deleted.item.name, deleted.location, deleted.group
    again = "" if has_group else f"make the group {group} again, then "
    if deleted.item.title == ACCOUNT:
        back = f"{again}{_az('cognitiveservices account recover', name, location)} -g {group}"
        purge = f"{_az('cognitiveservices account purge', name, location)} -g {group}"
        return f"back: {back}; gone: {purge} (Cognitive Services Contributor, subscription)"
    if deleted.item.title == LOGS:
        back = f"{again}az monitor log-analytics workspace recover -g {group} -n {name}"
        return f"back: {back}; gone: the same, and delete it with --force; or wait"
    back = f"back: {again}{_az('keyvault recover', name, location)}"
    if deleted.is_protected:
        return f"{back}; gone: wait, and take fresh names meanwhile (raise tunestack:generation)"
    purge = _az("keyvault purge", name, location)
    return f"{back}; gone: {purge} (Owner, Contributor or Key Vault Purge Operator, subscription)"


def _az(command: str, name: str, location: str) -> str:
    return f"az {command} --name {name} --location {location}"


def _purging(arm: "Arm", site: Site, deleted: Deleted) -> Callable[[], bool] | None:
    """Give what purges a resource; None where nothing does."""
    place = f"/subscriptions/{site.subscription}/providers/Microsoft.KeyVault/locations"
    if deleted.is_protected or deleted.item.title == LOGS:
        return None
    if deleted.item.title == ACCOUNT:
        return lambda: arm.delete(deleted.held_id, ACCOUNTS_API)

    def purge_vault() -> bool:
        path = f"{place}/{deleted.location}/deletedVaults/{deleted.item.name}/purge"
        try:
            arm.post(path, VAULTS_API)
        except CloudError as error:
            # Purged already, by a request whose answer was lost.
            if error.status != 404:
                raise
        return True

    return purge_vault


def _vaults(arm: "Arm", site: Site) -> list[Deleted]:
    own = {_names(site, generation).key_vault for generation in _generations(site)}
    found = []
    path = f"/subscriptions/{site.subscription}/providers/Microsoft.KeyVault/deletedVaults"
    for row in arm.get_list(path, VAULTS_API):
        of = row.get("properties") or {}
        id = str(of.get("vaultId") or row["id"])
        if row["name"] in own or _is_ours(id, of.get("tags"), site):
            is_protected = bool(of.get("purgeProtectionEnabled"))
            until = _day(of.get("scheduledPurgeDate"))
            item = Existing(row["name"], VAULT, id)
            place, group = of.get("location") or "", _segment(id, "resourceGroups")
            found.append(Deleted(item, place, until, is_protected, group))
    return found


def _accounts(arm: "Arm", site: Site) -> list[Deleted]:
    found = []
    path = f"/subscriptions/{site.subscription}/providers/Microsoft.CognitiveServices"
    for row in arm.get_list(f"{path}/deletedAccounts", ACCOUNTS_API):
        of = row.get("properties") or {}
        if _is_ours(row["id"], row.get("tags") or of.get("tags"), site):
            until = _day(of.get("scheduledPurgeDate")) or _after(
                of.get("deletionDate"), ACCOUNT_DAYS
            )
            place = _segment(row["id"], "locations") or row.get("location") or ""
            group = _segment(row["id"], "resourceGroups")
            # Azure lists it under another id than the one that it had.
            had = f"/subscriptions/{site.subscription}/resourceGroups/{group}/providers"
            id = f"{had}/Microsoft.CognitiveServices/accounts/{row['name']}"
            item = Existing(row["name"], ACCOUNT, id)
            found.append(Deleted(item, place, until, group=group, held_id=row["id"]))
    return found


def _logs(arm: "Arm", site: Site) -> list[Deleted]:
    found = []
    path = f"/subscriptions/{site.subscription}/providers/Microsoft.OperationalInsights"
    own = {_names(site, generation).log_analytics for generation in _generations(site)}
    for row in arm.get_list(f"{path}/deletedWorkspaces", LOGS_API):
        is_named = row["name"] in own and _segment(row["id"], "resourceGroups").lower() == (
            site.names.group.lower()
        )
        if is_named or _is_ours(row["id"], row.get("tags"), site):
            until = _after((row.get("properties") or {}).get("modifiedDate"), LOGS_DAYS)
            item = Existing(row["name"], LOGS, row["id"])
            group = _segment(row["id"], "resourceGroups")
            found.append(Deleted(item, row.get("location") or "", until, group=group))
    return found


def _is_ours(id: str, tags: Mapping[str, str] | None, site: Site) -> bool:
    """Say whether a deleted resource has the stack's tag, or was in the stack's own group."""
    if (tags or {}).get(STACK_TAG) is not None:
        return (tags or {})[STACK_TAG] == site.tags[STACK_TAG]
    group = _segment(id, "resourceGroups").lower()
    return not site.settings.adopt_group and group == site.names.group.lower()


def _generations(site: Site) -> range:
    return range(max(1, site.settings.generation - GENERATIONS), site.settings.generation + 1)


def _names(site: Site, generation: int) -> Any:
    return names(site.subscription, site.stack, generation)


def _segment(id: str, after: str) -> str:
    parts = id.split("/")
    lower = [part.lower() for part in parts]
    return parts[lower.index(after.lower()) + 1] if after.lower() in lower[:-1] else ""


def _day(moment: Any) -> str:
    return str(moment or "")[:10]


def _after(moment: Any, days: int) -> str:
    """Add days to Azure's date; empty where there is none."""
    try:
        return (date.fromisoformat(_day(moment)) + timedelta(days)).isoformat()
    except ValueError:
        return ""
