"""The role that the person who deploys a stack needs: no action more than these settings take.

What the program declares gives the rights to make, read and delete; the tables below give what the
commands ask besides. A test works a whole stack on the local Azure as somebody who has this role
alone. Rights that Azure checks and the local one does not are marked `unproven`. Names of Azure
ML's actions are those of MicrosoftDocs/azure-docs, permissions/ai-machine-learning.md: Azure
refuses a role with an action that it does not know.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from core.cloud import Person
from core.settings import Settings
from infra.in_process.preview import NOBODY, look
from infra.in_process.record import Record
from infra.site import PULUMI, Site

ML = "Microsoft.MachineLearningServices"
WORKSPACES = f"{ML}/workspaces"
AI = "Microsoft.CognitiveServices"
LOGS = "Microsoft.OperationalInsights"
LOGIC = "Microsoft.Logic"
RESOURCES = "Microsoft.Resources/subscriptions"
ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"

GROUP = "Microsoft.Resources/resourceGroups"
"""The one type whose rights Azure writes otherwise than its name."""


@dataclass(frozen=True)
class Need:
    """Actions, what they are needed for, and the settings without which they are not."""

    why: str
    actions: tuple[str, ...]
    features: tuple[str, ...] = ()
    """Any of these must be on; empty where every stack needs it."""
    unproven: bool = False
    """True for what Azure is said to check and the local Azure does not."""


NEEDS = (
    Need(
        "look at what stands, and at what the person may do",
        (
            f"{RESOURCES}/read",
            f"{RESOURCES}/providers/read",
            f"{RESOURCES}/resources/read",
            f"{RESOURCES}/resourceGroups/resources/read",
            "Microsoft.Authorization/permissions/read",
            f"{ML}/locations/usages/read",
            f"{ML}/locations/vmSizes/read",
            "Microsoft.Insights/diagnosticSettings/read",
            "Microsoft.Insights/metricAlerts/read",
            "Microsoft.Insights/metrics/read",
        ),
    ),
    Need(
        "ask whether a name is free",
        (
            "Microsoft.Storage/checknameavailability/read",
            "Microsoft.ContainerRegistry/checkNameAvailability/read",
        ),
    ),
    Need(
        "let a resource act as an identity of the stack",
        ("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",),
        unproven=True,
    ),
    Need("wait until the grants are in force", (f"{WORKSPACES}/diagnose/read",)),
    Need(
        "upload data and code, submit, follow and cancel jobs",
        (
            f"{WORKSPACES}/codes/versions/read",
            f"{WORKSPACES}/codes/versions/write",
            f"{WORKSPACES}/data/versions/read",
            f"{WORKSPACES}/data/versions/write",
            f"{WORKSPACES}/datastores/read",
            f"{WORKSPACES}/environments/versions/read",
            f"{WORKSPACES}/environments/versions/write",
            f"{WORKSPACES}/experiments/runs/read",
            f"{WORKSPACES}/jobs/read",
            f"{WORKSPACES}/jobs/write",
            f"{WORKSPACES}/jobs/cancel/action",
        ),
    ),
    Need(
        "register models, find them and delete versions",
        (
            f"{WORKSPACES}/models/read",
            f"{WORKSPACES}/models/versions/read",
            f"{WORKSPACES}/models/versions/write",
            f"{WORKSPACES}/models/versions/delete",
        ),
    ),
    Need(
        "deploy, read a container's log, talk and undeploy",
        (
            f"{WORKSPACES}/onlineEndpoints/read",
            f"{WORKSPACES}/onlineEndpoints/write",
            f"{WORKSPACES}/onlineEndpoints/delete",
            f"{WORKSPACES}/onlineEndpoints/listkeys/action",
            f"{WORKSPACES}/onlineEndpoints/deployments/read",
            f"{WORKSPACES}/onlineEndpoints/deployments/write",
            f"{WORKSPACES}/onlineEndpoints/deployments/delete",
            f"{WORKSPACES}/onlineEndpoints/deployments/getLogs/action",
        ),
    ),
    Need(
        "replace an endpoint's key, and call an endpoint of --auth entra",
        (
            f"{WORKSPACES}/onlineEndpoints/regeneratekeys/action",
            f"{WORKSPACES}/onlineEndpoints/score/action",
        ),
    ),
    Need(
        "scale a deployment by its load",
        (
            "Microsoft.Insights/autoscaleSettings/read",
            "Microsoft.Insights/autoscaleSettings/write",
            "Microsoft.Insights/autoscaleSettings/delete",
        ),
    ),
    Need(
        "end an endpoint at a moment, and see whether it has",
        (
            f"{LOGIC}/register/action",
            f"{LOGIC}/workflows/read",
            f"{LOGIC}/workflows/write",
            f"{LOGIC}/workflows/delete",
            f"{LOGIC}/workflows/runs/read",
            f"{LOGIC}/workflows/runs/actions/read",
            "Microsoft.Authorization/roleDefinitions/read",
        ),
    ),
    Need(
        "free the names that Azure holds after a deletion",
        (
            "Microsoft.KeyVault/deletedVaults/read",
            "Microsoft.KeyVault/locations/deletedVaults/purge/action",
            f"{LOGS}/deletedWorkspaces/read",
            f"{AI}/deletedAccounts/read",
        ),
    ),
    Need(
        "free the AI account's name, and know its quota",
        (
            f"{AI}/locations/resourceGroups/deletedAccounts/delete",
            f"{AI}/locations/usages/read",
            f"{AI}/locations/models/read",
        ),
        ("hub", "foundry"),
    ),
    Need(
        "deploy what Azure OpenAI tuned, see it and end it",
        tuple(f"{AI}/accounts/deployments/{verb}" for verb in ("read", "write", "delete")),
        ("hub", "foundry"),
    ),
    Need(
        "serve a model serverless, see it, read its keys and end it",
        tuple(
            f"{WORKSPACES}/serverlessEndpoints/{verb}"
            for verb in ("read", "write", "delete", "listKeys/action")
        ),
        ("hub",),
    ),
    Need(
        "subscribe to a model of another maker than Microsoft",
        tuple(
            f"{WORKSPACES}/marketplaceSubscriptions/{verb}" for verb in ("read", "write", "delete")
        ),
        ("hub",),
    ),
    Need(
        "watch the endpoint",
        (
            "Microsoft.Insights/diagnosticSettings/write",
            "Microsoft.Insights/diagnosticSettings/delete",
            "Microsoft.Insights/metricAlerts/write",
            "Microsoft.Insights/metricAlerts/delete",
        ),
        ("monitoring",),
    ),
    Need(
        "let Azure write a resource's logs into the stack's",
        (f"{LOGS}/workspaces/sharedKeys/action", "Microsoft.Insights/actionGroups/read"),
        ("monitoring",),
        unproven=True,
    ),
    Need("read what the bill says", ("Microsoft.CostManagement/query/action",), unproven=True),
    Need(
        "make a hub and join a project to it, which Azure tells from other workspaces",
        tuple(f"{WORKSPACES}/hubs/{verb}" for verb in ("read", "write", "delete", "join/action")),
        ("hub",),
        unproven=True,
    ),
    Need(
        "have the private endpoints made at once",
        (f"{WORKSPACES}/provisionManagedNetwork/action",),
        ("private_network",),
        unproven=True,
    ),
    Need(
        "have an image built and a run begun for a job (Azure ML's page on roles)",
        (
            f"{WORKSPACES}/environments/build/action",
            f"{WORKSPACES}/experiments/runs/submit/action",
            f"{WORKSPACES}/experiments/runs/write",
            f"{WORKSPACES}/metadata/artifacts/read",
        ),
        unproven=True,
    ),
    Need(
        "see how what takes long goes on",
        (
            f"{ML}/locations/computeoperationsstatus/read",
            f"{ML}/locations/mfeOperationResults/read",
            f"{ML}/locations/mfeOperationsStatus/read",
            f"{ML}/locations/workspaceOperationsStatus/read",
            f"{WORKSPACES}/jobs/operationresults/read",
            f"{WORKSPACES}/onlineendpoints/operationresults/read",
            f"{WORKSPACES}/onlineendpoints/operationsstatus/read",
            f"{WORKSPACES}/onlineendpoints/deployments/operationresults/read",
            f"{WORKSPACES}/onlineendpoints/deployments/operationsstatus/read",
            "Microsoft.KeyVault/locations/operationResults/read",
        ),
        unproven=True,
    ),
)


def deployer_role(settings: Settings, stack: str, subscription: str) -> dict[str, Any]:
    """Write the custom role as `az role definition create --role-definition` takes it.

    Its scope is the subscription: the group is yet to be made, and what Azure holds after a
    deletion is there. Data is reached by the grant that `up` gives the person, not by this role.
    """
    return {
        "Name": f"tunestack deployer of {stack}",
        "IsCustom": True,
        "Description": f"May plan, up, train, deploy, chat and destroy the stack {stack}.",
        "Actions": sorted(actions(settings, stack), key=str.lower),
        "NotActions": [],
        "DataActions": [],
        "NotDataActions": [],
        "AssignableScopes": [f"/subscriptions/{subscription}"],
    }


def actions(settings: Settings, stack: str) -> set[str]:
    """List every action that the stack's commands take."""
    site = Site(settings, NOBODY, stack)
    types = _declared(site)
    namespaces = {type.partition("/")[0] for type in types if type != GROUP}
    wanted = {
        action
        for need in NEEDS
        if not need.features or any(getattr(settings, name) for name in need.features)
        for action in need.actions
    }
    made = {action for type in types for action in _of_type(type, site)}
    return wanted | made | {f"{name}/register/action" for name in namespaces}


def condition(settings: Settings) -> str:
    """Write the condition under which the role is to be assigned (version 2.0).

    It lets its holder give and take back the roles of this stack's grants and no other, so that
    nobody makes themselves an owner. The form is Azure's own (learn.microsoft.com, Delegate Azure
    role assignment management); the local Azure plays no conditions.
    """
    guids = sorted({grant.role.guid for grant in Site(settings, NOBODY, "dev").grants})
    listed = ", ".join(guids)
    return " AND ".join(
        f"((!(ActionMatches{{'{ASSIGNMENTS}/{verb}'}})) OR"
        f" ({side}[{ASSIGNMENTS}:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{listed}}}))"
        for verb, side in (("write", "@Request"), ("delete", "@Resource"))
    )


def _declared(site: Site) -> set[str]:
    """Run the program without asking Azure and list the types of what it declares."""
    nobody = Person(NOBODY, NOBODY, "nobody", is_person=True)
    met = look(site, None, nobody, Record.of(site.stack), PULUMI).met.values()
    return {item.kind.arm_type for item in met}


def _of_type(arm_type: str, site: Site) -> Iterable[str]:
    """List the rights over a type; nothing that is adopted is written or deleted."""
    name = f"{RESOURCES}/resourceGroups" if arm_type == GROUP else arm_type
    is_adopted = (arm_type == GROUP and site.settings.adopt_group) or (
        arm_type == WORKSPACES and site.settings.adopt_workspace
    )
    verbs = ("read",) if is_adopted else ("read", "write", "delete")
    return (f"{name}/{verb}" for verb in verbs)
