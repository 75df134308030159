"""The AI account, which `hub` and `foundry` share, and what `foundry` adds: filter and project.

Deployments of models are left out: they cost by the hour, and `deploy` makes them one by one.
"""

import pulumi
from pulumi_azure_native import cognitiveservices as ai
from pulumi_azure_native import resources

from infra.grants import Grants
from infra.roles import Scope
from infra.site import Site

CONTENT_FILTER = "tunestack"
BASE_POLICY = "Microsoft.DefaultV2"
HARMS = ("Hate", "Sexual", "Selfharm", "Violence")
SIDES = (ai.RaiPolicyContentSource.PROMPT, ai.RaiPolicyContentSource.COMPLETION)
SHIELDS = {
    "Jailbreak": ai.RaiPolicyContentSource.PROMPT,
    "Protected Material Text": ai.RaiPolicyContentSource.COMPLETION,
    "Protected Material Code": ai.RaiPolicyContentSource.COMPLETION,
}
"""What is blocked whole, without a threshold."""


class AiAccount(pulumi.ComponentResource):
    """An AI services account that takes Entra tokens alone, under a subdomain of its own.

    Its identity is its own (system-assigned): with it Azure's service reads storage, and Azure
    grants it nothing by itself. It may have projects from the beginning, as an account is
    upgraded to that only once.
    """

    def __init__(
        self,
        site: Site,
        group: resources.ResourceGroup,
        before_account_goes: pulumi.ResourceHookBinding | None,
    ) -> None:
        super().__init__("tunestack:infra:AiAccount", "ai")
        self.resource = ai.Account(
            "ai-account",
            account_name=site.names.ai_account,
            resource_group_name=group.name,
            location=site.location,
            kind="AIServices",
            sku=ai.SkuArgs(name="S0"),
            identity=ai.IdentityArgs(type=ai.ResourceIdentityType.SYSTEM_ASSIGNED),
            properties=ai.AccountPropertiesArgs(
                allow_project_management=True,
                custom_sub_domain_name=site.names.ai_account,
                disable_local_auth=True,
                public_network_access=ai.PublicNetworkAccess.ENABLED,
            ),
            tags=site.tags,
            opts=pulumi.ResourceOptions(parent=self, hooks=before_account_goes),
        )
        self.id, self.name = self.resource.id, self.resource.name
        self.principal = self.resource.identity.apply(principal_of)
        self.endpoint = endpoint(site.names.ai_account)
        self.register_outputs({})


class Foundry(pulumi.ComponentResource):
    """A content filter and a project in the AI account, and the person's grants on both."""

    def __init__(
        self,
        site: Site,
        group: resources.ResourceGroup,
        account: AiAccount,
        grants: Grants,
        before_filter_goes: pulumi.ResourceHookBinding | None,
    ) -> None:
        super().__init__("tunestack:infra:Foundry", "foundry")
        self.filter = ai.RaiPolicy(
            "content-filter",
            rai_policy_name=CONTENT_FILTER,
            account_name=account.name,
            resource_group_name=group.name,
            properties=ai.RaiPolicyPropertiesArgs(
                base_policy_name=BASE_POLICY,
                mode=ai.RaiPolicyMode.BLOCKING,
                content_filters=[*_harms(), *_shields()],
            ),
            opts=pulumi.ResourceOptions(parent=self, hooks=before_filter_goes),
        )
        self.project = ai.Project(
            "ai-project",
            project_name=site.names.ai_project,
            account_name=account.name,
            resource_group_name=group.name,
            location=site.location,
            identity=ai.IdentityArgs(type=ai.ResourceIdentityType.SYSTEM_ASSIGNED),
            properties=ai.ProjectPropertiesArgs(
                display_name=f"tunestack {site.stack}",
                description="Fine-tuning of OpenAI models.",
            ),
            tags=site.tags,
            # One change at a time: Azure refuses a second one in the same account.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.filter]),
        )
        grants.give(Scope.AI_PROJECT, self.project.id)
        self.register_outputs({})


def endpoint(account: str) -> str:
    """Give the address of an AI account whose subdomain is its name."""
    return f"https://{account}.cognitiveservices.azure.com/"


def principal_of(identity: ai.outputs.IdentityResponse | None) -> str:
    """Give an identity's object id; empty where the engine answers with the inputs alone."""
    return (identity.principal_id if identity else "") or ""


def _harms() -> list[ai.RaiPolicyContentFilterArgs]:
    """Block each harm from medium severity on, in prompts and in completions."""
    return [_filter(harm, side, ai.ContentLevel.MEDIUM) for harm in HARMS for side in SIDES]


def _shields() -> list[ai.RaiPolicyContentFilterArgs]:
    return [_filter(name, side) for name, side in SHIELDS.items()]


def _filter(
    name: str, side: ai.RaiPolicyContentSource, threshold: ai.ContentLevel | None = None
) -> ai.RaiPolicyContentFilterArgs:
    return ai.RaiPolicyContentFilterArgs(
        name=name, source=side, severity_threshold=threshold, enabled=True, blocking=True
    )
