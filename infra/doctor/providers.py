"""The rule about resource providers: a subscription must have registered each namespace it uses."""

from collections.abc import Iterator

from core.facts import Facts
from core.permissions import allows, permissions
from core.rules import Finding, Rule, failed, ok, warning
from core.settings import Settings
from infra.arm_types import RESOURCES_API

ALWAYS = (
    "Microsoft.ContainerRegistry",
    "Microsoft.Insights",
    "Microsoft.KeyVault",
    "Microsoft.MachineLearningServices",
    "Microsoft.ManagedIdentity",
    "Microsoft.OperationalInsights",
    "Microsoft.Storage",
)
OF_FEATURES = {
    "hub": ("Microsoft.CognitiveServices",),
    "foundry": ("Microsoft.CognitiveServices",),
    "private_network": ("Microsoft.Network",),
    "budget": ("Microsoft.Consumption",),
}
AZURE_ALONE = ("Microsoft.Network",)
"""Azure ML's managed network makes private endpoints by itself: no request of ours is refused for
want of the registration, and so nothing here registers it."""

ASKED_BY_GUIDES = {"hub": "Microsoft.Network"}
"""What Microsoft's guides to serverless tuning want registered; no request of ours shows why."""

LATER = {"Microsoft.Logic": "deploy --expires"}
"""Used by a command alone, which registers it with its first request; who may not, is told here."""


def namespaces(settings: Settings) -> tuple[str, ...]:
    """List the namespaces that a stack with these settings uses."""
    more = [names for feature, names in OF_FEATURES.items() if getattr(settings, feature)]
    return tuple(sorted({*ALWAYS, *(name for names in more for name in names)}))


def registered(facts: Facts) -> Iterator[Finding]:
    """Say which namespaces are not registered, and whether `up` can do it."""
    wanted = namespaces(facts.settings)
    paths = [f"{facts.subscription}/providers/{name}" for name in wanted]
    answers = facts.get_each(paths, RESOURCES_API)
    states = [str((answer or {}).get("registrationState") or "") for answer in answers]
    lacking = [name for name, state in zip(wanted, states, strict=True) if state != "Registered"]
    yield from _needed_later(facts)
    if not lacking:
        yield ok(f"{len(wanted)} namespaces are registered")
        return
    granted = permissions(facts, facts.subscription)
    by_up = [name for name in lacking if _is_registered_by_up(name, granted)]
    if by_up:
        yield warning(f"not registered yet: {', '.join(by_up)}; `up` does it", _fix(by_up))
    if by_hand := [name for name in lacking if name not in by_up]:
        yield failed(f"not registered: {', '.join(by_hand)}", _fix(by_hand))


def _needed_later(facts: Facts) -> Iterator[Finding]:
    """Say which commands would be refused for want of a registration that one may not do."""
    for name, command in LATER.items():
        if _is_registered(facts, name):
            continue
        if not allows(permissions(facts, facts.subscription), f"{name}/register/action"):
            yield warning(f"not registered: {name}; `{command}` would be refused", _fix([name]))
    for feature, name in ASKED_BY_GUIDES.items():
        if getattr(facts.settings, feature) and not _is_registered(facts, name):
            told = f"not registered: {name}, which Microsoft's guide to serverless tuning asks for"
            yield warning(told, _fix([name]))


def _is_registered(facts: Facts, name: str) -> bool:
    answer = facts.get(f"{facts.subscription}/providers/{name}", RESOURCES_API) or {}
    return bool(answer.get("registrationState") == "Registered")


def _is_registered_by_up(name: str, granted: list[dict[str, object]]) -> bool:
    return name not in AZURE_ALONE and allows(granted, f"{name}/register/action")


def _fix(names: list[str]) -> str:
    command = "az provider register --wait -n"
    if len(names) == 1:
        return f"{command} {names[0]}"
    return f"for n in {' '.join(names)}; do {command} $n; done"


UP = frozenset({"up"})
RULES = (Rule("providers", registered, stops=UP, mends=UP),)
