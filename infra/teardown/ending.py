"""Ends what runs in the stack's workspaces, before the workspaces go.

Jobs are told to stop first and waited for last, so that endpoints, which cost as much, do not
wait for them; clusters go when nothing runs on them any more.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from core.companions import (
    SCALING,
    SCALING_API,
    WORKFLOWS,
    WORKFLOWS_API,
    expiries,
    is_out_of_sight,
    scaling_settings,
)
from core.errors import CloudError
from core.watching import ALERTS_API, SETTINGS_API, diagnostic_settings, metric_alerts
from infra.engine import Change, Existing
from infra.site import Site
from infra.standing.hosted import HostedModel
from infra.standing.listing import tagged
from infra.standing.workloads import API, ENDED, Compute, Endpoint, Job, Workloads, status
from infra.teardown.steps import Steps

if TYPE_CHECKING:
    from core.arm import Arm

Kind = tuple[str, Callable[["Arm", str], list[str]], str]
"""A title, what finds those of a resource, and their API version."""

WATCHING: tuple[Kind, ...] = (
    ("diagnostic setting", diagnostic_settings, SETTINGS_API),
    ("metric alert", metric_alerts, ALERTS_API),
)
COMPANIONS: tuple[Kind, ...] = (
    ("autoscale setting", scaling_settings, SCALING_API),
    ("expiry", expiries, WORKFLOWS_API),
)
CANCEL_SECONDS = 600.0
POLL_SECONDS = 1.0


def end(arm: "Arm", found: Sequence[Workloads], steps: Steps) -> bool:
    """Cancel the jobs, delete endpoints, hosted models and clusters; False where one answers on.

    An endpoint that could not be deleted would go on billing where nobody sees it, were its
    workspace deleted, and so would a model in a deleted account; a job or a cluster that stays
    ends with the workspace.
    """
    jobs = [job for one in found for job in one.jobs]
    refusals = [_cancel(arm, job) for job in jobs]
    done = [_delete_endpoint(arm, item, steps) for one in found for item in one.endpoints]
    done += [_delete_hosted(arm, item, steps) for one in found for item in one.hosted]
    for job, refusal in zip(jobs, refusals, strict=True):
        call = partial(_ended, arm, job, refusal)
        steps.take(Existing(job.name, "job", job.id), call, Change.CANCELED)
    for compute in [compute for one in found for compute in one.computes]:
        _delete_compute(arm, compute, steps)
    return all(done)


def _cancel(arm: "Arm", job: Job) -> CloudError | None:
    """Tell a job to stop; give what Azure refused it with."""
    try:
        if job.status != "CancelRequested":
            arm.post(f"{job.id}/cancel", API)
    except CloudError as error:
        return error
    return None


def _ended(arm: "Arm", job: Job, refusal: CloudError | None) -> bool:
    """Wait until a job has ended; the cluster that it held is free then."""
    deadline = time.monotonic() + CANCEL_SECONDS
    while True:
        found = _status(arm, job)
        if found in ENDED:
            return True
        # 400 and 409 say that it is ending already.
        if refusal and refusal.status not in (400, 409):
            raise refusal
        if time.monotonic() > deadline:
            raise CloudError(f"it is still {found} after {CANCEL_SECONDS:.0f} s.", code=found)
        time.sleep(POLL_SECONDS)


def _status(arm: "Arm", job: Job) -> str:
    found = arm.get(job.id, API)
    return status(found) if found is not None else ENDED[0]


def _delete_endpoint(arm: "Arm", endpoint: Endpoint, steps: Steps) -> bool:
    item = Existing(endpoint.name, "endpoint", endpoint.id)
    unwatch(arm, endpoint.id, steps)
    if steps.take(item, lambda: arm.delete(endpoint.id, API)) is not None:
        return False
    # Not before: an endpoint that stays is still to end when its time is over.
    _delete_found(arm, endpoint.id, steps, COMPANIONS)
    for deployment in endpoint.deployments:
        id = f"{endpoint.id}/deployments/{deployment.name}"
        steps.gone[id.lower()] = Existing(deployment.name, "deployment", id)
    return True


def _delete_hosted(arm: "Arm", hosted: HostedModel, steps: Steps) -> bool:
    """Delete a deployment or a serverless endpoint, one after another.

    A second write in an AI account is refused (409 RequestConflict), and waited out.
    """
    item = Existing(hosted.name, hosted.kind, hosted.id)
    return steps.take(item, lambda: arm.delete(hosted.id, hosted.api)) is None


def unwatch(arm: "Arm", id: str, steps: Steps) -> None:
    """Delete a resource's diagnostic settings and the alerts about it, before it goes itself.

    Azure may give its settings to the next resource of its name.
    """
    _delete_found(arm, id, steps, WATCHING)


def end_companions(arm: "Arm", site: Site, steps: Steps) -> None:
    """Delete what endpoints left in the group that are gone already, such as one that expired."""
    titles = {SCALING.lower(): COMPANIONS[0], WORKFLOWS.lower(): COMPANIONS[1]}
    titles["microsoft.insights/metricalerts"] = WATCHING[1]
    for item in tagged(arm, site):
        if kind := titles.get(item["type"].lower()):
            title, _, api = kind
            one = Existing(item["name"], title, item["id"])
            steps.take(one, partial(arm.delete, item["id"], api), is_guess=True)


def _delete_found(arm: "Arm", id: str, steps: Steps, kinds: Sequence[Kind]) -> None:
    for title, find, api in kinds:
        try:
            found = find(arm, id)
        except CloudError as error:
            # Who may not even read them has made none. What costs goes in any case.
            if not is_out_of_sight(error):
                steps.refused[f"{id}/{title}".lower()] = f"{title} of {id}: {error}"
            continue
        for one in found:
            item = Existing(one.rsplit("/", 1)[-1], title, one)
            steps.take(item, partial(arm.delete, one, api))


def _delete_compute(arm: "Arm", compute: Compute, steps: Steps) -> None:
    # What somebody attached is a machine of their own: it is let go, not deleted.
    way = "Detach" if compute.is_attached else "Delete"
    path = f"{compute.id}?underlyingResourceAction={way}"
    title = "compute cluster" if compute.kind == "AmlCompute" else "compute"
    steps.take(Existing(compute.name, title, compute.id), lambda: arm.delete(path, API))
