"""What the stack is: read top to bottom, it is the table of contents."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_azure_native import authorization, resources

from core.settings import Settings
from infra.adoption import AdoptedWorkspace, adopted_group
from infra.compute import Cluster
from infra.grants import Grants
from infra.identity import Identities
from infra.roles import Scope, Who
from infra.site import ENGINE_TAG, PULUMI, Site
from infra.stores import Linked, Stores
from infra.workspace import Workspace


def declare(settings: Settings, *, engine: str = PULUMI) -> Mapping[str, Any]:
    """Declare everything that exists in Azure; give the fields of `StackOutputs`."""
    caller = authorization.get_client_config()
    site = Site(settings, caller.subscription_id, pulumi.get_stack())

    group = adopted_group(site) if settings.adopt_group else _own_group(site, engine)
    identities = Identities(site, group)
    grants = Grants(site, identities, person=caller.object_id)
    grants.give(Scope.GROUP, group.id)

    workspace: Workspace | AdoptedWorkspace
    if identities.workspace is None:
        workspace = AdoptedWorkspace(site, group)
        _grant_stores(grants, workspace.linked)
    else:
        linked = Stores(site, group, caller.tenant_id).linked
        _grant_stores(grants, linked)
        after = grants.of(Who.WORKSPACE)
        workspace = Workspace(site, group, linked, identities.workspace, after)
    grants.give(Scope.WORKSPACE, workspace.id)
    cluster = Cluster(
        site,
        group,
        workspace,
        identities.job,
        after=[*grants.of(Who.JOB), *grants.of(Who.WORKSPACE)],
    )

    return {
        "subscription_id": site.subscription,
        "resource_group": group.name,
        "location": site.location,
        "workspace": workspace.name,
        "storage_account": workspace.linked.storage.apply(_last),
        "container_registry": workspace.linked.registry.apply(_last),
        "key_vault": workspace.linked.vault.apply(_last),
        "cluster": cluster.name,
        "endpoint_identity": identities.endpoint.id,
        "job_identity": identities.job.id,
        "workspace_identity": identities.workspace.id if identities.workspace else "",
    }


def _own_group(site: Site, engine: str) -> resources.ResourceGroup:
    return resources.ResourceGroup(
        "group",
        resource_group_name=site.names.group,
        location=site.location,
        tags={**site.tags, ENGINE_TAG: engine},
    )


def _grant_stores(grants: Grants, linked: Linked) -> None:
    grants.give(Scope.STORAGE, linked.storage)
    grants.give(Scope.VAULT, linked.vault)
    grants.give(Scope.REGISTRY, linked.registry)
    grants.give(Scope.INSIGHTS, linked.insights)


def _last(id: str) -> str:
    return id.rsplit("/", 1)[-1]
