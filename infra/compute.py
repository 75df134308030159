"""The compute clusters: nodes only while a job runs."""

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import machinelearningservices as ml
from pulumi_azure_native import managedidentity, resources

from core.features import ClusterPlan
from infra.adoption import AdoptedWorkspace
from infra.azure_ml import MlCompute
from infra.hooks import before_cluster_goes
from infra.site import Site
from infra.workspace import Workspace


class Cluster(pulumi.ComponentResource):
    """An AmlCompute cluster of 0 to `max_nodes` nodes; nobody can log in to them."""

    def __init__(
        self,
        site: Site,
        group: resources.ResourceGroup,
        workspace: Workspace | AdoptedWorkspace,
        identity: managedidentity.UserAssignedIdentity,
        plan: ClusterPlan,
        options: pulumi.ResourceOptions,
        suffix: str = "",
    ) -> None:
        super().__init__("tunestack:infra:Cluster", f"compute{suffix}")
        self.resource = MlCompute(
            f"cluster{suffix}",
            compute_name=site.cluster_name(plan),
            workspace_name=workspace.name,
            resource_group_name=group.name,
            location=site.location,
            # One kind of identity only: a cluster refuses system- and user-assigned together.
            identity=ml.ManagedServiceIdentityArgs(
                type=ml.ManagedServiceIdentityType.USER_ASSIGNED,
                user_assigned_identities=[identity.id],
            ),
            properties=ml.AmlComputeArgs(
                compute_type="AmlCompute",
                description="Runs training jobs; no node stands while none runs.",
                disable_local_auth=True,
                properties=_nodes(site, plan),
            ),
            tags=site.tags,
            opts=pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(parent=self)),
        )
        self.name = self.resource.name
        self.register_outputs({})


def clusters(
    site: Site,
    group: resources.ResourceGroup,
    workspace: Workspace | AdoptedWorkspace,
    identity: managedidentity.UserAssignedIdentity,
    after: Sequence[pulumi.Resource],
) -> list[Cluster]:
    """Make every cluster that the settings plan; the first one is the main one."""
    # One hook for all: Pulumi refuses two of a name.
    options = pulumi.ResourceOptions(depends_on=[*after], hooks=before_cluster_goes(site))
    main, *others = site.clusters.items()
    # The main one keeps the name that it has in the states of stacks with one cluster.
    suffixes = {main[0]: "", **{name: f"-{name}" for name, _ in others}}
    return [
        Cluster(site, group, workspace, identity, plan, options, suffixes[name])
        for name, plan in site.clusters.items()
    ]


def _nodes(site: Site, plan: ClusterPlan) -> ml.AmlComputePropertiesArgs:
    is_private = site.settings.private_network
    return ml.AmlComputePropertiesArgs(
        vm_size=plan.vm_size,
        vm_priority=ml.VmPriority(plan.priority),
        os_type=ml.OsType.LINUX,
        scale_settings=ml.ScaleSettingsArgs(
            min_node_count=0,
            max_node_count=plan.max_nodes,
            node_idle_time_before_scale_down=duration(site.settings.idle_seconds),
        ),
        # Without a network of its own a node needs a public address to reach the hub; nothing
        # listens on it.
        enable_node_public_ip=not is_private,
        remote_login_port_public_access=ml.RemoteLoginPortPublicAccess.DISABLED,
    )


def duration(seconds: int) -> str:
    """Write seconds as Azure writes them back (ISO 8601): 120 → PT2M, 5400 → PT1H30M."""
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    day = f"{days}D" if days else ""
    parts = ((hours, "H"), (minutes, "M"), (rest, "S"))
    time = "".join(f"{count}{unit}" for count, unit in parts if count)
    return f"P{day}T{time}" if time else f"P{day}"
