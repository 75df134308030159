"""Evaluations kept in the stack's storage, beside the orders of jobs: where `deploy --gate` looks.

Each model that was compared with another has its own copies, so that nobody has to search:
`tunestack/evaluations/MODEL/VERSION/MOMENT-HASH/` with the numbers and the page. Both are written
with the person's own identity, and go with the storage when the stack is destroyed.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from commands.output import say
from commands.session import Session
from core.errors import CloudError, UserError
from core.refs import ModelRef
from evaluation.results import FORMAT, Evaluation
from training.artifacts import blob_folder
from training.models import find_model

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
        once = " once it is registered" if "@" in model else ""
        say(f"Kept with the stack for {model}: deploy --gate reads it{once}.")


def candidates(evaluation: Evaluation) -> list[str]:
    """List what a deploy can name, as `name:version`, or `models register`, as `JOB@STEP`."""
    found = (side.model for side in evaluation.sides[1:] if _can_be_deployed(side))
    return list(dict.fromkeys(found))


def sides_of(evaluation: Evaluation, *models: str) -> list[str]:
    """Name the sides, other than the reference, that are a model: on a node, at an endpoint."""
    return [side.name for side in evaluation.sides[1:] if side.model in models]


def checkpoint_of(session: Session, model: str) -> str:
    """Name the checkpoint, `JOB@STEP`, that a model of the registry has the weights of.

    Its tags say so: the training program wrote the step that it kept into the manifest, and so did
    the job that made a model of a checkpoint. Empty where they do not, and for a managed model.
    """
    try:
        tags = find_model(session.cloud, session.outputs, ModelRef.parse(model))["tags"]
    except CloudError:
        raise
    except UserError:
        return ""
    return checkpoint_in(tags)


def checkpoint_in(tags: Mapping[str, str]) -> str:
    """Name the checkpoint that a model's tags tell of; empty where they tell of none."""
    job, step = tags.get("job"), tags.get("kept_step")
    return f"{job}@{step}" if job and step else ""


def kept_names(session: Session, model: str) -> list[str]:
    """List a model's kept evaluations by name, newest first."""
    found = blob_folder(session.cloud, session.outputs, _folder(model)).names()
    whole = (name.removesuffix(f"/{NUMBERS}") for name in found if name.endswith(f"/{NUMBERS}"))
    return sorted(whole, reverse=True)


def find_kept(session: Session, *models: str) -> Evaluation | None:
    """Read the newest evaluation in which a model was a candidate; None where none was kept.

    `models` are the names of the same weights: `name:version`, and `JOB@STEP`.

    Raises:
        UserError: this version of the program cannot read it, or it is not of this model.
    """
    found = [(name, model) for model in models for name in kept_names(session, model)]
    if not found:
        return None
    newest, model = max(found)
    return read_kept(session, model, newest)


def read_kept(session: Session, model: str, name: str) -> Evaluation:
    """Read one of `kept_names`.

    Raises:
        UserError: it is gone, this version cannot read it, or it is of another model.
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
            f"The evaluation {where} is none that this version of tunestack reads:"
            f" {_first(content, error)}.",
            hint=f"Update tunestack if a later one kept it, or evaluate anew: {again}",
        ) from error
    if not sides_of(found, model):
        raise UserError(f"The evaluation {where} is not of {model}.", hint=again)
    return found


def _can_be_deployed(side: "Side") -> bool:
    """Tell a model with a version, or a checkpoint, from a base model and a file."""
    has_name = side.role == "checkpoint" or bool(ModelRef.parse(side.model).version)
    return side.role != "base" and bool(side.route) and has_name


def _folder(model: str) -> str:
    ref = ModelRef.parse(model)
    parts = (re.sub(r"[^\w.@-]", "-", part) for part in (ref.name, ref.version or "none"))
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
