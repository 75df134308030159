"""The jobs that a workspace remembers: on what, how long they ran, and what was expected.

A job's ARM resource has no times; Azure ML's run history has, one request a job, and it takes the
same token. Jobs that somebody deleted, and those of a workspace that is gone, are not seen.
"""

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from infra.standing.workloads import API, ENDED, status

if TYPE_CHECKING:
    from core.arm import Arm

AT_ONCE = 8
HISTORY_HOSTS = ".api.azureml.ms"
"""Where a token of ours may go: what a workspace names as its host must be one of these."""

EXPERIMENT = "tunestack"
PROBE_TAG = "tunestack-probe"
"""On a job that measured a few steps: no run to judge others by."""

EXPORT_TAG = "tunestack-export"
"""On a job that made another form of a model: it trained nothing."""

EVALUATION_TAG = "tunestack-evaluation"
"""On a job that had models answered and scored."""

ESTIMATE_TAG = "tunestack-estimate-usd"
"""The price that was told when the job was submitted (training/submission.py sets it)."""


@dataclass(frozen=True)
class Ran:
    """A job that has run, or still does."""

    name: str
    status: str
    nodes: int
    compute: str
    """The cluster's ARM id in lower case; empty for serverless compute."""
    identity: str
    experiment: str
    started: datetime | None
    """None before its program began, and where the history does not say."""
    ended: datetime | None
    estimate: float | None = None

    @property
    def has_ended(self) -> bool:
        """True where it bills nothing any more."""
        return self.status in ENDED

    def hours(self, now: datetime) -> float | None:
        """Give how long its nodes worked until now; None where that is not known."""
        if self.started is None:
            return None if self.status == "Completed" else 0.0
        if self.ended is None and self.has_ended:
            return None
        return max(0.0, ((self.ended or now) - self.started).total_seconds() / 3600)


def ran(arm: "Arm", workspace: str, identities: Collection[str] = ()) -> tuple[Ran, ...]:
    """List a workspace's jobs with their times, the newest first.

    `identities`, where given, are the ARM ids in lower case of whom the jobs must have run as.
    """
    listed = arm.get_list(f"{workspace}/jobs?listViewType=All", API)
    jobs = [item for item in listed if not identities or _identity(item) in identities]
    host = _history_host(arm.get(workspace, API) or {}) if jobs else ""
    if not host:
        return tuple(_ran(item, {}) for item in jobs)

    def read(item: Mapping[str, Any]) -> Ran:
        url = f"https://{host}/history/v1.0{workspace}/runs/{item['name']}/details"
        return _ran(item, arm.get(url, API) or {})

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return tuple(pool.map(read, jobs))


def last_completed(arm: "Arm", workspace: str) -> Ran | None:
    """Find the newest training job of ours that went through, with its times."""
    listed = arm.get_list(f"{workspace}/jobs?listViewType=All", API)
    done = [item for item in listed if status(item) == "Completed" and _is_ours(item)]
    newest = max(done, key=_created, default=None)
    host = _history_host(arm.get(workspace, API) or {}) if newest else ""
    if newest is None or not host:
        return None
    url = f"https://{host}/history/v1.0{workspace}/runs/{newest['name']}/details"
    return _ran(newest, arm.get(url, API) or {})


def moment(text: Any) -> datetime | None:
    """Read a moment as Azure writes it; None where it is none."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _ran(item: Mapping[str, Any], details: Mapping[str, Any]) -> Ran:
    properties = item.get("properties") or {}
    return Ran(
        name=str(item["name"]),
        status=str(details.get("status") or status(item)),
        nodes=int((properties.get("resources") or {}).get("instanceCount") or 1),
        compute=str(properties.get("computeId") or "").lower(),
        identity=_identity(item),
        experiment=str(properties.get("experimentName") or ""),
        started=moment(details.get("startTimeUtc")),
        ended=moment(details.get("endTimeUtc")),
        estimate=_amount((properties.get("tags") or {}).get(ESTIMATE_TAG)),
    )


def _history_host(workspace: Mapping[str, Any]) -> str:
    url = str((workspace.get("properties") or {}).get("discoveryUrl") or "")
    host = urlsplit(url).hostname or ""
    return host if host.endswith(HISTORY_HOSTS) else ""


def _identity(item: Mapping[str, Any]) -> str:
    identity = (item.get("properties") or {}).get("identity") or {}
    return str(identity.get("resourceId") or "").lower()


def _is_ours(item: Mapping[str, Any]) -> bool:
    properties = item.get("properties") or {}
    tags = properties.get("tags") or {}
    is_other = not tags.keys().isdisjoint((PROBE_TAG, EXPORT_TAG, EVALUATION_TAG))
    return properties.get("experimentName") == EXPERIMENT and not is_other


def _created(item: Mapping[str, Any]) -> str:
    return str((item.get("systemData") or {}).get("createdAt") or "")


def _amount(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None
