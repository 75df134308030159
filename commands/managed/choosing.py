"""Which model a command is about, over all routes: one that this program made, or Azure's service.

A stack without `hub` and `foundry` has one route alone, and nothing more is asked for it.
"""

from typing import Any

from commands.jobs.listing import moment
from commands.jobs.view import naming_stack
from commands.session import Session
from core.errors import CloudError, UserError
from core.refs import ModelRef
from training.managed.contract import Checkpoint, TunedModel, TuningService
from training.managed.services import find_managed_model
from training.models import find_model


def has_managed(session: Session) -> bool:
    """Say whether the stack has a service of either managed route."""
    return bool(session.outputs.project or session.outputs.ai_project)


def managed_model(session: Session, wanted: ModelRef) -> tuple[TuningService, TunedModel] | None:
    """Find a managed model by its name, and version; without a name the newest of all routes.

    None where what is wanted is a model of the own-GPU route, or there is none.
    """
    if not has_managed(session):
        return None
    found = find_managed_model(session.cloud, session.outputs, wanted)
    if found is None:
        return None
    own = _own(session, wanted)
    if own is not None and moment(str(own["created"])) > moment(found[1].created):
        return None
    return found


def checkpoint_of(session: Session, service: TuningService, model: TunedModel, step: int) -> str:
    """Give what a deployment names of a model's state at a step.

    Raises:
        UserError: nothing was kept there; lists the steps.
    """
    with naming_stack(session.stack):
        kept = service.checkpoints(model.job)
    fits = [one for one in kept if one.step == step]
    if fits:
        return fits[0].model
    raise UserError(
        f"--checkpoint {step}: of {model.ref.name} {_steps(kept)}.",
        hint=f"tunestack jobs show {model.job} --stack {session.stack}",
    )


def _own(session: Session, wanted: ModelRef) -> dict[str, Any] | None:
    try:
        return find_model(session.cloud, session.outputs, wanted)
    except CloudError:
        raise
    except UserError:
        return None


def _steps(kept: list[Checkpoint]) -> str:
    if not kept:
        return "no checkpoint is kept"
    return f"the checkpoints are those of steps {', '.join(str(one.step) for one in kept)}"
