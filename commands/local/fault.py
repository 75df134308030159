"""`tunestack local fault`: let the rehearsal's Azure fail on purpose."""

from typing import TYPE_CHECKING, Any

import click

from commands.options import json_option
from commands.output import show, table
from core.home import home

if TYPE_CHECKING:
    from local.faults import Fault, Rule


@click.group()
def fault() -> None:
    """Let requests fail by rule: add, list, clear, role-delay.

    Rules hold at once, also while the rehearsal's Azure runs, until they are spent or cleared.
    """


@fault.command()
@click.option("--method", default="*", show_default=True, help="Glob of HTTP methods.")
@click.option("--host", default="*", show_default=True, help="Glob of hosts.")
@click.option("--path", default="*", show_default=True, help="Glob of paths, without the query.")
@click.option("--status", type=int, default=0, help="Answer 429, 500, 502, 503 or 504.")
@click.option("--retry-after", type=int, help="Seconds that a status asks to wait.")
@click.option("--drop", is_flag=True, help="Cut the connection instead of answering.")
@click.option("--slow", type=int, default=0, help="Answer so many milliseconds late.")
@click.option("--after", is_flag=True, help="Perform the operation first; hide its answer.")
@click.option("--times", type=int, default=1, show_default=True, help="How many; 0: all.")
@click.option("--skip", type=int, default=0, show_default=True, help="How many pass before.")
@json_option
def add(as_json: bool, **asked: Any) -> None:
    """Set a rule, e.g. --method PUT --path '*/storageAccounts/*' --status 429 --retry-after 2."""
    from local import faults

    rule = faults.add(home() / "local", faults.Fault(**asked))
    show(_document(rule), as_json, lambda: click.echo(f"{rule.number}: {_told(rule.fault)}"))


@fault.command(name="list")
@json_option
def list_rules(as_json: bool) -> None:
    """Show the rules, and how often each has hit."""
    from local import faults

    rules, delay = faults.rules(home() / "local"), faults.delayed_roles(home() / "local")
    document = {"faults": [_document(rule) for rule in rules], "role_delay": delay}
    show(document, as_json, lambda: _print(rules, delay))


@fault.command()
@click.argument("number", type=int, required=False)
@json_option
def clear(number: int | None, as_json: bool) -> None:
    """Take a rule back; without NUMBER all of them, and the delay of grants."""
    from local import faults

    count = faults.clear(home() / "local", number)
    show({"cleared": count}, as_json, lambda: click.echo(f"Faults cleared: {count}."))


@fault.command(name="role-delay")
@click.argument("checks", type=int)
@json_option
def role_delay(checks: int, as_json: bool) -> None:
    """Refuse a new grant CHECKS times before it is in force; 0: at once, as at the start."""
    from local import faults

    faults.delay_roles(home() / "local", checks)
    text = f"A new grant is refused {checks} times before it is in force."
    show({"role_delay": checks}, as_json, lambda: click.echo(text))


def _document(rule: "Rule") -> dict[str, Any]:
    from dataclasses import asdict

    state = {"seen": rule.seen, "hits": rule.hits, "is_spent": rule.is_spent}
    return {"number": rule.number, **asdict(rule.fault), **state}


def _told(fault: "Fault") -> str:
    effect = f"{fault.status}" if fault.status else "dropped" if fault.drop else f"{fault.slow} ms"
    if fault.retry_after is not None:
        effect += f", Retry-After {fault.retry_after}"
    how_often = f"{fault.times} times" if fault.times else "always"
    when = f" after {fault.skip}" if fault.skip else ""
    done = ", operation performed" if fault.after else ""
    return f"{fault.method} {fault.host} {fault.path} -> {effect}{done}; {how_often}{when}"


def _print(rules: "list[Rule]", delay: int) -> None:
    rows = [(rule.number, _told(rule.fault), rule.seen, rule.hits) for rule in rules]
    table("Faults", ("#", "rule", "seen", "hit"), rows)
    click.echo(f"New grants are refused {delay} times before they are in force.")
