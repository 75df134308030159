"""The Azure ML workspace."""

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import machinelearningservices as ml
from pulumi_azure_native import managedidentity, resources

from infra.azure_ml import MlWorkspace
from infra.hooks import before_workspace_goes
from infra.managed_network import managed_network
from infra.site import Site
from infra.stores import Linked


class Workspace(pulumi.ComponentResource):
    """An Azure ML workspace that reaches its stores as an identity of ours, without keys.

    It waits for `after`: Azure checks at creation that the identity may use the stores. Azure
    cannot bring clusters that exist into a managed network: a stack has one from its beginning.
    """

    def __init__(
        self,
        site: Site,
        group: resources.ResourceGroup,
        linked: Linked,
        identity: managedidentity.UserAssignedIdentity,
        after: Sequence[pulumi.Resource],
    ) -> None:
        super().__init__("tunestack:infra:Workspace", "ml")
        self.resource = MlWorkspace(
            "workspace",
            workspace_name=site.names.workspace,
            resource_group_name=group.name,
            location=site.location,
            kind="Default",
            sku=ml.SkuArgs(name="Basic", tier=ml.SkuTier.BASIC),
            friendly_name=f"tunestack {site.stack}",
            storage_account=linked.storage,
            key_vault=linked.vault,
            container_registry=linked.registry,
            application_insights=linked.insights,
            identity=ml.ManagedServiceIdentityArgs(
                type=ml.ManagedServiceIdentityType.USER_ASSIGNED,
                user_assigned_identities=[identity.id],
            ),
            primary_user_assigned_identity=identity.id,
            system_datastores_auth_mode=ml.SystemDatastoresAuthMode.IDENTITY,
            public_network_access=ml.PublicNetworkAccessType.ENABLED,
            managed_network=managed_network(site, linked),
            # Else the first cluster waits half an hour for the network, and may give up.
            provision_network_now=True if site.settings.private_network else None,
            image_build_compute=site.image_builder or None,
            hbi_workspace=False,
            v1_legacy_mode=False,
            tags=site.tags,
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[*after], hooks=before_workspace_goes(site)
            ),
        )
        self.id, self.name, self.linked = self.resource.id, self.resource.name, linked
        self.register_outputs({})
