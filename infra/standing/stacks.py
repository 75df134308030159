"""Every stack of a subscription, found by its tag: its age, what it costs, and what is idle.

Works without any stack file, for whoever may read the subscription. Whether an endpoint is asked
anything only Azure Monitor knows; where it does not answer, idle is "not known" and never "no".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from core.errors import CloudError
from infra.arm_types import RESOURCES_API
from infra.prices import standing_price
from infra.site import ENGINE_TAG, EXPIRES_TAG, STACK_TAG
from infra.standing.hosted import ACCOUNTS, HostedModel, in_account
from infra.standing.workloads import API, Compute, Endpoint, Workloads, in_workspace, total

if TYPE_CHECKING:
    from core.arm import Arm

IDLE_HOURS = 24
METRICS_API = "2018-01-01"
IDENTITIES = "microsoft.managedidentity/userassignedidentities"
WORKSPACES = "microsoft.machinelearningservices/workspaces"

Row = dict[str, Any]


@dataclass(frozen=True)
class Running:
    """An endpoint, hosted model or cluster: whether it is idle, how that shows, what ends it."""

    kind: str
    name: str
    what: str
    created: str
    is_idle: bool | None
    """None where it cannot be known."""
    sign: str
    per_hour: float | None
    command: str


@dataclass(frozen=True)
class StackView:
    """One stack as the subscription shows it."""

    stack: str
    groups: tuple[str, ...]
    engine: str
    """Empty where no group says: the stack works in an adopted one."""
    location: str
    created: str
    expires: str
    is_expired: bool
    resources: int
    running: tuple[Running, ...]
    jobs: tuple[str, ...]
    per_hour: float | None
    command: str

    @property
    def idle(self) -> tuple[Running, ...]:
        """What bills and does nothing, as far as is known."""
        return tuple(item for item in self.running if item.is_idle)

    def document(self) -> Row:
        """Give the stack as a JSON document."""
        return asdict(self)


def all_stacks(arm: "Arm", subscription: str, now: datetime) -> list[StackView]:
    """Find every stack of the subscription by its tag; the oldest expiry first."""
    groups = arm.get_list(f"/subscriptions/{subscription}/resourceGroups", RESOURCES_API)
    # Unfiltered: a list that is filtered by a tag comes back without any tags.
    path = f"/subscriptions/{subscription}/resources?$expand=createdTime"
    resources = arm.get_list(path, RESOURCES_API)
    names = {_tag(item, STACK_TAG) for item in (*groups, *resources)} - {""}
    views = [_view(arm, name, groups, resources, now) for name in sorted(names)]
    return sorted(views, key=lambda view: (not view.is_expired, view.expires or "9", view.stack))


def is_idle(arm: "Arm", endpoint: Endpoint, now: datetime) -> tuple[bool | None, str]:
    """Say whether an endpoint bills and answers nobody, and how that is known."""
    if not endpoint.deployments:
        return False, "no deployment, so that nothing bills"
    created = _moment(endpoint.created)
    if created and now - created < timedelta(hours=IDLE_HOURS):
        return False, f"younger than {IDLE_HOURS} h"
    asked = _was_asked(arm, endpoint, now)
    if asked is not None:
        word = "requests" if asked else "no request"
        return not asked, f"{word} in the last {IDLE_HOURS} h (Azure Monitor)"
    if not endpoint.traffic:
        return True, "no deployment takes traffic"
    return None, "Azure Monitor gave no figures of its requests"


def _view(
    arm: "Arm", stack: str, groups: Sequence[Row], resources: Sequence[Row], now: datetime
) -> StackView:
    own_groups = [item for item in groups if _tag(item, STACK_TAG) == stack]
    own = [item for item in resources if _tag(item, STACK_TAG) == stack]
    found = [_workloads(arm, id, stack, own) for id in _workspaces(own, resources)]
    found += [
        Workloads(hosted=in_account(arm, row["id"]))
        for row in own
        if row["type"].lower() == ACCOUNTS
    ]
    rows = [row for one in found for row in running(arm, stack, one, now)]
    standing = [standing_price(row["type"], _sku(row)) for row in own]
    expires = next(filter(None, (_tag(row, EXPIRES_TAG) for row in (*own_groups, *own))), "")
    return StackView(
        stack=stack,
        groups=tuple(sorted({_segment(row["id"]) for row in (*own_groups, *own)})),
        engine=next((_tag(row, ENGINE_TAG) for row in own_groups), ""),
        location=next((str(row.get("location") or "") for row in (*own_groups, *own)), ""),
        created=_created(arm, own),
        expires=expires,
        is_expired=_is_expired(expires, now),
        resources=len(own) + len(own_groups),
        running=tuple(rows),
        jobs=tuple(job.name for one in found for job in one.jobs),
        per_hour=total([*standing, *(row.per_hour for row in rows)]),
        command=f"tunestack destroy --stack {stack}",
    )


def _workspaces(own: Iterable[Row], resources: Iterable[Row]) -> list[str]:
    """Find the stack's workspace; where it has none, those that it may share in its group."""
    mine = [row["id"] for row in own if row["type"].lower() == WORKSPACES]
    places = {_segment(row["id"]).lower() for row in own}
    return mine or [
        row["id"]
        for row in resources
        if row["type"].lower() == WORKSPACES
        and not _tag(row, STACK_TAG)
        and _segment(row["id"]).lower() in places
    ]


def _workloads(arm: "Arm", workspace: str, stack: str, own: Sequence[Row]) -> Workloads:
    kinds = {row["id"].lower(): str(row.get("kind") or "").lower() for row in own}
    is_project = kinds.get(workspace.lower()) == "project"
    found = in_workspace(arm, workspace, is_project=is_project)
    if any(row["id"].lower() == workspace.lower() for row in own):
        return found
    return found.of_stack(stack, [row["id"] for row in own if row["type"].lower() == IDENTITIES])


def running(arm: "Arm", stack: str, found: Workloads, now: datetime) -> list[Running]:
    """Say of all that runs whether it is idle, how that shows and what ends it."""
    rows = [_endpoint(arm, stack, item, now) for item in found.endpoints]
    rows += [_hosted(arm, stack, item, now) for item in found.hosted]
    return rows + [_compute(stack, item, found) for item in found.computes if item.nodes]


def _endpoint(arm: "Arm", stack: str, item: Endpoint, now: datetime) -> Running:
    idle, sign = is_idle(arm, item, now)
    what = ", ".join(f"{d.name} on {d.instances} × {d.vm_size}" for d in item.deployments)
    # `deploy` tags the stack's own endpoint; others were made by hand.
    by_hand = f"az ml online-endpoint delete --name {item.name} {_place(item.id)}"
    command = f"tunestack undeploy --stack {stack}" if "stack" in item.tags else by_hand
    return Running("endpoint", item.name, what, item.created, idle, sign, item.per_hour, command)


def _hosted(arm: "Arm", stack: str, item: HostedModel, now: datetime) -> Running:
    idle, sign = is_unasked(arm, item, now)
    command = f"tunestack undeploy {item.name} --stack {stack}"
    what = f"{item.what}, {item.sku}"
    return Running(item.kind, item.name, what, item.created, idle, sign, item.per_hour, command)


def is_unasked(arm: "Arm", item: HostedModel, now: datetime) -> tuple[bool | None, str]:
    """Say whether a hosted model bills by the hour and answers nobody, and how that is known."""
    if item.per_hour == 0:
        return False, "billed by the token alone"
    created = _moment(item.created)
    if created and now - created < timedelta(hours=IDLE_HOURS):
        return False, f"younger than {IDLE_HOURS} h"
    asked = _was_model_asked(arm, item, now) if item.kind == "model deployment" else None
    if asked is None:
        return None, "Azure Monitor gave no figures of its requests"
    word = "requests" if asked else "no request"
    return not asked, f"{word} in the last {IDLE_HOURS} h (Azure Monitor)"


def _compute(stack: str, item: Compute, found: Workloads) -> Running:
    is_used = any(item.id.lower() == job.compute.lower() for job in found.jobs)
    what, command = f"{item.nodes} × {item.vm_size}", f"tunestack destroy --stack {stack}"
    if item.kind == "ComputeInstance":
        command = f"az ml compute stop --name {item.name} {_place(item.id)}"
        sign = "a person's machine: Azure does not say whether it is used"
        return Running("compute", item.name, what, "", None, sign, item.per_hour, command)
    sign = "a job runs on it" if is_used else "nodes, and no job"
    if not is_used and item.min_nodes:
        sign, command = f"keeps {item.min_nodes} nodes without a job", f"tunestack up -s {stack}"
    elif not is_used:
        command = "gives its nodes back by itself when its idle time is over"
    return Running("cluster", item.name, what, "", not is_used, sign, item.per_hour, command)


def _was_asked(arm: "Arm", endpoint: Endpoint, now: datetime) -> bool | None:
    """Ask Azure Monitor for requests; None where it does not answer.

    The metric's name is from Azure's list of metrics, from memory and not verified on Azure; the
    local Azure has no metrics.
    """
    query = "metricnames=RequestsPerMinute&aggregation=Average"
    return _measured(arm, endpoint.id, query, "average", now)


def _was_model_asked(arm: "Arm", item: HostedModel, now: datetime) -> bool | None:
    """Ask Azure Monitor for a deployment's requests; None where it does not answer.

    Metric and dimension as in Azure OpenAI's page on monitoring, from memory; the local Azure has
    no metrics. Of a project's serverless endpoints no metric is known.
    """
    chosen = quote(f"ModelDeploymentName eq '{item.name}'")
    query = f"metricnames=AzureOpenAIRequests&aggregation=Total&$filter={chosen}"
    return _measured(arm, item.id.partition("/deployments/")[0], query, "total", now)


def _measured(arm: "Arm", id: str, query: str, what: str, now: datetime) -> bool | None:
    """Say whether a metric was anything but nothing lately; None where there are no figures."""
    span = quote(f"{_write(now - timedelta(hours=IDLE_HOURS))}/{_write(now)}")
    path = f"{id}/providers/Microsoft.Insights/metrics?{query}&interval=PT1H&timespan={span}"
    try:
        found = arm.get(path, METRICS_API)
    except CloudError:
        return None
    if found is None or not found.get("value"):
        return None
    series = [one for metric in found["value"] for one in metric.get("timeseries") or []]
    return any(point.get(what) for one in series for point in one.get("data") or [])


def _created(arm: "Arm", own: Sequence[Row]) -> str:
    """Give the stack's birth: its oldest resource, or its workspace where lists are silent."""
    times = [str(row["createdTime"]) for row in own if row.get("createdTime")]
    if not times:
        ids = [row["id"] for row in own if row["type"].lower() == WORKSPACES]
        found = [arm.get(id, API) or {} for id in ids[:1]]
        times = [str((row.get("systemData") or {}).get("createdAt") or "") for row in found]
    return min(times, default="")


def _is_expired(expires: str, now: datetime) -> bool:
    """Say whether the last day is over; what is no date never expires."""
    try:
        if len(expires) <= 10:
            return date.fromisoformat(expires) < now.date()
        return (_moment(expires) or now) < now
    except ValueError:
        return False


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _write(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _tag(row: Mapping[str, Any], name: str) -> str:
    return str((row.get("tags") or {}).get(name) or "")


def _sku(row: Mapping[str, Any]) -> str:
    return str((row.get("sku") or {}).get("name") or "")


def _segment(id: str) -> str:
    """Give the resource group in an id."""
    return id.split("/")[4]


def _place(id: str) -> str:
    parts = id.split("/")
    return f"-g {parts[4]} -w {parts[8]}"
