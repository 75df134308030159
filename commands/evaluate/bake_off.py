"""`evaluate --checkpoints`: every kept checkpoint against the base, and which one to take.

Checkpoints of one's own training answer on a node, all in one job. A managed service's are
deployed one after another, asked and taken down again (managed_bake_off.py).
"""

import shlex
from collections.abc import Callable
from dataclasses import replace

from rich.markup import escape

from commands.evaluate.managed_bake_off import managed_bake_off
from commands.evaluate.running import Order, evaluated
from commands.evaluate.sides.own import ROUTE, training_job
from commands.evaluate.sides.places import Places
from commands.jobs.view import naming_stack
from commands.output import say, table
from commands.session import REHEARSAL, Session
from core.errors import UserError
from core.refs import ModelRef
from evaluation.gates.gate import Gate
from evaluation.gates.ranking import Ranking, Row, rank
from evaluation.results import Evaluation
from training.jobs import ENDED, find_job
from training.kept_orders import read_order, whole_steps
from training.managed.services import find_managed_job


def bake_off(
    session: Session, job: str, order: Order, gate: Gate | None = None
) -> tuple[Evaluation, Ranking]:
    """Ask all checkpoints of a job and rank them; without a job, of the newest model's.

    Raises:
        UserError: the job goes on, has kept nothing, or its service keeps nothing.
        SettingsError, PrerequisiteError: it costs too much, or something is in the way.
        JobFailed, CloudError: somebody did not answer; what came is kept.
    """
    with naming_stack(session.stack):
        job = job or newest_job(session)
        found = find_managed_job(session.cloud, session.outputs, job)
        if found is not None:
            evaluation = managed_bake_off(session, *found, order)
        else:
            evaluation = evaluated(session, replace(order, names=sides(session, job)))
    return evaluation, rank(evaluation, gate)


def newest_job(session: Session) -> str:
    """Name the job that made the newest model.

    Raises:
        UserError: there is no model.
    """
    places = Places(session)
    found = places.model(ModelRef.parse(""))
    return found[1].job if isinstance(found, tuple) else training_job(places, found)


def sides(session: Session, job: str) -> tuple[str, ...]:
    """Name the base and the whole checkpoints of one's own training, the earliest first.

    Raises:
        UserError: there is no such job, it has not ended, or nothing is kept of it.
    """
    cloud, outputs = session.cloud, session.outputs
    status = find_job(cloud, outputs, job).status
    show = f"tunestack jobs show {job}"
    if status not in ENDED:
        raise UserError(
            f"The job {job} is {status}: its checkpoints come and go until it has ended.", hint=show
        )
    run = read_order(cloud, outputs, job).place.run or job
    steps = whole_steps(cloud, outputs, run)
    if not steps:
        raise UserError(f"Of the job {job} no whole checkpoint is kept.", hint=show)
    return ("base", *(f"{job}@{step}" for step in steps))


def print_ranking(ranking: Ranking, evaluation: Evaluation) -> None:
    """Print who is best, who cannot be told from it, who is out and why, and what to do now."""
    title = f"Ranked by {ranking.metric}" if ranking.metric else "Nobody could be ranked"
    if ranking.gate:
        title += f", of those that pass the gate {ranking.gate}"
    columns = ["", "side", ranking.metric or "value", "against the best", "cases", ""]
    table(title, columns, [_cells(row, ranking) for row in ranking.rows])
    for row in ranking.rows:
        for reason in row.reasons:
            say(f"{escape(row.side)} is out: {escape(reason)}")
    for note in ranking.notes:
        say(escape(note))
    if ranking.chosen:
        say(f"[green]Take {escape(ranking.chosen)}.[/green]")
        say(f"Next: {_next(ranking.chosen, evaluation)}")


def _next(chosen: str, evaluation: Evaluation) -> str:
    """Give the command that takes what was chosen."""
    (side,) = (side for side in evaluation.sides if side.name == chosen)
    on = "" if evaluation.stack == REHEARSAL else f" --stack {shlex.quote(evaluation.stack)}"
    if side.role == "checkpoint" and side.route == ROUTE:
        return f"tunestack models register {side.model}{on}, then deploy what it names"
    name, _, step = side.model.partition(":ckpt-step-")
    return f"tunestack deploy --model {f'{name}:1 --checkpoint {step}' if step else name}{on}"


def require_choice(ranking: Ranking) -> None:
    """Refuse a ranking that leaves nobody.

    Raises:
        UserError: every reason of every candidate.
    """
    if ranking.chosen:
        return
    reasons = [f"{row.side}: {reason}" for row in ranking.rows for reason in row.reasons]
    gate = f" the gate {ranking.gate}" if ranking.gate else ""
    raise UserError(
        f"No checkpoint passes{gate}:\n" + "\n".join(reasons),
        hint="Train longer, on more data, or with another learning rate; then again.",
    )


def _cells(row: Row, ranking: Ranking) -> list[str]:
    number: Callable[[float], str] = "{:.4g}".format
    value = "" if row.value is None else number(row.value)
    if row.interval:
        value += f" ({number(row.interval.low)} to {number(row.interval.high)})"
    against, found = "", row.against_best
    if found is not None and found.value is not None:
        against = f"{found.value:+.4g}"
        if found.interval:
            against += f" ({found.interval.low:+.4g} to {found.interval.high:+.4g})"
        against += "" if found.p_corrected is None else f", p {found.p_corrected:.2g}"
    mark = "take" if row.side == ranking.chosen else ""
    return [mark, escape(row.side), value, against, str(row.cases), row.standing]
