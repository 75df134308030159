"""Where the stack's resources are made: their names, region and tags."""

from dataclasses import dataclass, replace

from core.catalog import vm_size
from core.features import ClusterPlan, Features
from core.settings import Settings
from infra.grant_table import grants
from infra.names import Names, cluster_name, names, stack_name
from infra.roles import Grant

STACK_TAG = "tunestack-stack"
ENGINE_TAG = "tunestack-engine"
"""On the group alone: which engine keeps the stack's state."""

EXPIRES_TAG = "tunestack-expires"
"""The last day of the stack, as an ISO date."""

PULUMI = "pulumi"
IN_PROCESS = "in-process"


@dataclass(frozen=True)
class Site:
    """What every resource of one stack has in common."""

    settings: Settings
    subscription: str
    stack: str

    @property
    def names(self) -> Names:
        """The stack's names, those of what it adopts among them."""
        own = names(self.subscription, self.stack, self.settings.generation)
        group, workspace = self.settings.adopt_group, self.settings.adopt_workspace
        return replace(own, group=group or own.group, workspace=workspace or own.workspace)

    @property
    def location(self) -> str:
        """The region."""
        return self.settings.location

    @property
    def clusters(self) -> dict[str, ClusterPlan]:
        """Every cluster by its name, the main one first."""
        return {self.cluster_name(plan): plan for plan in self.settings.cluster_plans}

    def cluster_name(self, plan: ClusterPlan) -> str:
        """Name a cluster after what it is: `gpu-nc24ads-a100-v4-low`."""
        known, compute = vm_size(plan.vm_size), self.settings.compute
        kind = ("gpu" if known.gpus else "cpu") if known else compute
        return cluster_name(kind, plan.vm_size, is_low_priority=plan.priority == "LowPriority")

    @property
    def image_builder(self) -> str:
        """The name of the cluster that builds images; empty where Azure's own machines do."""
        plan = self.settings.image_builder
        return self.cluster_name(plan) if plan else ""

    @property
    def grants(self) -> tuple[Grant, ...]:
        """Who gets which role on what."""
        chosen = self.settings
        return grants(
            own_group=not chosen.adopt_group,
            own_workspace=not chosen.adopt_workspace,
            features={name for name in Features.model_fields if getattr(chosen, name)},
        )

    @property
    def tags(self) -> dict[str, str]:
        """The person's tags, and those that mark a resource as this stack's."""
        last_day = self.settings.expires
        own = {STACK_TAG: stack_name(self.stack), **({EXPIRES_TAG: last_day} if last_day else {})}
        return {**self.settings.tags, **own}

    @property
    def group_id(self) -> str:
        """The resource group's ARM id."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.names.group}"

    @property
    def workspace_id(self) -> str:
        """The workspace's ARM id."""
        provider = "Microsoft.MachineLearningServices/workspaces"
        return f"{self.group_id}/providers/{provider}/{self.names.workspace}"
