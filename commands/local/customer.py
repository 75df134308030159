"""`tunestack local customer`: an old or a new customer of Azure's tuning."""

import click

from commands.options import json_option
from commands.output import show
from core.home import home


@click.command()
@click.option(
    "--trained-before/--new",
    default=None,
    help="Whether the subscription tuned OpenAI's models before they were retired.",
)
@json_option
def customer(trained_before: bool | None, as_json: bool) -> None:
    """Show or set whether the subscription tuned models before.

    Azure closes a retired base model to subscriptions that never tuned it. The rehearsal's is new
    at the start: a recipe of such a model, as gpt-4.1-mini, can be rehearsed after
    `local customer --trained-before`. It holds at once, also while the rehearsal's Azure runs.
    """
    from local import customers

    place = home() / "local"
    if trained_before is not None:
        customers.set_trained_before(place, trained_before)
    is_old = customers.has_trained_before(place)
    text = "tuned models before: retired ones are open to it" if is_old else "is new"
    show({"trained_before": is_old}, as_json, lambda: click.echo(f"The subscription {text}."))
