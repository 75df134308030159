"""What the workspace keeps its things in: storage, vault, registry and logs.

Secure where it costs a person nothing: no shared keys, no public blobs, TLS 1.2, rights by
role. From where each may be reached is in `firewalls`.
"""

from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_azure_native import (
    applicationinsights,
    containerregistry,
    keyvault,
    operationalinsights,
    resources,
    storage,
)

from infra.firewalls import storage_rules, vault_rules
from infra.site import Site

CONTAINERS = {
    "data": "a person's own data, beside what the workspace uploads",
    "models": "tuned models that outlive the workspace's own storage",
}

SOFT_DELETE_DAYS = 7
"""The shortest that Azure allows: a destroyed stack's vault name is free again after a week."""

NO_EXPORT = containerregistry.ExportPolicyArgs(status="disabled")
"""Azure takes it only where the registry is closed to all addresses."""

DAILY_LOG_GB = 1.0
"""A runaway log costs at most this much a day; Azure's own default is without end."""


@dataclass(frozen=True)
class Linked:
    """The ARM ids of what a workspace is linked to."""

    storage: pulumi.Output[str]
    vault: pulumi.Output[str]
    registry: pulumi.Output[str]
    insights: pulumi.Output[str]


class Stores(pulumi.ComponentResource):
    """Storage account with containers, key vault, container registry, logs and insights."""

    def __init__(self, site: Site, group: resources.ResourceGroup, tenant: str) -> None:
        super().__init__("tunestack:infra:Stores", "stores")
        self._site, self._group, self._tenant = site, group, tenant
        self._own = pulumi.ResourceOptions(parent=self)
        self.account = self._storage_account()
        self.containers = [self._container(name) for name in CONTAINERS]
        self.vault = self._key_vault()
        self.registry = self._registry()
        self.logs = self._log_analytics()
        self.insights = self._insights()
        self.linked = Linked(self.account.id, self.vault.id, self.registry.id, self.insights.id)
        self.register_outputs({})

    def _storage_account(self) -> storage.StorageAccount:
        return storage.StorageAccount(
            "storage",
            account_name=self._site.names.storage_account,
            resource_group_name=self._group.name,
            location=self._site.location,
            kind=storage.Kind.STORAGE_V2,
            sku=storage.SkuArgs(name=storage.SkuName.STANDARD_LRS),
            access_tier=storage.AccessTier.HOT,
            allow_shared_key_access=False,
            allow_blob_public_access=False,
            allow_cross_tenant_replication=False,
            default_to_o_auth_authentication=True,
            enable_https_traffic_only=True,
            is_local_user_enabled=False,
            minimum_tls_version=storage.MinimumTlsVersion.TLS1_2,
            network_rule_set=storage_rules(self._site),
            encryption=storage.EncryptionArgs(
                key_source=storage.KeySource.MICROSOFT_STORAGE,
                require_infrastructure_encryption=True,
            ),
            sas_policy=storage.SasPolicyArgs(
                expiration_action=storage.ExpirationAction.LOG,
                sas_expiration_period="7.00:00:00",
            ),
            tags=self._site.tags,
            opts=self._own,
        )

    def _container(self, name: str) -> storage.BlobContainer:
        return storage.BlobContainer(
            f"{name}-container",
            container_name=name,
            account_name=self.account.name,
            resource_group_name=self._group.name,
            public_access=storage.PublicAccess.NONE,
            opts=self._own,
        )

    def _key_vault(self) -> keyvault.Vault:
        # Every property explicitly: the SDK's own defaults switch role-based access off and
        # hold the name for 90 days. Purge protection is left out, as Azure refuses `false`.
        protection = {"enable_purge_protection": True} if self._purge_protection else {}
        return keyvault.Vault(
            "vault",
            vault_name=self._site.names.key_vault,
            resource_group_name=self._group.name,
            location=self._site.location,
            properties=keyvault.VaultPropertiesArgs(
                tenant_id=self._tenant,
                sku=keyvault.SkuArgs(family=keyvault.SkuFamily.A, name=keyvault.SkuName.STANDARD),
                enable_rbac_authorization=True,
                enable_soft_delete=True,
                soft_delete_retention_in_days=SOFT_DELETE_DAYS,
                public_network_access="Enabled",
                network_acls=vault_rules(self._site),
                **protection,
            ),
            tags=self._site.tags,
            opts=self._own,
        )

    @property
    def _purge_protection(self) -> bool:
        return self._site.settings.purge_protection or self._site.settings.hardened

    def _registry(self) -> containerregistry.Registry:
        return containerregistry.Registry(
            "registry",
            registry_name=self._site.names.container_registry,
            resource_group_name=self._group.name,
            location=self._site.location,
            admin_user_enabled=False,
            anonymous_pull_enabled=False,
            **self._registry_network,
            tags=self._site.tags,
            opts=self._own,
        )

    @property
    def _registry_network(self) -> dict[str, Any]:
        """In a private network, shut the registry to all addresses: no laptop needs it.

        That takes Premium, which costs ten times as much as Basic.
        """
        skus = containerregistry.SkuName
        if not self._site.settings.private_network:
            return {"sku": containerregistry.SkuArgs(name=skus.BASIC)}
        return {
            "sku": containerregistry.SkuArgs(name=skus.PREMIUM),
            "public_network_access": containerregistry.PublicNetworkAccess.DISABLED,
            "policies": containerregistry.PoliciesArgs(export_policy=NO_EXPORT),
            "network_rule_bypass_options": (
                containerregistry.NetworkRuleBypassOptions.AZURE_SERVICES
            ),
        }

    def _log_analytics(self) -> operationalinsights.Workspace:
        return operationalinsights.Workspace(
            "logs",
            workspace_name=self._site.names.log_analytics,
            resource_group_name=self._group.name,
            location=self._site.location,
            sku=operationalinsights.WorkspaceSkuArgs(
                name=operationalinsights.WorkspaceSkuNameEnum.PER_GB2018
            ),
            retention_in_days=30,
            workspace_capping=operationalinsights.WorkspaceCappingArgs(daily_quota_gb=DAILY_LOG_GB),
            features=operationalinsights.WorkspaceFeaturesArgs(
                disable_local_auth=True,
                enable_log_access_using_only_resource_permissions=True,
            ),
            tags=self._site.tags,
            opts=self._own,
        )

    def _insights(self) -> applicationinsights.Component:
        # Local authentication stays on: without it the endpoints' log shipping stops unless
        # the exporter signs in by itself.
        return applicationinsights.Component(
            "insights",
            resource_name_=self._site.names.application_insights,
            resource_group_name=self._group.name,
            location=self._site.location,
            kind="web",
            application_type=applicationinsights.ApplicationType.WEB,
            ingestion_mode=applicationinsights.IngestionMode.LOG_ANALYTICS,
            workspace_resource_id=self.logs.id,
            # Nothing here is profiled; if ever something is, not into Azure's own storage.
            force_customer_storage_for_profiler=True,
            tags=self._site.tags,
            opts=self._own,
        )
