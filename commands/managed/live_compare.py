"""`tunestack models compare` of a managed model: base and tuned are asked now, side by side.

The service keeps the weights, and a job leaves no samples: whoever wants answers asks the two
deployments. Greedy, so that the same question brings the same answer as far as the service can.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from commands.jobs.listing import moment
from commands.managed.sides import open_managed
from commands.managed.undeploying import Pair, standing_in
from commands.output import say
from commands.session import Session
from core.errors import PrerequisiteError
from deploy.talking.asking import Line
from evaluation.comparison import Comparison, compare
from evaluation.questions import Question, read_questions, travel_questions
from training.managed.contract import TunedModel

LONGEST = 400
"""Tokens of an answer: the lab's questions take fewer, and the limit counts what may come."""
WAITS = 8
"""A deployment of 5 thousand tokens a minute takes 5 questions a minute: the sixth waits."""


def compare_live(
    session: Session, model: TunedModel, questions: Sequence[Question], longest: int = LONGEST
) -> Comparison:
    """Ask both deployments every question and judge the answers, of `longest` tokens at most.

    Raises:
        PrerequisiteError: one of the two does not stand; names the command.
        CloudError: one did not answer.
    """
    tuned, base = deployed(session, model)
    say(f"Asking {base[1].name} and {tuned[1].name} {len(questions)} questions.")
    lines = [_line(pair) for pair in (base, tuned)]
    try:
        with ThreadPoolExecutor(len(lines)) as pool:
            rows = [_asked(question, lines, pool, longest) for question in questions]
    finally:
        for line in lines:
            line.close()
    return compare("\n".join(rows).encode())


def chosen_questions(path: Path | None, system: str | None) -> list[Question]:
    """Give what is to be asked: a file's chats, else the travel lab's questions.

    Raises:
        SettingsError: the file is not readable as chats.
    """
    return read_questions(path, system) if path else travel_questions(system)


def deployed(session: Session, model: TunedModel) -> tuple[Pair, Pair]:
    """Find the deployments of a tuned model, or of a checkpoint of it, and of its base model.

    Raises:
        PrerequisiteError: one is missing; names the command that makes both.
    """
    found = [pair for pair in standing_in(session) if pair[0].route == model.route]
    sides = {
        "tuned": [pair for pair in found if pair[1].is_of(model.path or model.ref.name, "tuned")],
        "base": [pair for pair in found if pair[1].is_of(model.base, "base")],
    }
    ready = {
        side: max(
            (pair for pair in those if pair[1].is_ready),
            key=lambda pair: moment(pair[1].created),
            default=None,
        )
        for side, those in sides.items()
    }
    missing = [side for side, pair in ready.items() if pair is None]
    if missing:
        told = " and ".join(f"the {side} model" for side in missing)
        verb = "is" if len(missing) == 1 else "are"
        raise PrerequisiteError(
            f"{told[0].upper()}{told[1:]} {verb} not deployed; both are asked to compare them.",
            hint=f"tunestack deploy --model {model.ref} --with-base --stack {session.stack}",
        )
    assert ready["tuned"] is not None
    assert ready["base"] is not None
    return ready["tuned"], ready["base"]


def _line(pair: Pair) -> Line:
    line = open_managed(pair).line
    line.waits = WAITS
    return line


def _asked(
    question: Question, lines: Sequence[Line], pool: ThreadPoolExecutor, longest: int
) -> str:
    """Ask every line at once; the row as a job's samples have it."""
    messages = list(question.messages)
    body: dict[str, Any] = {"messages": messages, "temperature": 0, "max_tokens": longest}
    base, tuned = pool.map(lambda line: line.ask(body).text, lines)
    return json.dumps(
        {
            "messages": messages,
            "reference": question.reference,
            "base": base,
            "tuned": tuned,
        }
    )
