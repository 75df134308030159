"""What `up`, `train` and `deploy` ask first: the rules that concern them, side by side.

What failed stops the command with all findings at once, and nothing has been sent. What is only
worth knowing is a line on stderr; where all is well there is none.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from commands.output import say
from commands.session import Session
from core.errors import NotSignedIn, PrerequisiteError
from core.facts import Facts, Serving
from core.features import ClusterPlan
from core.rules import Finding, Rule, Status, run_rules
from core.settings import Settings

if TYPE_CHECKING:
    from core.cloud import Cloud
    from core.managed_recipe import AnyManaged
    from core.recipe import Recipe

Command = Callable[..., Any]


def ignore_option(command: Command) -> Command:
    """Add `--ignore`: go on in spite of a rule."""
    return click.option(
        "--ignore", "ignored", multiple=True, metavar="RULE",
        help="Go on in spite of this rule of `tunestack doctor`. May be repeated.",
    )(command)  # fmt: skip


def preflight(
    session: Session,
    command: str,
    *,
    ignored: Sequence[str] = (),
    recipe: "Recipe | None" = None,
    managed: "AnyManaged | None" = None,
    node: ClusterPlan | None = None,
    vm_size: str = "",
    serving: Serving | None = None,
) -> None:
    """Ask the rules that concern a command; say warnings, refuse where one of them stops it.

    Raises:
        PrerequisiteError: every finding that stops the command, each with its fix.
        NotSignedIn: nobody is signed in.
        CloudError: Azure or its sign-in service is away.
    """
    rules = [rule for rule in all_rules() if rule.concerns(command) and rule.id not in ignored]
    if managed is not None:
        rules = [rule for rule in rules if not rule.of_nodes]
    facts = replace(
        facts_of(session, session.settings, recipe),
        managed=managed,
        node=node,
        endpoint_vm_size=vm_size,
        serving=serving,
    )
    found = run_rules(rules, facts)
    if facts.silence:
        raise facts.silence
    stops = {rule.id for rule in rules if command in rule.stops}
    wrong = [one for one in found if one.status is Status.FAILED and one.rule in stops]
    mended = {rule.id for rule in rules if command in rule.mends}
    for finding in found:
        if _is_worth_a_word(finding, mended) and finding not in wrong:
            say(f"[yellow]Note[/yellow] {escape(_line(finding))}")
    if wrong:
        raise _refusal(session, command, wrong)


def all_rules() -> tuple[Rule, ...]:
    """List every rule, those of tools and place first."""
    import deploy.rules
    import infra.doctor
    import training.managed.rules
    import training.rules

    own = (*infra.doctor.RULES, *training.rules.RULES, *deploy.rules.RULES)
    return (*own, *training.managed.rules.RULES)


def facts_of(session: Session, settings: Settings, recipe: "Recipe | None" = None) -> Facts:
    """Gather what the rules are about; without a sign-in the facts say so."""
    cloud: Cloud | None = None
    absence: NotSignedIn | None = None
    try:
        cloud = session.cloud
    except NotSignedIn as error:
        absence = error
    workspace = _workspace_id(session, settings, cloud) if cloud else ""
    today = datetime.now(UTC).date()
    return Facts(session.stack, settings, today, cloud, absence, workspace, recipe)


def _workspace_id(session: Session, settings: Settings, cloud: "Cloud") -> str:
    from infra.site import Site

    return Site(settings, cloud.subscription_id, session.stack).workspace_id


def _is_worth_a_word(finding: Finding, mended: set[str]) -> bool:
    is_warning = finding.status is Status.WARNING and finding.rule not in mended
    return is_warning or finding.status is Status.FAILED


def _refusal(session: Session, command: str, wrong: Sequence[Finding]) -> PrerequisiteError:
    told = "\n".join(_line(finding) for finding in wrong)
    ids = " ".join(f"--ignore {id}" for id in dict.fromkeys(finding.rule for finding in wrong))
    return PrerequisiteError(
        f"`{command}` has not begun, and nothing was sent:\n{told}",
        hint=f"All rules: tunestack doctor --stack {session.stack}. In spite of it: {ids}",
    )


def _line(finding: Finding) -> str:
    fix = f"\n    {finding.fix}" if finding.fix else ""
    return f"{finding.rule}: {finding.told}{fix}"
