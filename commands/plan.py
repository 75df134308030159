"""`tunestack plan`."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from commands import output, pricing
from commands.options import json_option, stack_option
from commands.session import Session
from core.errors import NotSignedIn, UserError

if TYPE_CHECKING:
    from infra.engine import Plan, Step
    from infra.prices import Outlook

MARKS = {"new": "+", "changed": "~", "same": "=", "gone": "-", "unknown": "?"}


@click.command()
@stack_option
@click.option(
    "--svg", type=click.Path(path_type=Path, dir_okay=False), help="Also draw the stack to a file."
)
@click.option(
    "--role", "is_role", is_flag=True,
    help="Print only the role that the person who deploys needs, for az role definition create.",
)  # fmt: skip
@click.option(
    "--expect-no-changes", "is_final", is_flag=True, help="Exit 1 where `up` would change anything."
)
@pricing.training_hours_option
@pricing.max_cost_option("a month of 730 h, with nothing running,")
@json_option
def plan(
    stack: str,
    svg: Path | None,
    is_role: bool,
    is_final: bool,
    training_hours: float | None,
    max_cost: float | None,
    as_json: bool,
) -> None:
    """Show what `up` would make, who may do what and why."""
    session = Session(stack)
    if is_role:
        show_role(session)
        return
    found = pricing.priced(session, planned(session))
    sums = outlook(session, found, training_hours)
    if svg:
        draw(session, svg)
    document = {**found.document(), "outlook": sums.document()}
    output.show(document, as_json, lambda: show_plan(found, sums))
    pricing.check_standing(max_cost, found.prices)
    if is_final and found.has_changes:
        raise UserError(
            f"{stack} is not as its settings say: `up` would change it.",
            hint=f"tunestack up --stack {stack}",
        )


def outlook(session: Session, found: "Plan", hours: float | None) -> "Outlook":
    """Sum up what a plan costs."""
    from infra.prices import outlook as summed

    return summed(found.prices, pricing.expected_run(session, hours))


def draw(session: Session, file: Path) -> None:
    """Draw the stack as its settings make it."""
    from infra.picture import write

    write(file, session.settings, session.stack)
    output.say(f"The picture is in {file}.")


def show_role(session: Session) -> None:
    """Print the custom role of whoever deploys; on stderr, what to do with it."""
    from infra.deployer_role import condition, deployer_role

    try:
        subscription = session.cloud.subscription_id
    except NotSignedIn:
        subscription = "SUBSCRIPTION_ID"
    role = deployer_role(session.settings, session.stack, subscription)
    click.echo(json.dumps(role, indent=2))
    name, limit = shlex.quote(role["Name"]), shlex.quote(condition(session.settings))
    told = (
        "By an owner, with the above in role.json:\n"
        "az role definition create --role-definition @role.json\n"
        f"az role assignment create --role {name} --assignee PERSON"
        f" --scope {role['AssignableScopes'][0]} --condition-version 2.0 --condition {limit}\n"
        "The condition lets its holder hand out the roles of this stack and no other."
    )
    output.say(escape(told))


def planned(session: Session) -> "Plan":
    """Plan with what Azure has; without a sign-in, with what the program declares alone."""
    settings = session.settings
    try:
        return session.engine.plan()
    except NotSignedIn as error:
        from infra.in_process.preview import offline_plan
        from infra.site import PULUMI

        note = f"Azure was not asked, so what is there is not known. {error} {error.hint}"
        return offline_plan(session.stack, settings, PULUMI, note)


def show_plan(found: "Plan", sums: "Outlook") -> None:
    """Print resources, grants, prices and their sums."""
    output.table(
        f"Resources of {found.stack}",
        ("", "what", "name", "differs in"),
        [(MARKS[step.change], step.title, step.name, _differs(step)) for step in found.steps],
    )
    if not found.has_changes:
        click.echo("Nothing would change.")
    click.echo()
    output.table(
        "Grants",
        ("identity", "role", "scope", "reason"),
        [(row.identity, row.role, row.scope, row.reason) for row in found.grants],
    )
    click.echo()
    show_prices(found)
    click.echo()
    click.echo("\n".join(pricing.outlook_lines(sums)))
    if found.note:
        click.echo(f"\n{found.note}")


def show_prices(found: "Plan") -> None:
    """Print what the stack costs an hour, and how old the figures are."""
    rows = [(price.when, price.what, money(price.per_hour), price.source) for price in found.prices]
    output.table("USD an hour", ("while", "what", "price", "figures"), rows)


def money(amount: float | None) -> str:
    """Write USD; small amounts keep their digits."""
    if amount is None:
        return "unknown"
    return f"{amount:.3f}" if amount else "0"


def _differs(step: "Step") -> str:
    return ", ".join(f"{item.path}: {item.before!r} → {item.after!r}" for item in step.differences)
