"""What a person types as a side, looked up: who that is, where it answers, and what it costs.

base, tuned          the newest model and its base; `base` is that of a model named beside it
NAME[:VERSION]       a registered or a managed model
JOB@STEP             a checkpoint
ROUTE/base|tuned     what a route has deployed: azureml, serverless or openai
endpoint/DEPLOYMENT  one deployment, by its name
https://HOST/v1      an OpenAI-compatible address; #MODEL where it has several
FILE.jsonl           answers that another tool has written
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from commands.chat.sides import ROUTES, SIDES
from commands.evaluate.answers.saved import read_saved
from commands.evaluate.asked import Asked, Saved
from commands.evaluate.sides import managed, own
from commands.evaluate.sides.address import address_side
from commands.evaluate.sides.managed import Serves
from commands.evaluate.sides.places import Found, Places
from commands.jobs.view import naming_stack
from commands.managed.undeploying import named
from commands.session import Session
from core.errors import CloudError, PrerequisiteError, SettingsError, UserError
from core.refs import ModelRef
from evaluation.sides import Side
from training.assets import file_sha256
from training.managed.services import find_managed_job

CHECKPOINT = re.compile(r"(?P<job>[^@]+)@(?P<step>\d+)")
ADDRESS = ("http://", "https://")
SAVED = ".jsonl"
FORMS = (
    "A side is base, tuned, NAME[:VERSION], JOB@STEP, azureml/tuned (or serverless, openai; or"
    " base), endpoint/DEPLOYMENT, an address https://HOST/v1, or FILE.jsonl."
)


def resolve(session: Session, names: Sequence[str], *, live: bool) -> tuple[Asked, ...]:
    """Look every side up; the first is the reference. With `live` own models, too, answer deployed.

    Nothing is asked and nothing costs yet.

    Raises:
        SettingsError, PrerequisiteError, UserError: what is wrong with each of them, all at once.
        CloudError: Azure, or an address, does not answer.
    """
    places = Places(session)
    found: dict[str, Asked] = {}
    wrong: list[UserError] = [
        SettingsError(f"{name} is named twice.")
        for name in dict.fromkeys(names)
        if list(names).count(name) > 1
    ]
    for name in dict.fromkeys(names):
        try:
            with naming_stack(session.stack):
                found[name] = _side(places, name, names, live=live)
        except CloudError:
            raise
        except UserError as error:
            wrong.append(error)
    wrong += _alike(found)
    if wrong:
        raise _together(wrong)
    return tuple(found.values())


def with_reference(names: Sequence[str]) -> tuple[str, ...]:
    """Put before a side that stands alone what it is compared with: its base.

    Raises:
        SettingsError: the one side is a base.
    """
    if len(names) > 1:
        return tuple(names)
    name = "".join(names) or "tuned"
    route, _, what = name.partition("/")
    base = f"{route}/base" if route in ROUTES and what in SIDES else "base"
    if name == base:
        raise SettingsError(
            f"{name} alone: name what is compared with it, too.",
            hint=f"tunestack evaluate {name} SIDE",
        )
    return base, name


def _side(places: Places, name: str, names: Sequence[str], *, live: bool) -> Asked:
    if name.startswith(ADDRESS):
        return address_side(name)
    if name.endswith(SAVED):
        return _file(name)
    if "/" in name:
        return _deployed(places, name)
    if "@" in name:
        return _checkpoint(places, name, live=live)
    if name == "base":
        return _base(places, names, live=live)
    wanted = ModelRef.parse("" if name == "tuned" else name)
    return _model(places, name, places.model(wanted), live=live)


def _model(places: Places, name: str, found: Found, *, live: bool) -> Asked:
    if isinstance(found, tuple):
        return managed.model_side(places, name, *found, "tuned")
    of = own.deployed_model_side if live else own.model_side
    return of(places, name, found)


def _base(places: Places, names: Sequence[str], *, live: bool) -> Asked:
    """Find the base model of the first model or checkpoint that is named, else of the newest."""
    cloud, outputs = places.session.cloud, places.session.outputs
    for other in names:
        if other in SIDES or _is_elsewhere(other):
            continue
        if at := CHECKPOINT.fullmatch(other):
            if at_service := find_managed_job(cloud, outputs, at["job"]):
                return managed.base_side(places, "base", *at_service)
            if not live:
                return own.base_side(places, "base", at["job"])
        elif "@" not in other:
            return _base_of(places, places.model(ModelRef.parse(other)), live=live)
    return _base_of(places, places.model(ModelRef.parse("")), live=live)


def _base_of(places: Places, found: Found, *, live: bool) -> Asked:
    if isinstance(found, tuple):
        return managed.model_side(places, "base", *found, "base")
    if live:
        return own.deployed_base_side(places, "base", found)
    return own.base_side(places, "base", own.training_job(places, found))


def _is_elsewhere(name: str) -> bool:
    return name.startswith(ADDRESS) or name.endswith(SAVED) or "/" in name


def _checkpoint(places: Places, name: str, *, live: bool) -> Asked:
    found = CHECKPOINT.fullmatch(name)
    if found is None:
        raise SettingsError(f"{name}: a checkpoint is named as JOB@STEP, with a number.")
    job, step = found["job"], int(found["step"])
    at_service = find_managed_job(places.session.cloud, places.session.outputs, job)
    if at_service is not None:
        return managed.checkpoint_side(places, name, *at_service, step)
    if live:
        raise SettingsError(
            f"{name}: a checkpoint of one's own training answers on a node, and is not deployed.",
            hint="Leave --live out.",
        )
    return own.checkpoint_side(places, name, job, step)


def _deployed(places: Places, name: str) -> Asked:
    place, _, what = name.partition("/")
    if place in ROUTES and what in get_args(Serves):
        if place == own.ROUTE:
            return own.route_side(places, name, what)
        return managed.route_side(places, name, place, what)
    if place != "endpoint":
        raise SettingsError(f"{name}: there is no such side.", hint=FORMS)
    found = places.endpoint.named(what) if places.endpoint else None
    if found is not None and found.is_ready:
        return own.deployment_side(places, name, found)
    for pair in named(places.managed, what):
        if pair[1].is_ready:
            return managed.deployment_side(places, name, pair)
    raise _no_deployment(places, name, what)


def _no_deployment(places: Places, name: str, what: str) -> PrerequisiteError:
    those = places.endpoint.deployments if places.endpoint else ()
    states = {one.name: one.state for one in those}
    states |= {hosted.name: hosted.state for _, hosted in places.managed}
    if what in states:
        told = f"it is {states[what]}"
    else:
        told = f"there are {', '.join(sorted(states))}" if states else "nothing is deployed"
    return PrerequisiteError(
        f"{name}: no deployment {what} answers; {told}.", hint=f"tunestack status {places.on}"
    )


def _file(name: str) -> Asked:
    path = Path(name)
    read_saved(path)
    side = Side(name=name, where="file", identity={"file": file_sha256(path)})
    return Asked(side, Saved(path))


def _alike(found: dict[str, Asked]) -> list[UserError]:
    """Find sides that are one and the same under two names: they would differ in nothing."""
    first: dict[str, str] = {}
    same = []
    for name, asked in found.items():
        if (other := first.setdefault(asked.side.key, name)) != name:
            same.append(SettingsError(f"{other} and {name} are the same: {asked.side.model}."))
    return list(same)


def _together(wrong: list[UserError]) -> UserError:
    """Give all that is wrong as one error, of their kind where they are of one."""
    kinds = {type(error) for error in wrong}
    kind = kinds.pop() if len(kinds) == 1 else SettingsError
    # A name that is not there is missed by its base, too: told once.
    told = dict.fromkeys(map(str, wrong))
    hints = dict.fromkeys(error.hint for error in wrong if error.hint)
    return kind("\n".join(told), hint="\n".join(hints))
