"""`tunestack models compare` of a managed model: base and tuned are asked now, side by side.

The service keeps the weights, and a job leaves no samples: whoever wants answers asks the two
deployments, as `tunestack evaluate` does, whose answers these are too. Greedy, so that the same
question brings the same answer as far as the service can.
"""

import hashlib
from pathlib import Path

from commands.evaluate.asked import Asked
from commands.evaluate.sides.managed import Serves, model_side
from commands.evaluate.sides.places import Places
from commands.models.answers import Judged
from commands.session import Session
from core.errors import PrerequisiteError
from core.home import home
from evaluation.cases import Case, Decoding
from evaluation.questions.reading import read_cases
from evaluation.questions.travel import travel_cases
from evaluation.results import Evaluation, Source
from evaluation.store import AnswerStore
from training.managed.contract import TunedModel, TuningService

LONGEST = 400
"""Tokens of an answer: the lab's questions take fewer, and the limit counts what may come."""

Managed = tuple[TuningService, TunedModel]


def compare_live(
    session: Session,
    model: Managed,
    suite: Judged,
    *,
    questions: Path | None = None,
    system: str | None = None,
    max_tokens: int | None = None,
) -> Evaluation:
    """Ask both deployments every question that is not answered yet, and measure the answers.

    Raises:
        SettingsError: the file is not readable as chats.
        PrerequisiteError: one of the two does not stand; names the command.
        CloudError: one did not answer.
    """
    from commands.evaluate.running import Order, collect, measured, tell

    cases, data = chosen_cases(questions, system)
    asked = deployed(session, model)
    chosen, text = suite
    # Made anew: a copy would keep the id of the other one.
    decoding = Decoding(**{**chosen.decoding.document(), "max_tokens": max_tokens or LONGEST})
    order = Order(("base", "tuned"), chosen.model_copy(update={"decoding": decoding}), text)
    store = AnswerStore(home() / "answers")
    tell(order, asked, cases, store)
    notes = collect(session, order, asked, cases, store)
    return measured(session, order, asked, cases, data, notes, store)


def chosen_cases(path: Path | None, system: str | None) -> tuple[list[Case], Source]:
    """Give what is to be asked, and where it is from: a file's chats, else the lab's questions.

    Raises:
        SettingsError: the file is not readable as chats.
    """
    if path:
        cases = read_cases(path, system=system or "")
        return cases, Source(name=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    cases = travel_cases(system or "")
    told = hashlib.sha256("\n".join(case.id for case in cases).encode()).hexdigest()
    return cases, Source(name="the travel lab's questions", sha256=told)


def deployed(session: Session, model: Managed) -> tuple[Asked, Asked]:
    """Find the deployments of a tuned model's base, and of the tuned model or its checkpoint.

    Raises:
        PrerequisiteError: one is missing; names the command that makes both.
    """
    places = Places(session)
    found: list[Asked] = []
    missing: list[str] = []
    sides: tuple[Serves, ...] = ("base", "tuned")
    for side in sides:
        try:
            found.append(model_side(places, side, *model, side))
        except PrerequisiteError:
            missing.append(side)
    if missing:
        told = " and ".join(f"the {side} model" for side in reversed(missing))
        verb = "is" if len(missing) == 1 else "are"
        raise PrerequisiteError(
            f"{told[0].upper()}{told[1:]} {verb} not deployed; both are asked to compare them.",
            hint=f"tunestack deploy --model {model[1].ref} --with-base --stack {session.stack}",
        )
    return found[0], found[1]
