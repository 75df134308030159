"""What a job tells while it goes on: documents below the job's, in the order of their numbers.

Texts and fields are those of Azure's tutorial and of 2025-04-01-preview. What Azure tells of the
safety evaluation of a tuned model is not known and not told here.
"""

from typing import Any, Literal

from local.ai.records import key, new_id, now, page
from local.operations import Call
from local.state import Document, State
from local.tuning.orders import Step

KIND = "ai/event"
EVERY = 10
"""Steps between two events that measure."""

Level = Literal["info", "warning", "error"]


def tell(
    state: State,
    account_id: str,
    job: str,
    text: str,
    *,
    level: Level = "info",
    data: dict[str, Any] | None = None,
) -> None:
    """Add an event to a job."""
    place = _place(account_id, job)
    with state.transaction():
        number = len(state.within(place))
        event: Document = {
            "id": new_id("ftevent-"),
            "object": "fine_tuning.job.event",
            "created_at": now(),
            "level": level,
            "message": text,
            "type": "message" if data is None else "metrics",
        }
        event |= {} if data is None else {"data": data}
        state.put(f"{place}/{number:08d}", KIND, event)


def tell_step(state: State, account_id: str, job: str, step: Step) -> None:
    """Tell what was measured at every tenth step, and at the last one."""
    if step.step % EVERY and step.step != step.steps:
        return
    text = f"Step {step.step}: training loss={step.train_loss}"
    tell(state, account_id, job, text, data=metrics(step))


def metrics(step: Step) -> dict[str, float]:
    """Give a step's figures by Azure's names; what was not measured is left out.

    A validation here always takes the whole file, so that both pairs of names say the same.
    """
    found = {
        "step": float(step.step),
        "train_loss": step.train_loss,
        "train_mean_token_accuracy": step.train_accuracy,
        "valid_loss": step.valid_loss,
        "valid_mean_token_accuracy": step.valid_accuracy,
        "full_valid_loss": step.valid_loss,
        "full_valid_mean_token_accuracy": step.valid_accuracy,
    }
    return {name: value for name, value in found.items() if value is not None}


def events(call: Call, account_id: str, job: str) -> dict[str, Any]:
    """Give a page of a job's events, newest first."""
    told = [one for _, one in call.world.state.within(_place(account_id, job))]
    return page(told[::-1], call.query)


def _place(account_id: str, job: str) -> str:
    return f"{key(account_id, 'jobs', job)}/events"
