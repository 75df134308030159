"""Rules about what the caller may do: make and grant where the stack is, purge at the subscription.

What a role's conditions take away again is not in Azure's list (core/permissions.py).
"""

from collections.abc import Iterator

from core.facts import Facts
from core.permissions import missing, permissions
from core.rules import Finding, Rule, failed, ok, unknown, warning
from infra.arm_types import GROUP, TYPES
from infra.doctor.providers import namespaces

GRANT = "Microsoft.Authorization/roleAssignments/write"
PURGES = {
    "vault": "Microsoft.KeyVault/locations/deletedVaults/purge/action",
    "AI account": "Microsoft.CognitiveServices/locations/resourceGroups/deletedAccounts/delete",
}
PURGERS = "Key Vault Purge Operator"
GROUP_WRITE = "Microsoft.Resources/subscriptions/resourceGroups/write"
OF_FEATURES = {
    "Microsoft.CognitiveServices/accounts/projects": ("foundry",),
    "Microsoft.CognitiveServices/accounts/raiPolicies": ("foundry",),
    "Microsoft.Insights/actionGroups": ("monitoring",),
    "Microsoft.Insights/diagnosticSettings": ("monitoring",),
    "Microsoft.MachineLearningServices/workspaces/connections": ("hub",),
    "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials": ("github",),
}
"""Types that only some stacks have; the others come with their namespace."""

OF_THE_WORKSPACE = frozenset(
    {
        "Microsoft.ContainerRegistry/registries",
        "Microsoft.Insights/components",
        "Microsoft.KeyVault/vaults",
        "Microsoft.MachineLearningServices/workspaces",
        "Microsoft.OperationalInsights/workspaces",
        "Microsoft.Storage/storageAccounts",
        "Microsoft.Storage/storageAccounts/blobServices/containers",
    }
)
"""Types that an adopted workspace has already."""

GRANTERS = "Role Based Access Control Administrator"


def granting(facts: Facts) -> Iterator[Finding]:
    """Say whether the caller may give roles, which half of the stack consists of."""
    scope = _where(facts)
    granted = permissions(facts, scope)
    if not granted:
        yield unknown(f"Azure listed no rights of yours on {scope}")
    elif missing(granted, [GRANT]):
        told = f"you may not give roles on {_said(scope)}: {GRANT} is missing"
        yield failed(told, _assign(facts, GRANTERS, scope))
    else:
        yield ok(f"you may give roles on {_said(scope)}")


def making(facts: Facts) -> Iterator[Finding]:
    """Say whether the caller may make what the program makes."""
    scope = _where(facts)
    granted = permissions(facts, scope)
    if not granted:
        yield unknown(f"Azure listed no rights of yours on {scope}")
        return
    group = [] if _has_group(facts) else [GROUP_WRITE]
    lacking = missing(granted, [*group, *writes(facts)])
    if lacking:
        told = f"you may not make what the stack has, on {_said(scope)}: {', '.join(lacking)}"
        yield failed(told, _assign(facts, "Contributor", scope))
    else:
        yield ok(f"you may make what the stack has, on {_said(scope)}")


def purging(facts: Facts) -> Iterator[Finding]:
    """Say whether `destroy` can let go of names; a right on the group does not do."""
    wanted = dict(PURGES)
    if not (facts.settings.hub or facts.settings.foundry):
        del wanted["AI account"]
    if facts.settings.purge_protection or facts.settings.hardened:
        del wanted["vault"]
    granted = permissions(facts, facts.subscription)
    lacking = [what for what, action in wanted.items() if missing(granted, [action])]
    if not lacking:
        yield ok("you may purge what `destroy` deletes")
        return
    yield warning(
        f"you may not purge a deleted {' or '.join(lacking)}, which is a right at the subscription:"
        " after `destroy` Azure keeps its name for days",
        _assign(facts, PURGERS if lacking == ["vault"] else "Contributor", facts.subscription),
    )


def writes(facts: Facts) -> list[str]:
    """List the rights of making each type that the stack has."""
    used = namespaces(facts.settings)
    types = [kind.arm_type for kind in TYPES.values() if kind.arm_type.partition("/")[0] in used]
    return [f"{type}/write" for type in types if _is_made(facts, type)]


def _is_made(facts: Facts, arm_type: str) -> bool:
    features = OF_FEATURES.get(arm_type)
    if features is not None:
        return any(getattr(facts.settings, name) for name in features)
    return not (facts.settings.adopt_workspace and arm_type in OF_THE_WORKSPACE)


def _where(facts: Facts) -> str:
    """Give the scope that counts: the group, where it is there already, else the subscription."""
    return facts.group_id if _has_group(facts) else facts.subscription


def _has_group(facts: Facts) -> bool:
    return facts.get(facts.group_id, GROUP.api_version) is not None


def _said(scope: str) -> str:
    """Name a scope as a person does."""
    group = scope.partition("/resourceGroups/")[2]
    return f"the resource group {group}" if group else "the subscription"


def _assign(facts: Facts, role: str, scope: str) -> str:
    who = facts.person().object_id
    return (
        f'by an owner: az role assignment create --assignee {who} --role "{role}" --scope {scope}'
    )


RULES = (
    Rule("rights.roles", granting, stops=frozenset({"up"})),
    Rule("rights.resources", making, stops=frozenset({"up"})),
    Rule("rights.purge", purging, warns=frozenset({"up"})),
)
