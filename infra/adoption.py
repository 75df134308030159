"""What the stack works in and did not make: an existing resource group, an existing workspace.

Both are imported into the state, never changed, and left alone by `destroy`.
"""

from typing import Any

import pulumi
from pulumi_azure_native import resources

from core.errors import SettingsError
from infra.azure_ml import MlWorkspace
from infra.hooks import before_workspace_goes
from infra.site import Site
from infra.stores import Linked

LINKS = {
    "storage_account": "storage account",
    "key_vault": "key vault",
    "application_insights": "Application Insights",
    "container_registry": "container registry",
}


def adopted(id: str, **more: Any) -> pulumi.ResourceOptions:
    """Give the options of a resource that is there already: read, never written, never deleted."""
    return pulumi.ResourceOptions(import_=id, ignore_changes=["*"], retain_on_delete=True, **more)


def adopted_group(site: Site) -> resources.ResourceGroup:
    """Take an existing group as the place of everything."""
    return resources.ResourceGroup(
        "group", resource_group_name=site.names.group, opts=adopted(site.group_id)
    )


class AdoptedWorkspace(pulumi.ComponentResource):
    """An existing workspace with what it is linked to."""

    def __init__(self, site: Site, group: resources.ResourceGroup) -> None:
        super().__init__("tunestack:infra:AdoptedWorkspace", "ml")
        self._site = site
        self.resource = MlWorkspace(
            "workspace",
            workspace_name=site.names.workspace,
            resource_group_name=group.name,
            opts=adopted(site.workspace_id, parent=self, hooks=before_workspace_goes(site)),
        )
        self.id, self.name = self.resource.id, self.resource.name
        self.linked = Linked(
            storage=self._link("storage_account"),
            vault=self._link("key_vault"),
            registry=self._link("container_registry"),
            insights=self._link("application_insights"),
        )
        self.register_outputs({})

    def _link(self, name: str) -> pulumi.Output[str]:
        found: pulumi.Output[str | None] = getattr(self.resource, name)
        return found.apply(lambda id: id or self._lacks(name))

    def _lacks(self, name: str) -> str:
        """Azure makes the registry only with the first image, and a grant needs it before."""
        workspace, option = self._site.names.workspace, name.replace("_", "-")
        raise SettingsError(
            f"adoptWorkspace: {workspace} has no {LINKS[name]}.",
            hint=f"az ml workspace update -n {workspace} -g {self._site.names.group}"
            f" --{option} <resource id>",
        )
