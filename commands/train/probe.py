"""`train --probe`: a few steps on the node put the estimate right.

The probe is a job like any other, of a few updates, without samples. Its model is not registered;
nothing of it is kept here: a later estimate finds its metrics in the workspace.
"""

import shlex
import sys
from dataclasses import replace
from typing import Any

import click

from commands.grants import naming_missing_grants
from commands.jobs.following import follow_run
from commands.output import confirm, say, show, table
from commands.session import Session
from commands.train.cost import node_of, with_estimate
from commands.train.estimate import estimate_order, hours, offer_document, usd
from core.errors import SettingsError, UserError
from core.recipe import Recipe
from training.estimate import Measured, Offer
from training.estimate.calibration import measured_job
from training.estimate.memory import GIB
from training.kept_orders import read_order
from training.submission import Order, submit

STEPS = 20
FIRST_LOGGED = 5
"""Parts into which a probe's steps are logged: the first, which warms up, is then a small share."""


def probe_recipe(recipe: Recipe, steps: int) -> Recipe:
    """Make the recipe of a probe: the same work a step, but few steps and nothing round them."""
    training = recipe.training.model_copy(
        update={
            "max_steps": steps,
            "save_steps": max(recipe.training.save_steps, steps + 1),
            "eval_steps": 0,
            "logging_steps": max(1, steps // FIRST_LOGGED),
            "keep": "last",
        }
    )
    samples = recipe.samples.model_copy(update={"count": 0})
    return recipe.model_copy(update={"training": training, "samples": samples})


def check_probe(steps: int | None, *, follow: bool) -> None:
    """Refuse a probe that nobody waits for.

    Raises:
        SettingsError: `--no-follow`.
    """
    if steps is not None and not follow:
        raise SettingsError(
            "--probe waits for its job, and --no-follow does not.",
            hint="Leave one of them out. Nothing was sent.",
        )


def run_probe(session: Session, order: Order, steps: int, *, yes: bool, as_json: bool) -> bool:
    """Submit a probe, wait for it, show the corrected estimate; say whether to go on.

    With `yes` nobody is asked, and the whole run is not submitted: its command is shown.

    Raises:
        JobFailed: the probe did not complete.
        UserError: it measured no speed.
    """
    size, priority = node_of(session, order)
    before = estimate_order(session, order).on(size, priority)
    confirm(f"Submit a probe of {steps} steps?", yes=yes or session.is_rehearsal)
    measured = _measure(session, order, steps)
    after = estimate_order(session, order, (measured,)).on(size, priority)
    document = _document(measured, before, after)
    show(document, as_json, lambda: _print(measured, before, after))
    if yes or as_json or not sys.stdin.isatty():
        say(f"The whole run: {_command(session)}")
        return False
    return click.confirm("Submit the whole run now?", err=True)


def _measure(session: Session, order: Order, steps: int) -> Measured:
    cloud, outputs = session.cloud, session.outputs
    probe = replace(order, recipe=probe_recipe(order.recipe, steps), is_probe=True)
    with naming_missing_grants(session):
        job = submit(cloud, outputs, replace(with_estimate(session, probe), estimate=None))
        say(f"Submitted the probe [bold]{job.name}[/bold]")
        last = follow_run(session, job.name)
        measured = measured_job(cloud, outputs, read_order(cloud, outputs, last))
    if measured is None:
        raise UserError(
            f"The probe {last} completed, but tracked no speed.",
            hint=f"tunestack jobs logs {last} --stack {session.stack}; or more steps: --probe 50",
        )
    return measured


def _document(measured: Measured, before: Offer | None, after: Offer | None) -> dict[str, Any]:
    return {
        "probe": measured.job,
        "vm_size": measured.vm_size,
        "tokens_per_second": measured.tokens_per_second,
        "peak_memory": measured.peak_memory,
        "predicted": offer_document(before),
        "predicted_memory": before.memory.document() if before else None,
        "corrected": offer_document(after),
    }


def _print(measured: Measured, before: Offer | None, after: Offer | None) -> None:
    click.echo(f"Probe {measured.job} on {measured.vm_size}")
    peak = f"{measured.peak_memory / GIB:.2f}" if measured.peak_memory else "not tracked"
    rows = [("tokens a second", "", f"{measured.tokens_per_second:,.0f}")]
    if before:
        span = f"{before.memory.low / GIB:.2f}-{before.memory.high / GIB:.2f}"
        rows.append(("peak memory, GiB", span, peak))
    if before and after:
        rows.append(("hours of the whole run", hours(before.hours), hours(after.hours)))
        rows.append(("USD of the whole run", usd(before.price), usd(after.price)))
    table("", ["", "predicted", "measured"], rows)


def _command(session: Session) -> str:
    said = [part for part in sys.argv[1:] if not part.startswith("--probe")]
    if not said or said[0] != "train":
        return f"tunestack train --stack {shlex.quote(session.stack)} …"
    return f"tunestack {shlex.join(said)}"


def probe_option(command: Any) -> Any:
    """Add `--probe`."""
    return click.option(
        "--probe", type=click.IntRange(3, 500), is_flag=False, flag_value=STEPS, default=None,
        metavar="[STEPS]",
        help=f"First run so many steps on the node, correct the estimate, then ask.  [{STEPS}]",
    )(command)  # fmt: skip


def estimate_option(command: Any) -> Any:
    """Add `--estimate`."""
    return click.option(
        "--estimate", is_flag=True,
        help="Only say memory, time and price by VM size; nothing is sent.",
    )(command)  # fmt: skip
