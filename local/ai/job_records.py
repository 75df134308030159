"""A tuning job's record: changed in one step, by whoever has something to say of the job."""

from collections.abc import Callable

from local.ai.events import tell
from local.ai.records import find, key, now, store, wrong_state
from local.state import Document
from local.world import World

KIND = "jobs"
OVER = ("succeeded", "failed", "cancelled")
WAITING = ("pending", "resuming")


def training_id(account_id: str, id: str) -> str:
    """Give the id of a job's training."""
    return key(account_id, KIND, id)


def fail(world: World, account_id: str, id: str, code: str, message: str) -> None:
    """End a job with an error, unless it has ended."""
    error = {"code": code, "message": message, "param": None}
    if code == "jsonlValidationFailed":
        error["param"] = "training_file"

    def note(record: Document) -> None:
        if not is_over(record):
            record["job"] |= {"status": "failed", "error": error, "finished_at": now()}
            tell(world.state, account_id, id, message, level="error")

    changed(world, account_id, id, note)


def moved(
    world: World, account_id: str, id: str, is_allowed: Callable[[Document], bool], status: str
) -> Document:
    """Change a job's status, where its state allows that."""

    def note(record: Document) -> None:
        if not is_allowed(record):
            raise wrong_state(f"The job '{id}' is {status_of(record)}; it cannot be {status}.")
        record["job"]["status"] = status
        if status in OVER:
            record["job"]["finished_at"] = now()

    record = changed(world, account_id, id, note)
    assert record is not None  # whoever asks has read it
    return record


def changed(
    world: World, account_id: str, id: str, note: Callable[[Document], None]
) -> Document | None:
    """Change a job's record in one step; None where it is gone."""
    with world.state.transaction():
        record = find(world.state, account_id, KIND, id)
        if record is None:
            return None
        note(record)
        store(world.state, account_id, KIND, record)
        return record


def status_of(record: Document) -> str:
    """Give a job's status."""
    return str(record["job"]["status"])


def is_over(record: Document) -> bool:
    """Tell whether a job has ended."""
    return status_of(record) in OVER


def is_open(record: Document) -> bool:
    """Tell whether a job can be cancelled."""
    return not is_over(record)


def can_pause(record: Document) -> bool:
    """Tell whether a job runs and has made a step."""
    return status_of(record) == "running" and record["steps"] > 0
