"""The stack's own managed identities. What each may do is in `roles`."""

import pulumi
from pulumi_azure_native import managedidentity, resources

from infra.site import Site


class Identities(pulumi.ComponentResource):
    """One user-assigned identity each for endpoints, jobs, and the workspace and hub that we make.

    User-assigned, so that Azure grants nothing behind our back and a rebuilt workspace keeps
    its grants.
    """

    def __init__(self, site: Site, group: resources.ResourceGroup) -> None:
        super().__init__("tunestack:infra:Identities", "identities")
        self._site, self._group = site, group
        self.endpoint = self._identity("endpoint", site.names.endpoint_identity)
        self.job = self._identity("job", site.names.job_identity)
        self.workspace = self._for_workspace()
        self.hub = self._identity("hub", site.names.hub_identity) if site.settings.hub else None
        self.workflow = self._for_workflow()
        self.register_outputs({})

    def _for_workspace(self) -> managedidentity.UserAssignedIdentity | None:
        """Make one where the workspace is the stack's; an adopted one has its own."""
        if self._site.settings.adopt_workspace:
            return None
        return self._identity("workspace", self._site.names.workspace_identity)

    def _for_workflow(self) -> managedidentity.UserAssignedIdentity | None:
        """Make one where a repository's workflow is to act on the stack."""
        if not self._site.settings.github:
            return None
        return self._identity("workflow", self._site.names.workflow_identity)

    def _identity(self, who: str, name: str) -> managedidentity.UserAssignedIdentity:
        return managedidentity.UserAssignedIdentity(
            f"{who}-identity",
            resource_name_=name,
            resource_group_name=self._group.name,
            location=self._site.location,
            tags=self._site.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
