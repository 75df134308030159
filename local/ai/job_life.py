"""A tuning job from its place in the queue to its end: one runs in an account, the others wait.

The state says how far a job is; `has_slot` is true from its start until its program is gone. What
takes time happens in tasks: preparing the files here, training in `local.tuning.running`.
"""

import logging

from local.ai import checkpoints, file_store
from local.ai.allowances import allowances
from local.ai.events import tell, tell_step
from local.ai.job_records import (
    KIND,
    WAITING,
    can_pause,
    changed,
    fail,
    is_open,
    is_over,
    moved,
    status_of,
    training_id,
)
from local.ai.orders import ordered
from local.ai.preprocessing import Unusable
from local.ai.records import all_of, find, now, store
from local.ai.results import add_results
from local.operations import Refusal
from local.runner.tasks import Task
from local.state import Document
from local.tuning import running
from local.tuning.orders import Outcome, Step, TuningOrder
from local.world import World

log = logging.getLogger("local.tuning")


def submit(world: World, account_id: str, record: Document) -> None:
    """Put a job into the queue; it starts when its turn comes.

    Raises:
        Refusal: 400, the account has too many jobs, or too many that wait.
    """
    allowed = allowances(world.state)
    with world.state.transaction():
        jobs = all_of(world.state, account_id, KIND)
        waiting = sum(one["job"]["status"] in WAITING for one in jobs)
        if len(jobs) >= allowed.jobs:
            raise _over(f"{allowed.jobs} fine-tuning jobs; delete some")
        if waiting >= allowed.queued:
            raise _over(f"{allowed.queued} fine-tuning jobs that wait")
        store(world.state, account_id, KIND, record)
        text = "Job enqueued. Waiting for jobs ahead to complete."
        tell(world.state, account_id, record["id"], text)


def _over(what: str) -> Refusal:
    return Refusal(400, "quotaExceeded", f"The resource may have {what}.")


def advance(world: World, account_id: str) -> None:
    """Start the jobs whose turn it is."""
    while (id := _next(world, account_id)) is not None:
        _start(world, account_id, id)


def resume(world: World) -> None:
    """Take up what a server that was stopped or killed has left."""
    accounts = set()
    for place, record in world.state.find(f"ai/{KIND}"):
        account_id = place.rpartition(f"/openai/{KIND}/")[0]
        accounts.add(account_id)
        if record["has_slot"]:
            _take_up(world, account_id, record)
    for account_id in accounts:
        advance(world, account_id)


def cancel(world: World, account_id: str, id: str) -> Document:
    """End a job that has not ended; its program takes a moment longer.

    Raises:
        Refusal: 400, it has ended.
    """
    record = moved(world, account_id, id, is_open, "cancelled")
    if record["has_slot"]:
        running.stop(world, training_id(account_id, id))
    else:
        running.forget(world, training_id(account_id, id))
        advance(world, account_id)
    return record


def pause(world: World, account_id: str, id: str) -> Document:
    """Have a job stop after its step.

    Raises:
        Refusal: 400, it does not run, or has made no step.
    """
    record = moved(world, account_id, id, can_pause, "pausing")
    running.stop(world, training_id(account_id, id))
    return record


def go_on(world: World, account_id: str, id: str) -> Document:
    """Have a paused job go on when its turn comes.

    Raises:
        Refusal: 400, it is not paused.
    """
    record = moved(world, account_id, id, lambda one: status_of(one) == "paused", "resuming")
    advance(world, account_id)
    return record


class Follower:
    """Writes what a training tells into its job's record."""

    def __init__(self, world: World, account_id: str, id: str) -> None:
        self.world, self.account_id, self.id = world, account_id, id

    def began(self) -> None:
        """Note that the program runs."""

        def note(record: Document) -> None:
            if status_of(record) == "resuming":
                record["job"]["status"] = "running"

        changed(self.world, self.account_id, self.id, note)

    def stepped(self, step: Step) -> None:
        """Note a step, and tell it where it is one to tell."""

        def note(record: Document) -> None:
            record["steps"] = step.step
            tell_step(self.world.state, self.account_id, self.id, step)

        changed(self.world, self.account_id, self.id, note)

    def ended(self, outcome: Outcome) -> None:
        """Note the end, and let the next one start."""
        record = find(self.world.state, self.account_id, KIND, self.id)
        if record is None:
            return
        if not is_over(record):
            self._note_end(record, outcome)
        current = find(self.world.state, self.account_id, KIND, self.id)
        if current is not None and status_of(current) == "cancelled":  # perhaps only just now
            running.forget(self.world, training_id(self.account_id, self.id))
        _release(self.world, self.account_id, self.id)

    def _note_end(self, record: Document, outcome: Outcome) -> None:
        if outcome.kind == "succeeded":
            self._succeed(record, outcome)
        elif outcome.kind == "failed":
            fail(self.world, self.account_id, self.id, "internalFailure", outcome.reason)
        else:
            self._pause(record, outcome)

    def _succeed(self, record: Document, outcome: Outcome) -> None:
        file = add_results(self.world, self.account_id, outcome.curve)
        state = self.world.state

        def note(current: Document) -> None:
            if is_over(current):
                return
            checkpoints.keep(state, self.account_id, record, outcome)
            for text in (
                "Job succeeded.",
                "Postprocessing started.",
                f"Completed results file: {file}",
                f"Training hours billed: {outcome.seconds / 3600:.3f}",
            ):
                tell(state, self.account_id, self.id, text)
            current["job"] |= {
                "status": "succeeded",
                "fine_tuned_model": record["tuned"],
                "result_files": [file],
                "trained_tokens": outcome.tokens,
                "finished_at": now(),
            }

        reached = changed(self.world, self.account_id, self.id, note)
        if reached is None or status_of(reached) != "succeeded":
            file_store.drop(self.world, self.account_id, file)

    def _pause(self, record: Document, outcome: Outcome) -> None:
        def note(current: Document) -> None:
            if status_of(current) == "pausing":
                checkpoints.keep(self.world.state, self.account_id, record, outcome)
                current["job"]["status"] = "paused"

        changed(self.world, self.account_id, self.id, note)


def _next(world: World, account_id: str) -> str | None:
    """Give a slot to the job whose turn it is; None where there is no slot or no job."""
    with world.state.transaction():
        jobs = all_of(world.state, account_id, KIND)
        if sum(one["has_slot"] for one in jobs) >= allowances(world.state).running:
            return None
        waiting = (one for one in jobs if status_of(one) in WAITING and not one["has_slot"])
        record = next(waiting, None)
        if record is None:
            return None
        record["has_slot"] = True
        if status_of(record) == "pending":
            record["job"]["status"] = "running"
            tell(world.state, account_id, record["id"], "Job started.")
        store(world.state, account_id, KIND, record)
        return str(record["id"])


def _start(world: World, account_id: str, id: str) -> None:
    name = f"{training_id(account_id, id)}/preparing"
    world.processes.begin(name, lambda task: _prepare(world, account_id, id, task))


def _prepare(world: World, account_id: str, id: str, task: Task) -> None:
    """Check and rewrite a job's files, and begin its training."""
    order = _ordered(world, account_id, id)
    record = find(world.state, account_id, KIND, id)
    if task.stopping.is_set() or record is None:
        return
    if order is None or is_over(record):
        _release(world, account_id, id)
        return
    running.begin(world, training_id(account_id, id), order, Follower(world, account_id, id))
    record = find(world.state, account_id, KIND, id)
    # `pausing` is what a killed server left: a start and a stop at once keep what it had reached.
    if record is None or status_of(record) in ("cancelled", "pausing"):
        running.stop(world, training_id(account_id, id))


def _ordered(world: World, account_id: str, id: str) -> TuningOrder | None:
    """Give a job's order; a job that cannot have one fails and says why."""
    try:
        return ordered(world, account_id, id)
    except Unusable as reason:
        fail(world, account_id, id, "jsonlValidationFailed", str(reason))
    except Exception as error:  # whatever it was: no job runs for ever without a program
        log.exception("job %s", id)
        fail(world, account_id, id, "internalFailure", f"{type(error).__name__}: {error}")
    return None


def _take_up(world: World, account_id: str, record: Document) -> None:
    id, status = record["id"], status_of(record)
    if status in ("running", "resuming", "pausing"):
        _start(world, account_id, id)
        return
    if status == "cancelled":
        running.forget(world, training_id(account_id, id))
    store(world.state, account_id, KIND, {**record, "has_slot": False})


def _release(world: World, account_id: str, id: str) -> None:
    """Give a job's slot back."""

    def note(record: Document) -> None:
        record["has_slot"] = False

    changed(world, account_id, id, note)
    if not world.processes.closing:
        advance(world, account_id)
