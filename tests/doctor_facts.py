"""Facts for the tests of rules: a recorded Azure that says what a test lets it say."""

from datetime import date
from typing import Any

from core.errors import CloudError
from core.facts import Facts
from core.recipe import Recipe
from core.rules import Finding, Rule, run_rules
from core.settings import parse_settings
from infra.site import Site
from tests.infra.recorded_arm import SUBSCRIPTION, FakeCloud
from training.recipes import load_recipe

TODAY = date(2026, 11, 21)
ML = "Microsoft.MachineLearningServices"
AI = "Microsoft.CognitiveServices"
ROOT = f"/subscriptions/{SUBSCRIPTION}"
A100 = "Standard NCADSA100v4 Family Cluster Dedicated vCPUs"
REGION = "Total Cluster Dedicated Regional vCPUs"


def facts(stack: str = "dev", recipe: str = "", today: date = TODAY, **chosen: Any) -> Facts:
    """Make the facts of a stack with these settings, signed in to a recorded Azure."""
    settings, cloud = parse_settings(chosen), FakeCloud()
    found: Recipe | None = load_recipe(recipe) if recipe else None
    workspace = Site(settings, SUBSCRIPTION, stack).workspace_id
    return Facts(stack, settings, today, cloud, None, workspace, found)  # type: ignore[arg-type]


def arm(of: Facts) -> Any:
    """Give the recorded Azure behind the facts."""
    assert of.cloud is not None
    return of.cloud.arm


def say(of: Facts, path: str, answer: Any) -> None:
    """Let Azure answer a path with this."""
    arm(of).said[path.lower()] = answer


def say_usages(of: Facts, *rows: tuple[str, int, int], provider: str = ML) -> None:
    """Let Azure list this quota: name, used, limit."""
    listed = [
        {"name": {"value": name, "localizedValue": name}, "currentValue": used, "limit": limit}
        for name, used, limit in rows
    ]
    say(of, of.at_location(provider, "usages"), listed)


def refuse(of: Facts, part: str, action: str = "Some/thing/read") -> None:
    """Let Azure refuse whatever has this in its path, as it refuses a missing right."""
    told = (
        "Azure refused to ask: AuthorizationFailed: The client 'x' with object id 'y' does not have"
        f" authorization to perform action '{action}' over scope '{ROOT}' or the scope is invalid."
    )
    refusal = CloudError(told, code="AuthorizationFailed", status=403)
    arm(of).refuse = lambda method, path: refusal if part.lower() in path.lower() else False


def found(rules: tuple[Rule, ...], id: str, of: Facts) -> list[Finding]:
    """Run one rule."""
    (rule,) = [rule for rule in rules if rule.id == id]
    return run_rules([rule], of)


def one(rules: tuple[Rule, ...], id: str, of: Facts) -> Finding:
    """Run one rule that finds one thing."""
    (finding,) = found(rules, id, of)
    return finding
