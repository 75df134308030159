"""The resource types that the program makes, each as Pulumi and as ARM write it.

A test compares the table with Azure's published types (API versions, names, where inputs go).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_GROUP = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
_ACCOUNT = _GROUP + "/providers/Microsoft.Storage/storageAccounts/{accountName}"
_ML = _GROUP + "/providers/Microsoft.MachineLearningServices/workspaces/{workspaceName}"
_AI = _GROUP + "/providers/Microsoft.CognitiveServices/accounts/{accountName}"

RESOURCES_API = "2021-04-01"
"""The API version of listing resources."""


@dataclass(frozen=True)
class ArmType:
    """How one Pulumi type is written in ARM."""

    token: str
    arm_type: str
    api_version: str
    path: str
    """The resource's id, with the inputs that it is made of."""
    title: str
    """What a person calls it."""
    top: frozenset[str] = frozenset({"location", "tags"})
    """Inputs that stand at the top of the body; the others go below `properties`."""
    renames: Mapping[str, str] = field(default_factory=dict)
    """SDK name → ARM name, where the SDK chose another."""
    delete_query: str = ""
    """What a deletion must say; purging is infra/teardown's, as Pulumi's provider never purges."""

    @property
    def path_inputs(self) -> frozenset[str]:
        """The inputs that are part of the id and not of the body."""
        return frozenset(re.findall(r"{(\w+)}", self.path))


_TYPES = (
    ArmType(
        "azure-native:resources:ResourceGroup",
        "Microsoft.Resources/resourceGroups",
        "2024-03-01",
        _GROUP,
        "resource group",
        frozenset({"location", "tags", "managedBy"}),
    ),
    ArmType(
        "azure-native:managedidentity:UserAssignedIdentity",
        "Microsoft.ManagedIdentity/userAssignedIdentities",
        "2023-01-31",
        _GROUP + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}",
        "managed identity",
    ),
    ArmType(
        "azure-native:managedidentity:FederatedIdentityCredential",
        "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
        "2023-01-31",
        _GROUP + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}"
        "/federatedIdentityCredentials/{federatedIdentityCredentialResourceName}",
        "federated credential",
        frozenset(),
    ),
    ArmType(
        "azure-native:storage:StorageAccount",
        "Microsoft.Storage/storageAccounts",
        "2024-01-01",
        _ACCOUNT,
        "storage account",
        frozenset({"location", "tags", "kind", "sku", "identity", "extendedLocation"}),
        {
            "enableHttpsTrafficOnly": "supportsHttpsTrafficOnly",
            "networkRuleSet": "networkAcls",
            "enableNfsV3": "isNfsV3Enabled",
        },
    ),
    ArmType(
        "azure-native:storage:BlobContainer",
        "Microsoft.Storage/storageAccounts/blobServices/containers",
        "2024-01-01",
        _ACCOUNT + "/blobServices/default/containers/{containerName}",
        "blob container",
        frozenset(),
    ),
    ArmType(
        "azure-native:keyvault:Vault",
        "Microsoft.KeyVault/vaults",
        "2024-11-01",
        _GROUP + "/providers/Microsoft.KeyVault/vaults/{vaultName}",
        "key vault",
        frozenset({"location", "tags", "properties"}),
    ),
    ArmType(
        "azure-native:operationalinsights:Workspace",
        "Microsoft.OperationalInsights/workspaces",
        "2023-09-01",
        _GROUP + "/providers/Microsoft.OperationalInsights/workspaces/{workspaceName}",
        "Log Analytics workspace",
        frozenset({"location", "tags", "identity"}),
    ),
    ArmType(
        "azure-native:applicationinsights:Component",
        "Microsoft.Insights/components",
        "2020-02-02",
        _GROUP + "/providers/Microsoft.Insights/components/{resourceName}",
        "Application Insights",
        frozenset({"location", "tags", "kind"}),
        {
            "applicationType": "Application_Type",
            "flowType": "Flow_Type",
            "requestSource": "Request_Source",
            "workspaceResourceId": "WorkspaceResourceId",
            "ingestionMode": "IngestionMode",
            "disableIpMasking": "DisableIpMasking",
            "forceCustomerStorageForProfiler": "ForceCustomerStorageForProfiler",
            "hockeyAppId": "HockeyAppId",
            "immediatePurgeDataOn30Days": "ImmediatePurgeDataOn30Days",
            "disableLocalAuth": "DisableLocalAuth",
            "retentionInDays": "RetentionInDays",
            "samplingPercentage": "SamplingPercentage",
            "connectionString": "ConnectionString",
            "instrumentationKey": "InstrumentationKey",
            "appId": "AppId",
            "applicationId": "ApplicationId",
        },
    ),
    ArmType(
        "azure-native:containerregistry:Registry",
        "Microsoft.ContainerRegistry/registries",
        "2023-01-01-preview",
        _GROUP + "/providers/Microsoft.ContainerRegistry/registries/{registryName}",
        "container registry",
        frozenset({"location", "tags", "sku", "identity"}),
    ),
    ArmType(
        "azure-native:authorization:RoleAssignment",
        "Microsoft.Authorization/roleAssignments",
        "2022-04-01",
        "{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
        "grant",
        frozenset(),
    ),
    ArmType(
        "azure-native:cognitiveservices:Account",
        "Microsoft.CognitiveServices/accounts",
        "2025-06-01",
        _AI,
        "AI account",
        frozenset({"location", "tags", "kind", "sku", "identity", "properties"}),
    ),
    ArmType(
        "azure-native:cognitiveservices:RaiPolicy",
        "Microsoft.CognitiveServices/accounts/raiPolicies",
        "2025-06-01",
        _AI + "/raiPolicies/{raiPolicyName}",
        "content filter",
        frozenset({"tags", "properties"}),
    ),
    ArmType(
        "azure-native:cognitiveservices:Project",
        "Microsoft.CognitiveServices/accounts/projects",
        "2025-06-01",
        _AI + "/projects/{projectName}",
        "Foundry project",
        frozenset({"location", "tags", "identity", "properties"}),
    ),
    ArmType(
        "azure-native:machinelearningservices:Workspace",
        "Microsoft.MachineLearningServices/workspaces",
        "2025-12-01",
        _ML,
        "workspace",
        frozenset({"location", "tags", "kind", "sku", "identity"}),
    ),
    ArmType(
        "azure-native:machinelearningservices:WorkspaceConnection",
        "Microsoft.MachineLearningServices/workspaces/connections",
        "2025-12-01",
        _ML + "/connections/{connectionName}",
        "connection",
        frozenset({"properties"}),
    ),
    ArmType(
        "azure-native:machinelearningservices:Compute",
        "Microsoft.MachineLearningServices/workspaces/computes",
        "2025-12-01",
        _ML + "/computes/{computeName}",
        "compute cluster",
        frozenset({"location", "tags", "sku", "identity", "properties"}),
        delete_query="?underlyingResourceAction=Delete",
    ),
    ArmType(
        "azure-native:consumption:Budget",
        "Microsoft.Consumption/budgets",
        "2024-08-01",
        "{scope}/providers/Microsoft.Consumption/budgets/{budgetName}",
        "budget",
        frozenset({"eTag"}),
    ),
    ArmType(
        "azure-native:monitor:ActionGroup",
        "Microsoft.Insights/actionGroups",
        "2024-10-01-preview",
        _GROUP + "/providers/Microsoft.Insights/actionGroups/{actionGroupName}",
        "action group",
        frozenset({"location", "tags", "identity"}),
    ),
    ArmType(
        "azure-native:monitor:DiagnosticSetting",
        "Microsoft.Insights/diagnosticSettings",
        "2021-05-01-preview",
        "{resourceUri}/providers/Microsoft.Insights/diagnosticSettings/{name}",
        "diagnostic setting",
        frozenset(),
    ),
)

TYPES: Mapping[str, ArmType] = {kind.token: kind for kind in _TYPES}
GROUP = TYPES["azure-native:resources:ResourceGroup"]
BY_ARM_TYPE: Mapping[str, ArmType] = {kind.arm_type.lower(): kind for kind in _TYPES}
