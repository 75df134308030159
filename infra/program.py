"""What the stack is: read top to bottom, it is the table of contents."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_azure_native import authorization, resources

from core.settings import Settings
from infra.compute import Cluster
from infra.grants import Grants
from infra.identity import Identities
from infra.roles import Scope, Who
from infra.site import ENGINE_TAG, PULUMI, Site
from infra.stores import Stores
from infra.workspace import Workspace


def declare(settings: Settings, *, engine: str = PULUMI) -> Mapping[str, Any]:
    """Declare everything that exists in Azure; give the fields of `StackOutputs`."""
    caller = authorization.get_client_config()
    site = Site(settings, caller.subscription_id, pulumi.get_stack())

    group = resources.ResourceGroup(
        "group",
        resource_group_name=site.names.group,
        location=site.location,
        tags={**site.tags, ENGINE_TAG: engine},
    )
    identities = Identities(site, group)
    stores = Stores(site, group, caller.tenant_id)

    grants = Grants(site, identities, person=caller.object_id)
    grants.give(Scope.GROUP, group.id)
    grants.give(Scope.STORAGE, stores.account.id)
    grants.give(Scope.VAULT, stores.vault.id)
    grants.give(Scope.REGISTRY, stores.registry.id)
    grants.give(Scope.INSIGHTS, stores.insights.id)

    workspace = Workspace(site, group, stores, identities.workspace, after=grants.of(Who.WORKSPACE))
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
        "storage_account": stores.account.name,
        "container_registry": stores.registry.name,
        "key_vault": stores.vault.name,
        "cluster": cluster.name,
        "endpoint_identity": identities.endpoint.id,
        "job_identity": identities.job.id,
        "workspace_identity": identities.workspace.id,
    }
