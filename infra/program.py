"""What the stack is: read top to bottom, it is the table of contents."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_azure_native import authorization, resources

from core.settings import Settings
from infra.adoption import AdoptedWorkspace, adopted_group
from infra.budget import Budget
from infra.compute import clusters
from infra.foundry import AiAccount, Foundry
from infra.grants import Grants
from infra.hooks import before_account_goes, before_project_goes
from infra.hub import Hub
from infra.identity import Identities
from infra.monitoring import Monitoring
from infra.roles import Scope, Who
from infra.site import ENGINE_TAG, PULUMI, Site
from infra.stores import Linked, Stores
from infra.workflow import Workflow
from infra.workspace import Workspace


def declare(settings: Settings, *, engine: str = PULUMI) -> Mapping[str, Any]:
    """Declare everything that exists in Azure; give the fields of `StackOutputs`."""
    caller = authorization.get_client_config()
    site = Site(settings, caller.subscription_id, pulumi.get_stack())

    group = adopted_group(site) if settings.adopt_group else _own_group(site, engine)
    identities = Identities(site, group)
    # Registered in any case: the `up` that switches a feature off runs them before it goes.
    before_account, before_project = before_account_goes(site), before_project_goes(site)
    account = AiAccount(site, group, before_account) if settings.hub or settings.foundry else None
    principal = account.principal if account else None
    person = settings.person or caller.object_id
    grants = Grants(site, identities, person=person, ai_account=principal)
    grants.give(Scope.GROUP, group.id)
    grants.give(Scope.ENDPOINT_IDENTITY, identities.endpoint.id)
    if identities.workflow:
        Workflow(site, group, identities.workflow)
    if account:
        grants.give(Scope.AI_ACCOUNT, account.id)

    if settings.budget:
        Budget(site, group)

    workspace, monitoring = _workspace(site, group, identities, grants, caller.tenant_id)
    grants.give(Scope.WORKSPACE, workspace.id)
    main, *_ = clusters(
        site,
        group,
        workspace,
        identities.job,
        after=[*grants.of(Who.JOB), *grants.of(Who.WORKSPACE)],
    )
    hub = foundry = None
    if account and identities.hub:
        linked = workspace.linked
        hub = Hub(site, group, linked, identities.hub, account, grants, before_project)
    if account and settings.foundry:
        foundry = Foundry(site, group, account, grants, before_account)

    return {
        "subscription_id": site.subscription,
        "resource_group": group.name,
        "location": site.location,
        "workspace": workspace.name,
        "storage_account": workspace.linked.storage.apply(_last),
        "container_registry": workspace.linked.registry.apply(_last),
        "key_vault": workspace.linked.vault.apply(_last),
        "cluster": main.name,
        **_clusters(site),
        "endpoint_identity": identities.endpoint.id,
        "job_identity": identities.job.id,
        "workspace_identity": identities.workspace.id if identities.workspace else "",
        **_ai(account, hub, foundry),
        "endpoint_logs": monitoring.logs if monitoring else "",
        "alert_group": monitoring.alert_group if monitoring else "",
        "workflow_client_id": identities.workflow.client_id if identities.workflow else "",
        "tenant_id": caller.tenant_id,
    }


def _workspace(
    site: Site,
    group: resources.ResourceGroup,
    identities: Identities,
    grants: Grants,
    tenant: str,
) -> tuple[Workspace | AdoptedWorkspace, Monitoring | None]:
    """Take the adopted workspace, or make one with its stores and, where asked, its monitoring."""
    if identities.workspace is None:
        adopted = AdoptedWorkspace(site, group)
        _grant_stores(grants, adopted.linked)
        return adopted, None
    stores = Stores(site, group, tenant)
    _grant_stores(grants, stores.linked)
    after = grants.of(Who.WORKSPACE)
    made = Workspace(site, group, stores.linked, identities.workspace, after)
    watched = site.settings.monitoring
    return made, Monitoring(site, group, made.id, stores.logs.id) if watched else None


def _clusters(site: Site) -> dict[str, Any]:
    """Describe the clusters, so that `train --cluster` knows them without asking Azure."""
    low = [name for name, plan in site.clusters.items() if plan.priority == "LowPriority"]
    described = {
        name: {
            "vm_size": plan.vm_size,
            "max_nodes": plan.max_nodes,
            "is_low_priority": name in low,
        }
        for name, plan in site.clusters.items()
    }
    return {"clusters": described, "low_priority_cluster": next(iter(low), "")}


def _ai(account: AiAccount | None, hub: Hub | None, foundry: Foundry | None) -> dict[str, Any]:
    """Name what the features `hub` and `foundry` made."""
    return {
        "hub": hub.hub.name if hub else "",
        "project": hub.project.name if hub else "",
        "ai_connection": hub.connection.name if hub else "",
        "ai_account": account.name if account else "",
        "ai_endpoint": account.endpoint if account else "",
        "ai_project": foundry.project.name if foundry else "",
        "content_filter": foundry.filter.name if foundry else "",
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
