"""Tries that show whether a grant is in force: what the person and the workspace may do now."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from core.azure_errors import operation
from core.errors import CloudError
from infra.granted import Granted
from infra.roles import Scope, Who
from infra.site import Site
from infra.standing.workloads import API

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

    from core.arm import Arm
    from core.cloud import Cloud
    from core.refs import StackOutputs

DIAGNOSED = (
    "storageAccountResults",
    "keyVaultResults",
    "containerRegistryResults",
    "applicationInsightsResults",
)
RIGHTS = re.compile(r"(?<!Microsoft\.)authoriz|permission|forbidden", re.IGNORECASE)
"""What a refusal says that time may end; a grant's own path has the word in its provider's name.
The codes of Azure ML's findings are not published."""
FIREWALL = "AuthorizationFailure"
"""Storage's refusal of an address; of a missing role it is AuthorizationPermissionMismatch."""


@dataclass(frozen=True)
class Refusal:
    """What Azure answered to a try."""

    told: str
    passes: bool = True
    """True where waiting may end it."""


@dataclass(frozen=True)
class Probe:
    """A try that shows whether some grants are in force."""

    shows: str
    """What is in force where the try goes through."""
    ask: Callable[[], Refusal | None]


def probes(
    site: Site, cloud: "Cloud", outputs: "StackOutputs", young: list[Granted]
) -> Iterator[Probe]:
    """List the tries that say something about these grants."""
    whose = {(granted.grant.who, granted.grant.scope) for granted in young}
    if (Who.PERSON, Scope.STORAGE) in whose:
        yield Probe("your right to the stack's data", partial(try_data, cloud, outputs))
    for who, name in ((Who.WORKSPACE, outputs.workspace), (Who.HUB, outputs.hub)):
        if name and any(holder is who for holder, _ in whose):
            id = f"{site.group_id}/providers/Microsoft.MachineLearningServices/workspaces/{name}"
            yield Probe(f"the {who}'s right to its stores", partial(diagnose, cloud.arm, id))


def try_data(cloud: "Cloud", outputs: "StackOutputs") -> Refusal | None:
    """List blobs and write one as `train` does; None where both are allowed.

    The write has a condition that nothing meets, so that it leaves nothing behind: a 412 says
    that it was allowed.
    """
    from azure.storage.blob import ContainerClient

    from infra.stores import CONTAINERS

    account, container = outputs.storage_account, next(iter(CONTAINERS))
    url = f"https://{account}.blob.core.windows.net"
    with ContainerClient(url, container, credential=cloud.credential) as client:
        try:
            with operation(f"read and write {container} of {account}"):
                next(iter(client.list_blob_names(results_per_page=1)), None)
                _write_nothing(client)
        except CloudError as error:
            if not _is_answer(error):
                raise
            return _data_refusal(error)
    return None


def _write_nothing(client: "ContainerClient") -> None:
    from azure.core import MatchConditions
    from azure.core.exceptions import ResourceModifiedError

    with suppress(ResourceModifiedError):
        client.upload_blob(
            "tunestack-probe", b"", overwrite=True, etag='"0x0"',
            match_condition=MatchConditions.IfNotModified,
        )  # fmt: skip


def _is_answer(error: CloudError) -> bool:
    """Tell a refusal from an Azure that was not reached."""
    return bool(error.status or error.code)


def _data_refusal(error: CloudError) -> Refusal:
    if error.code == FIREWALL:
        return Refusal(
            f"{error} The storage account's network rules refuse this machine: add its public"
            " address to allowedIps, or `tunestack train` cannot upload from here.",
            passes=False,
        )
    return Refusal(str(error), passes=error.status == 403)


def diagnose(arm: "Arm", workspace: str) -> Refusal | None:
    """Let Azure ML try its rights to its stores; None where it finds nothing wrong."""
    asked: dict[str, object] = {name.removesuffix("Results"): {} for name in DIAGNOSED}
    try:
        answer = arm.post(f"{workspace}/diagnose", API, {"value": asked})
    except CloudError as error:
        if not _is_answer(error):
            raise
        return Refusal(f"Azure ML could not check its own rights: {error}", passes=False)
    found = answer.get("value") or {}
    rows = [row for name in DIAGNOSED for row in found.get(name) or ()]
    told = [f"{row['code']}: {row['message']}" for row in rows if row.get("level") == "Error"]
    if not told:
        return None
    return Refusal("; ".join(told), passes=any(map(RIGHTS.search, told)))
