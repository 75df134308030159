"""What was made in a workspace after `up`: endpoints with their deployments, jobs, nodes.

Pulumi does not know of them, they cost the most, and a workspace cannot go while they run.
Read by plain ARM requests: the Azure ML client takes seconds to import. ending.py ends them.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.catalog import price_per_hour
from core.refs import StackOutputs
from infra.site import STACK_TAG, Site
from infra.standing.hosted import HostedModel, in_account, in_project

if TYPE_CHECKING:
    from core.arm import Arm

API = "2025-12-01"
ENDED = ("Completed", "Failed", "Canceled", "NotResponding")


@dataclass(frozen=True)
class Deployment:
    """What answers behind an endpoint, and bills from creation to deletion, healthy or not."""

    name: str
    vm_size: str
    instances: int
    state: str
    created: str = ""
    """When, as Azure writes it; empty where it does not say."""

    @property
    def per_hour(self) -> float | None:
        """Its price in USD; None where the size is not in the catalog."""
        price = price_per_hour(self.vm_size)
        return None if price is None else price * self.instances


@dataclass(frozen=True)
class Endpoint:
    """An online endpoint."""

    name: str
    state: str
    deployments: tuple[Deployment, ...]
    id: str = ""
    created: str = ""
    """When, as Azure writes it; empty where it does not say."""
    traffic: int = 0
    """Percent that goes to any deployment."""
    identities: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def per_hour(self) -> float | None:
        """The price of its deployments; None where a size is not in the catalog."""
        return total(deployment.per_hour for deployment in self.deployments)


@dataclass(frozen=True)
class Job:
    """A job that has not ended."""

    name: str
    status: str
    id: str = ""
    compute: str = ""
    """The ARM id of the cluster; empty for serverless compute."""
    identity: str = ""
    experiment: str = ""


@dataclass(frozen=True)
class Compute:
    """A cluster, a compute instance, or a machine that somebody attached."""

    name: str
    kind: str
    vm_size: str
    nodes: int
    """Machines that bill now."""
    id: str = ""
    is_attached: bool = False
    is_low_priority: bool = False
    min_nodes: int = 0
    """Nodes that stay, with work or without."""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def per_hour(self) -> float | None:
        """What its nodes cost in USD; None where that is not in the catalog."""
        if not self.nodes or self.is_attached:
            return 0.0
        price = None if self.is_low_priority else price_per_hour(self.vm_size)
        return None if price is None else price * self.nodes


@dataclass(frozen=True)
class Workloads:
    """What runs in a workspace, or waits to."""

    endpoints: tuple[Endpoint, ...] = ()
    jobs: tuple[Job, ...] = ()
    computes: tuple[Compute, ...] = ()
    workspace: str = ""
    """Its ARM id."""
    hosted: tuple[HostedModel, ...] = ()
    """What Azure itself serves: serverless endpoints, and deployments of an AI account."""

    @property
    def is_empty(self) -> bool:
        """True where nothing would be lost with the workspace."""
        return not (self.endpoints or self.jobs or self.hosted)

    @property
    def nodes(self) -> int:
        """Count the machines that bill for the clusters."""
        return sum(compute.nodes for compute in self.computes)

    @property
    def per_hour(self) -> float | None:
        """What it costs in USD; None where a size is not in the catalog."""
        amounts = [endpoint.per_hour for endpoint in self.endpoints]
        amounts += [hosted.per_hour for hosted in self.hosted]
        return total([*amounts, *(compute.per_hour for compute in self.computes)])

    def of(self, site: Site) -> "Workloads":
        """Take what surely is the stack's, out of a workspace that others share."""
        return self.of_stack(site.tags[STACK_TAG], identities(site))

    def of_stack(self, stack: str, identities: Collection[str]) -> "Workloads":
        """Take what surely is a stack's, known by its name and its identities alone.

        An endpoint and a job run as one of the stack's own identities; a cluster has its tag. What
        lies outside the shared workspace is the stack's anyhow.
        """
        own = {id.lower() for id in identities}
        return Workloads(
            tuple(e for e in self.endpoints if own & set(e.identities) or _is_of(e.tags, stack)),
            tuple(job for job in self.jobs if job.identity in own or self._is_elsewhere(job)),
            tuple(compute for compute in self.computes if _is_of(compute.tags, stack)),
            self.workspace,
            self.hosted,
        )

    def _is_elsewhere(self, job: Job) -> bool:
        is_known = bool(self.workspace and job.id)
        return is_known and not job.id.lower().startswith(f"{self.workspace}/".lower())

    def __add__(self, other: "Workloads") -> "Workloads":
        """Take what runs in two places together; the first is the workspace."""
        return Workloads(
            self.endpoints + other.endpoints,
            self.jobs + other.jobs,
            self.computes + other.computes,
            self.workspace or other.workspace,
            self.hosted + other.hosted,
        )

    def perhaps_of(self, site: Site) -> "Workloads":
        """Take what may be the stack's and cannot be proven to be."""
        sure, group = self.of(site), site.names.group
        named = [e for e in self.endpoints if e.tags.get("stack") == group]
        ours = [job for job in self.jobs if not job.identity and job.experiment == "tunestack"]
        return Workloads(
            tuple(endpoint for endpoint in named if endpoint not in sure.endpoints),
            tuple(job for job in ours if job not in sure.jobs),
            (),
            self.workspace,
        )


def workloads(arm: "Arm", outputs: StackOutputs) -> Workloads:
    """Ask what runs in the stack's workspace, its hub's project and its AI account.

    Jobs of Azure OpenAI are not among it: they are known to its data plane alone.
    """
    found = in_workspace(arm, workspace_id(outputs))
    if outputs.project:
        found += in_workspace(arm, workspace_id(outputs, outputs.project), is_project=True)
    if outputs.ai_account:
        found += Workloads(hosted=in_account(arm, account_id(outputs)))
    return found


def in_workspace(arm: "Arm", workspace: str, *, is_project: bool = False) -> Workloads:
    """Ask what runs in a workspace; empty where there is none.

    Only a hub's project has serverless endpoints.
    """
    # Archived jobs are left out of the plain list, and may be running all the same.
    jobs = arm.get_list(f"{workspace}/jobs?listViewType=All", API)
    return Workloads(
        tuple(_endpoint(arm, item) for item in arm.get_list(f"{workspace}/onlineEndpoints", API)),
        tuple(_job(item) for item in jobs if status(item) not in ENDED),
        tuple(_compute(item) for item in arm.get_list(f"{workspace}/computes", API)),
        workspace,
        in_project(arm, workspace) if is_project else (),
    )


def workspace_id(outputs: StackOutputs, name: str = "") -> str:
    """Write the ARM id of the stack's workspace, or of another in its group."""
    return (
        f"/subscriptions/{outputs.subscription_id}/resourceGroups/{outputs.resource_group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{name or outputs.workspace}"
    )


def account_id(outputs: StackOutputs) -> str:
    """Write the ARM id of the stack's AI account."""
    return (
        f"/subscriptions/{outputs.subscription_id}/resourceGroups/{outputs.resource_group}"
        f"/providers/Microsoft.CognitiveServices/accounts/{outputs.ai_account}"
    )


def identities(site: Site) -> tuple[str, ...]:
    """Write the ARM ids of what the stack's endpoints and jobs run as."""
    below = f"{site.group_id}/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
    return (f"{below}/{site.names.endpoint_identity}", f"{below}/{site.names.job_identity}")


def _is_of(tags: Mapping[str, str], stack: str) -> bool:
    return tags.get(STACK_TAG) == stack


def status(job: Mapping[str, Any]) -> str:
    """Read a job's status."""
    return str((job.get("properties") or {}).get("status") or "")


def total(amounts: Iterable[float | None]) -> float | None:
    """Add up prices; None where one is not known."""
    listed = list(amounts)
    known = [amount for amount in listed if amount is not None]
    return float(sum(known)) if len(known) == len(listed) else None


def _endpoint(arm: "Arm", item: dict[str, Any]) -> Endpoint:
    properties, identity = item.get("properties") or {}, item.get("identity") or {}
    below = arm.get_list(f"{item['id']}/deployments", API)
    return Endpoint(
        item["name"],
        properties.get("provisioningState", ""),
        tuple(map(_deployment, below)),
        item["id"],
        str((item.get("systemData") or {}).get("createdAt") or ""),
        sum((properties.get("traffic") or {}).values()),
        tuple(id.lower() for id in identity.get("userAssignedIdentities") or {}),
        item.get("tags") or {},
    )


def _deployment(item: dict[str, Any]) -> Deployment:
    properties = item.get("properties") or {}
    return Deployment(
        item["name"],
        properties.get("instanceType") or "",
        int((item.get("sku") or {}).get("capacity") or 1),
        properties.get("provisioningState", ""),
        str((item.get("systemData") or {}).get("createdAt") or ""),
    )


def _job(item: dict[str, Any]) -> Job:
    properties = item.get("properties") or {}
    return Job(
        item["name"],
        status(item),
        item.get("id") or "",
        properties.get("computeId") or "",
        str((properties.get("identity") or {}).get("resourceId") or "").lower(),
        properties.get("experimentName") or "",
    )


def _compute(item: dict[str, Any]) -> Compute:
    outer = item.get("properties") or {}
    inner, kind = outer.get("properties") or {}, outer.get("computeType") or ""
    running = int(kind == "ComputeInstance" and inner.get("state") not in ("Stopped", "Failed"))
    return Compute(
        item["name"],
        kind,
        inner.get("vmSize") or "",
        int(inner.get("currentNodeCount") or running),
        item.get("id") or "",
        bool(outer.get("isAttachedCompute")),
        inner.get("vmPriority") == "LowPriority",
        int((inner.get("scaleSettings") or {}).get("minNodeCount") or 0),
        item.get("tags") or {},
    )
