"""`tunestack local preempt`: take low-priority nodes away from the rehearsal's jobs."""

from typing import TYPE_CHECKING, Any

import click

from commands.options import json_option
from commands.output import show, table
from core.home import home

if TYPE_CHECKING:
    from local.preemptions import Preemption, Rule


@click.command()
@click.argument("job", default="*")
@click.option("--after-steps", type=int, default=0, help="Once its log has told so many steps.")
@click.option("--when", default="", metavar="GLOB", help="Once a line of its log fits.")
@click.option(
    "--then", type=click.Choice(("requeue", "fail", "cancel")), default="requeue",
    show_default=True, help="It starts again by itself, or ends so.",
)  # fmt: skip
@click.option(
    "--notice", type=float, default=0, show_default=True, metavar="SECONDS",
    help="From SIGTERM to SIGKILL; 0: SIGKILL alone.",
)  # fmt: skip
@click.option("--times", type=int, default=1, show_default=True, help="How often; 0: always.")
@click.option("--list", "lists", is_flag=True, help="Show the rules and how often each has hit.")
@click.option("--clear", "clears", is_flag=True, help="Take all rules back.")
@json_option
def preempt(lists: bool, clears: bool, as_json: bool, **asked: Any) -> None:
    """Take the nodes of JOB away, a name or a glob: now, or once it has come so far.

    It holds for jobs on low-priority clusters, also for those to come. What runs really gets
    SIGTERM and SIGKILL; its outputs stay. Dedicated nodes are never taken.
    """
    from local import preemptions

    place = home() / "local"
    if clears:
        count = preemptions.clear(place)
        show({"cleared": count}, as_json, lambda: click.echo(f"Preemptions cleared: {count}."))
    elif lists:
        rules = preemptions.rules(place)
        document = {"preemptions": [rule.document() for rule in rules]}
        show(document, as_json, lambda: _print(rules))
    else:
        made = preemptions.add(place, preemptions.Preemption(**asked))
        text = f"{made.number}: {_told(made.preemption)}"
        show(made.document(), as_json, lambda: click.echo(text))


def _told(what: "Preemption") -> str:
    when = "as soon as it runs"
    if what.when:
        when = f"once its log says {what.when!r}"
    elif what.after_steps:
        when = f"after {what.after_steps} steps"
    notice = f"{what.notice:g} s of notice" if what.notice else "no notice"
    often = f"{what.times} times" if what.times else "always"
    return f"{what.job} loses its nodes {when}, {notice}, then {what.then}; {often}"


def _print(rules: "list[Rule]") -> None:
    rows = [(rule.number, _told(rule.preemption), rule.hits) for rule in rules]
    table("Preemptions", ("#", "rule", "hit"), rows)
