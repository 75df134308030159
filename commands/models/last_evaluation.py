"""What a model's newest kept evaluation has found, in a line of `models show`."""

from typing import Any

from commands.evaluate.keeping import find_kept, sides_of
from commands.session import Session
from core.errors import CloudError, UserError
from evaluation.report.verdicts import verdict


def last_evaluation(session: Session, *models: str) -> dict[str, Any] | None:
    """Read it of a model by all names of its weights, JSON-ready; None where none was kept.

    One that cannot be read is told as such: what else is known of the model is shown all the same.
    """
    try:
        found = find_kept(session, *models)
    except CloudError:
        raise
    except UserError as error:
        return {"problem": str(error)}
    if found is None:
        return None
    return {
        "made": found.made,
        "suite": found.suite.name,
        "data": found.data.name,
        "questions": len(found.cases),
        "verdicts": [verdict(found, side).short for side in sides_of(found, *models)],
    }


def evaluation_line(found: dict[str, Any] | None) -> str:
    """Write what `last_evaluation` gives; nothing where there is none."""
    if found is None:
        return ""
    if "problem" in found:
        return str(found["problem"])
    said = " ".join(found["verdicts"])
    return f"{found['made'][:10]}, suite {found['suite']}, {found['questions']} questions: {said}"
