"""The classic hub: where open models are tuned without a cluster (ADR 10).

Azure tunes Phi in projects of such hubs alone. Both are Azure ML workspaces, and both share the
stack's storage, vault, registry and insights.
"""

import pulumi
from pulumi_azure_native import machinelearningservices as ml
from pulumi_azure_native import managedidentity, resources

from infra.azure_ml import MlWorkspace
from infra.foundry import AiAccount
from infra.grants import Grants
from infra.roles import Scope, Who
from infra.site import Site
from infra.stores import Linked

CONNECTION = "ai-services"


class Hub(pulumi.ComponentResource):
    """A hub, its connection to the AI account and its project, and the grants on hub and project.

    Each waits for what was granted to their identity before: Azure checks at creation that it may
    use the stores and the AI account.
    """

    def __init__(
        self,
        site: Site,
        group: resources.ResourceGroup,
        linked: Linked,
        identity: managedidentity.UserAssignedIdentity,
        account: AiAccount,
        grants: Grants,
        before_project_goes: pulumi.ResourceHookBinding | None,
    ) -> None:
        super().__init__("tunestack:infra:Hub", "hub")
        self._site, self._group, self._identity = site, group, identity
        self._hooks = before_project_goes
        self.hub = self._make_hub(linked, after=grants.of(Who.HUB))
        grants.give(Scope.HUB, self.hub.id)
        self.connection = self._connect(account)
        self.project = self._make_project(after=[*grants.of(Who.HUB), self.connection])
        grants.give(Scope.HUB_PROJECT, self.project.id)
        self.register_outputs({})

    def _make_hub(self, linked: Linked, after: list[pulumi.Resource]) -> MlWorkspace:
        return MlWorkspace(
            "hub",
            workspace_name=self._site.names.hub,
            kind="Hub",
            friendly_name=f"tunestack {self._site.stack}",
            storage_account=linked.storage,
            key_vault=linked.vault,
            container_registry=linked.registry,
            application_insights=linked.insights,
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
            **self._common(),
        )

    def _make_project(self, after: list[pulumi.Resource]) -> MlWorkspace:
        return MlWorkspace(
            "hub-project",
            workspace_name=self._site.names.hub_project,
            kind="Project",
            friendly_name=f"tunestack {self._site.stack}",
            hub_resource_id=self.hub.id,
            opts=pulumi.ResourceOptions(parent=self, depends_on=after, hooks=self._hooks),
            **self._common(),
        )

    def _common(self) -> dict[str, pulumi.Input[object]]:
        """Give what hub and project say alike; the project inherits the stores and the network."""
        return {
            "resource_group_name": self._group.name,
            "location": self._site.location,
            "sku": ml.SkuArgs(name="Basic", tier=ml.SkuTier.BASIC),
            "identity": ml.ManagedServiceIdentityArgs(
                type=ml.ManagedServiceIdentityType.USER_ASSIGNED,
                user_assigned_identities=[self._identity.id],
            ),
            "primary_user_assigned_identity": self._identity.id,
            "system_datastores_auth_mode": ml.SystemDatastoresAuthMode.IDENTITY,
            "public_network_access": ml.PublicNetworkAccessType.ENABLED,
            "hbi_workspace": False,
            "v1_legacy_mode": False,
            "tags": self._site.tags,
        }

    def _connect(self, account: AiAccount) -> ml.WorkspaceConnection:
        """Let the projects use the AI account as whoever asks: the connection holds no key."""
        return ml.WorkspaceConnection(
            "ai-connection",
            connection_name=CONNECTION,
            workspace_name=self.hub.name,
            resource_group_name=self._group.name,
            properties=ml.AADAuthTypeWorkspaceConnectionPropertiesArgs(
                auth_type="AAD",
                category=ml.ConnectionCategory.AI_SERVICES,
                target=account.endpoint,
                is_shared_to_all=True,
                metadata={"ApiType": "Azure", "ResourceId": account.id},
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
