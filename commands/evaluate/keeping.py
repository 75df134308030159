"""Evaluations kept in the stack's storage, beside the orders of jobs: where `deploy --gate` looks.

Each model that was compared with another has its own copies, so that nobody has to search:
`tunestack/evaluations/MODEL/VERSION/MOMENT-HASH/` with the numbers and the page. Both are written
with the person's own identity, and go with the storage when the stack is destroyed.
"""

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from commands.output import say
from commands.session import Session
from core.errors import UserError
from core.refs import ModelRef
from evaluation.results import FORMAT, Evaluation
from training.artifacts import blob_folder

if TYPE_CHECKING:
    from evaluation.sides import Side

ROOT = "tunestack/evaluations"
NUMBERS, PAGE = "evaluation.json", "index.html"


def keep(session: Session, evaluation: Evaluation, page: str) -> None:
    """Keep an evaluation for every candidate that can be deployed; the reference is none."""
    content = evaluation.model_dump_json().encode()
    name = _name(evaluation, content)
    for model in candidates(evaluation):
        folder = blob_folder(session.cloud, session.outputs, _folder(model))
        # The numbers come last: where they are, all is.
        folder.write(f"{name}/{PAGE}", page.encode())
        folder.write(f"{name}/{NUMBERS}", content)
        say(f"Kept with the stack for {model}: deploy --gate reads it.")


def candidates(evaluation: Evaluation) -> list[str]:
    """List the models of an evaluation that a deploy can name, as `name:version`."""
    found = (side.model for side in evaluation.sides[1:] if _can_be_deployed(side))
    return list(dict.fromkeys(found))


def sides_of(evaluation: Evaluation, model: str) -> list[str]:
    """Name the sides, other than the reference, that are a model: on a node, at an endpoint."""
    return [side.name for side in evaluation.sides[1:] if side.model == model]


def kept_names(session: Session, model: str) -> list[str]:
    """List a model's kept evaluations by name, newest first."""
    found = blob_folder(session.cloud, session.outputs, _folder(model)).names()
    whole = (name.removesuffix(f"/{NUMBERS}") for name in found if name.endswith(f"/{NUMBERS}"))
    return sorted(whole, reverse=True)


def find_kept(session: Session, model: str) -> Evaluation | None:
    """Read the newest evaluation in which a model (`name:version`) was a candidate.

    None where none was kept.

    Raises:
        UserError: another version of this program kept it, or it is not of this model.
    """
    names = kept_names(session, model)
    return read_kept(session, model, names[0]) if names else None


def read_kept(session: Session, model: str, name: str) -> Evaluation:
    """Read one of `kept_names`.

    Raises:
        UserError: it is gone, another version of this program kept it, or it is of another model.
    """
    again = f"tunestack evaluate base {model} --stack {session.stack}"
    where = f"{_folder(model)}{name}/{NUMBERS}"
    content = blob_folder(session.cloud, session.outputs, _folder(model)).read(f"{name}/{NUMBERS}")
    if content is None:
        raise UserError(f"The evaluation {where} is gone.", hint=again)
    try:
        found = Evaluation.model_validate_json(content)
    except ValidationError as error:
        raise UserError(
            f"The evaluation {where} was kept by another version of tunestack:"
            f" {_first(content, error)}.",
            hint=f"Update tunestack, or evaluate anew: {again}",
        ) from error
    if not sides_of(found, model):
        raise UserError(f"The evaluation {where} is not of {model}.", hint=again)
    return found


def _can_be_deployed(side: "Side") -> bool:
    """Tell a model with a version from a base model, a file and a checkpoint of one's own job."""
    return side.role != "base" and bool(side.route) and bool(ModelRef.parse(side.model).version)


def _folder(model: str) -> str:
    ref = ModelRef.parse(model)
    parts = (re.sub(r"[^\w.-]", "-", part) for part in (ref.name, ref.version or "none"))
    return f"{ROOT}/{'/'.join(parts)}/"


def _name(evaluation: Evaluation, content: bytes) -> str:
    """Name it so that names sort by time, and two of one second stay two."""
    made = datetime.fromisoformat(evaluation.made).astimezone(UTC)
    return f"{made:%Y%m%dT%H%M%SZ}-{hashlib.sha256(content).hexdigest()[:8]}"


def _first(content: bytes, error: ValidationError) -> str:
    try:
        found: Any = dict(json.loads(content)).get("format")
    except (ValueError, TypeError):
        found = None
    if found != FORMAT:
        return f"format {found}, this is {FORMAT}"
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
