"""`tunestack local clock`: bring a moment of the rehearsal nearer."""

import click

from commands.options import json_option
from commands.output import show
from core.errors import SettingsError
from core.home import home


@click.command()
@click.argument("ahead", default="", metavar="[AHEAD]")
@json_option
def clock(ahead: str, as_json: bool) -> None:
    """Show the clock that schedules go by, or set it AHEAD: 9h, 3d; 0 sets it right again.

    What expires meanwhile expires at once: `deploy --expires 8h`, then `local clock 9h`.
    """
    from local import clock as clocks

    place = home() / "local"
    if ahead:
        clocks.set_ahead(place, _seconds(ahead))
    moment, seconds = clocks.write(clocks.now(place)), clocks.ahead(place)
    text = f"Schedules go by {moment}, {seconds / 3600:g} hours ahead."
    show({"now": moment, "ahead_seconds": seconds}, as_json, lambda: click.echo(text))


def _seconds(text: str) -> float:
    from deploy.upkeep.moments import parse_span

    span = parse_span(text)
    if span is None and text != "0":
        raise SettingsError(f"{text!r} is no span.", hint="tunestack local clock 9h")
    return span.total_seconds() if span else 0.0
