"""Whom the workflow's identity trusts: GitHub's tokens of one branch and one environment.

There is no secret: a job of the workflow shows a token that GitHub signed for it, and Entra ID
answers where issuer, audience and subject are those of a federated credential, letter by letter.
"""

import pulumi
from pulumi_azure_native import managedidentity, resources

from core.github_token import AUDIENCE
from infra.site import Site

ISSUER = "https://token.actions.githubusercontent.com"


def subjects(site: Site) -> dict[str, str]:
    """Give the subjects of the tokens that are trusted, by the name of their credential.

    A job that names an environment has a token of that environment, any other one of its branch.
    Pull requests are not among them: what they change would run with the stack's rights.
    """
    chosen = site.settings
    repository = f"repo:{chosen.github}"
    return {
        "github-branch": f"{repository}:ref:refs/heads/{chosen.workflow_branch}",
        "github-environment": f"{repository}:environment:{chosen.workflow_environment}",
    }


class Workflow(pulumi.ComponentResource):
    """The federated credentials of the workflow's identity.

    One after the other: Azure refuses to write two of one identity at a time (learn.microsoft.com,
    "Important considerations and restrictions for federated identity credentials": 409).
    """

    def __init__(
        self,
        site: Site,
        group: resources.ResourceGroup,
        identity: managedidentity.UserAssignedIdentity,
    ) -> None:
        super().__init__("tunestack:infra:Workflow", "workflow")
        earlier: list[pulumi.Resource] = []
        for name, subject in subjects(site).items():
            made = managedidentity.FederatedIdentityCredential(
                name,
                federated_identity_credential_resource_name=name,
                resource_name_=identity.name,
                resource_group_name=group.name,
                issuer=ISSUER,
                subject=subject,
                audiences=[AUDIENCE],
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(earlier)),
            )
            earlier = [made]
        self.register_outputs({})
