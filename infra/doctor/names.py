"""Rules about names: what Azure still holds of deleted resources, and what others have taken.

A deleted Azure ML workspace is in no list of Azure's; `up` meets it, and says so.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from core.facts import Facts
from core.rules import Finding, Rule, failed, ok, unknown, warning
from infra.arm_types import BY_ARM_TYPE
from infra.doctor.subject import site_of
from infra.site import Site
from infra.teardown.purge import LOGS, Deleted, deleted_resources
from infra.teardown.purge import held as explained

if TYPE_CHECKING:
    from core.arm import Arm

STORAGE = "Microsoft.Storage/storageAccounts"
REGISTRY = "Microsoft.ContainerRegistry/registries"
ACCOUNT = "Microsoft.CognitiveServices/accounts"


def held(facts: Facts) -> Iterator[Finding]:
    """Say which names of the stack a deleted resource keeps."""
    site = site_of(facts)
    found, notes = deleted_resources(cast("Arm", facts), site)
    yield from (unknown(note, _later(site)) for note in notes)
    ours = {site.names.key_vault, site.names.log_analytics, site.names.ai_account}
    standing = [deleted for deleted in found if deleted.item.name in ours]
    for deleted in standing:
        yield _held(deleted, site)
    if not (standing or notes):
        yield ok("no deleted vault, AI account or Log Analytics workspace holds a name")


def _held(deleted: Deleted, site: Site) -> Finding:
    item, until = deleted.item, deleted.until or "a day that Azure does not say"
    told = f"Azure holds the deleted {item.title} {item.name} until {until}"
    if item.title == LOGS:
        return warning(f"{told}: `up` brings it back with what was in it", _later(site))
    way = explained(deleted, None, is_asked=False, has_group=True).release
    return failed(told, f"{way}; or {_later(site)}")


def taken(facts: Facts) -> Iterator[Finding]:
    """Say whether somebody else has a name that all of Azure shares."""
    found = []
    for arm_type, name in _shared_names(facts):
        if not _is_ours(facts, arm_type, name) and (reason := _refusal(facts, arm_type, name)):
            title = BY_ARM_TYPE[arm_type.lower()].title
            found.append(failed(f"{title} {name}: {reason}", _later(site_of(facts))))
    yield from found or [ok("the names that all of Azure shares are free, or the stack's own")]


def _shared_names(facts: Facts) -> list[tuple[str, str]]:
    names = site_of(facts).names
    shared = [(STORAGE, names.storage_account), (REGISTRY, names.container_registry)]
    return shared if not facts.settings.adopt_workspace else []


def _is_ours(facts: Facts, arm_type: str, name: str) -> bool:
    version = BY_ARM_TYPE[arm_type.lower()].api_version
    return facts.get(f"{facts.group_id}/providers/{arm_type}/{name}", version) is not None


def _refusal(facts: Facts, arm_type: str, name: str) -> str:
    """Ask the provider whether a name is free; empty where it is."""
    provider, version = arm_type.partition("/")[0], BY_ARM_TYPE[arm_type.lower()].api_version
    path = f"{facts.subscription}/providers/{provider}/checkNameAvailability"
    answer: dict[str, Any] = facts.post(path, version, {"name": name, "type": arm_type})
    if answer.get("nameAvailable") is not False:
        return ""
    return str(answer.get("message") or answer.get("reason") or "not free")


def _later(site: Site) -> str:
    following = site.settings.generation + 1
    return f"take fresh names: tunestack:generation: {following} in Pulumi.{site.stack}.yaml"


STOPS = frozenset({"up"})
RULES = (Rule("names.held", held, stops=STOPS), Rule("names.taken", taken, stops=STOPS))
