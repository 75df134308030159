"""Makes role assignments of the grants that `roles` lists."""

from collections import defaultdict

import pulumi
from pulumi_azure_native import authorization

from infra.identity import Identities
from infra.roles import Grant, Scope, Who, assignment_name
from infra.site import Site


class Grants(pulumi.ComponentResource):
    """The stack's role assignments, given scope by scope as the scopes come to exist."""

    def __init__(
        self,
        site: Site,
        identities: Identities,
        person: str,
        ai_account: pulumi.Input[str] | None = None,
    ) -> None:
        super().__init__("tunestack:infra:Grants", "grants")
        self._site = site
        self._principals: dict[Who, pulumi.Input[str]] = {
            Who.ENDPOINT: identities.endpoint.principal_id,
            Who.JOB: identities.job.principal_id,
            Who.PERSON: person,
        }
        if identities.workspace:
            self._principals[Who.WORKSPACE] = identities.workspace.principal_id
        if identities.hub:
            self._principals[Who.HUB] = identities.hub.principal_id
        if identities.workflow:
            self._principals[Who.WORKFLOW] = identities.workflow.principal_id
        if ai_account is not None:
            self._principals[Who.AI_ACCOUNT] = ai_account
        self._given: dict[Who, list[pulumi.Resource]] = defaultdict(list)

    def give(self, scope: Scope, id: pulumi.Output[str]) -> None:
        """Make every grant on `scope`, whose ARM id is `id`."""
        for grant in self._site.grants:
            if grant.scope is scope:
                self._given[grant.who].append(self._assign(grant, id))

    def of(self, who: Who) -> list[pulumi.Resource]:
        """Give what was granted to `who` so far, for others to wait for."""
        return list(self._given[who])

    def _assign(self, grant: Grant, id: pulumi.Output[str]) -> authorization.RoleAssignment:
        principal = pulumi.Output.from_input(self._principals[grant.who])
        return authorization.RoleAssignment(
            grant.name,
            role_assignment_name=pulumi.Output.all(principal, id).apply(
                lambda ids: assignment_name(ids[0], grant.role, ids[1])
            ),
            scope=id,
            principal_id=principal,
            # The SDK's default is User, and Azure refuses a new identity under that name.
            principal_type=self._principal_type(grant.who),
            role_definition_id=grant.role.definition_id(self._site.subscription),
            description=grant.reason,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _principal_type(self, who: Who) -> str:
        return self._site.settings.person_type if who is Who.PERSON else "ServicePrincipal"
