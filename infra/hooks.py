"""What must end before a cluster or a workspace goes: hooks that Pulumi's engine runs first.

Endpoints, jobs and hosted models are made after `up` and are in no state. Plain `pulumi destroy`
refuses a stack with such hooks and names `--run-program`, with which it runs them; `tunestack
destroy` has ended everything before its engine begins. The in-process engine knows no hooks and
needs none. Jobs of Azure OpenAI go with their account: ARM does not show them, so that no hook can
end them.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pulumi
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import monitor_supports_feature

from core.cloud import Cloud
from core.errors import CloudError
from infra.engine import Event
from infra.site import Site
from infra.standing.hosted import in_account
from infra.standing.workloads import Workloads, in_workspace
from infra.teardown.ending import end, end_companions
from infra.teardown.steps import Steps

if TYPE_CHECKING:
    from core.arm import Arm

SUPPORTED = resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS


def before_cluster_goes(site: Site) -> pulumi.ResourceHookBinding | None:
    """Cancel the jobs that the cluster runs."""

    def on_cluster(found: Workloads, id: str) -> Workloads:
        jobs = tuple(job for job in found.jobs if job.compute.lower() == id.lower())
        return replace(found, endpoints=(), jobs=jobs)

    return _before_delete("cancel-jobs-of-the-cluster", site, on_cluster)


def before_workspace_goes(site: Site) -> pulumi.ResourceHookBinding | None:
    """Delete the endpoints and cancel the jobs; in an adopted workspace, the stack's own."""

    def in_all(found: Workloads, id: str) -> Workloads:
        return found.of(site) if site.settings.adopt_workspace else found

    name = "delete-endpoints-and-cancel-jobs"
    return _before_delete(name, site, in_all, ends_companions=True)


def before_project_goes(site: Site) -> pulumi.ResourceHookBinding | None:
    """Delete the endpoints, serverless ones too, and cancel the jobs of the hub's project.

    It is never adopted.
    """

    def look(arm: "Arm", id: str) -> Workloads:
        return in_workspace(arm, id, is_project=True)

    return _before_delete("delete-endpoints-and-jobs-of-the-project", site, lambda f, _: f, look)


def before_account_goes(site: Site) -> pulumi.ResourceHookBinding | None:
    """Delete the deployments of the AI account, before it or the filter that they use goes."""

    def look(arm: "Arm", id: str) -> Workloads:
        return Workloads(hosted=in_account(arm, id.partition("/raiPolicies/")[0]))

    return _before_delete("delete-deployments-of-the-ai-account", site, lambda f, _: f, look)


def _in_workspace(arm: "Arm", id: str) -> Workloads:
    return in_workspace(arm, id.partition("/computes/")[0])


def _before_delete(
    name: str,
    site: Site,
    choose: Callable[[Workloads, str], Workloads],
    look: "Callable[[Arm, str], Workloads]" = _in_workspace,
    *,
    ends_companions: bool = False,
) -> pulumi.ResourceHookBinding | None:
    if not monitor_supports_feature(SUPPORTED):
        return None

    def run(args: pulumi.ResourceHookArgs) -> None:
        arm = Cloud.sign_in(site.subscription).arm
        found, steps = choose(look(arm, args.id), args.id), Steps(_tell)
        # The clusters are the engine's own to delete.
        end(arm, [replace(found, computes=())], steps)
        if ends_companions and not steps.refused:
            end_companions(arm, site, steps)
        if steps.refused:
            raise CloudError("\n".join(steps.refused.values()))

    return pulumi.ResourceHookBinding(before_delete=[pulumi.ResourceHook(name, run)])


def _tell(event: Event) -> None:
    if event.is_done:
        pulumi.log.info(f"{event.title} {event.name}: {event.error or event.change}")
