"""What every side is asked: a file, or what the training held out; and the suite's safety prompts.

Whether a side has learned these very questions is looked up, as far as its training data can be
read: an answer by heart is no skill, and the notes say of whom that is to be feared.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from commands.evaluate.asked import Asked, OnNode
from commands.evaluate.sides.own import ROUTE, training_job
from commands.evaluate.sides.places import Places
from commands.session import Session
from core.errors import CloudError, SettingsError, UserError
from core.refs import ModelRef
from evaluation.cases import Case
from evaluation.questions.reading import provided, read_cases
from evaluation.results import Source
from evaluation.sides import Side
from training.assets import file_sha256, read_data
from training.kept_orders import KeptOrder, find_order
from training.managed.services import services

if TYPE_CHECKING:
    from evaluation.suites.suite import Suite

MOST_READ = 64 * 1024 * 1024
"""Bytes of training data that are read to look for the questions; of more the hash alone counts."""


def held_out(
    session: Session, asked: Sequence[Asked], data: Path | None, suite: "Suite", limit: int | None
) -> tuple[list[Case], Source, tuple[str, ...]]:
    """Give the cases, the file that they are of, and what is to be feared of them.

    Without `data` it is what the training of the first candidate (else of the reference) held out.
    `limit`: how many of them, 0 for all; None: as the suite says. Safety prompts count extra.

    Raises:
        SettingsError: the file is not readable as cases, or no side tells what it held out.
        UserError: the training's data is not in the workspace any more.
    """
    most = suite.limit if limit is None else limit
    orders = dict(_orders(session, asked))
    if data is None:
        content, source = _validation(session, asked, orders)
        cases = _cases(content, suite.system, most)
    else:
        cases = provided(read_cases(data, limit=most), suite.system)
        source = Source(name=data.name, sha256=file_sha256(data))
    safety = {case.id for case in suite.safety}
    together = [*(case for case in cases if case.id not in safety), *suite.safety]
    return together, source, tuple(_leaks(session, asked, orders, cases, source, suite.system))


def _orders(session: Session, asked: Sequence[Asked]) -> Iterator[tuple[str, KeptOrder]]:
    """Give the orders of the trainings behind own sides, by the side's name."""
    found: dict[str, KeptOrder | None] = {}
    for one in asked:
        job = _job(session, one)
        if job and job not in found:
            found[job] = find_order(session.cloud, session.outputs, job)
        if (kept := found.get(job)) is not None:
            yield one.side.name, kept


def _job(session: Session, one: Asked) -> str:
    if isinstance(one.way, OnNode):
        return one.way.source.job
    if one.side.route != ROUTE:
        return ""
    places = Places(session)
    try:
        model = places.own_model(ModelRef.parse(one.side.identity["model"]))
        return training_job(places, model)
    except CloudError:
        raise
    except UserError:  # deleted since it was deployed
        return ""


def _validation(
    session: Session, asked: Sequence[Asked], orders: dict[str, KeptOrder]
) -> tuple[bytes, Source]:
    """Read what the training of the first side that tells it held out, candidates first."""
    names = [one.side.name for one in (*asked[1:], *asked[:1])]
    kept = next((orders[name] for name in names if name in orders), None)
    if kept is None:
        raise SettingsError(
            f"What was held out of the training of {' and '.join(names)} is not known here.",
            hint="Name the file with the held-out chats: --data FILE. A managed service does not"
            " give back what it was sent.",
        )
    content = read_data(session.cloud, session.outputs, kept.validation.asset)
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != kept.validation.sha256:
        raise UserError(
            f"{kept.validation.asset} is not the file that the job {kept.job} was given: its"
            " SHA-256 is another.",
            hint="Name the file with the held-out chats: --data FILE.",
        )
    return content, Source(name=kept.validation.asset, sha256=sha256)


def _cases(content: bytes, system: str, limit: int = 0) -> list[Case]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.jsonl"
        path.write_bytes(content)
        return provided(read_cases(path, limit=limit), system)


def _leaks(
    session: Session,
    asked: Sequence[Asked],
    orders: dict[str, KeptOrder],
    cases: Sequence[Case],
    source: Source,
    system: str,
) -> Iterator[str]:
    """Say which sides were trained on the questions that they are asked."""
    learned: dict[str, int | None] = {}
    for one in asked:
        if one.side.role == "base":
            continue
        kept = orders.get(one.side.name)
        trained = kept.train.sha256 if kept else _sent(session, one.side)
        if not trained:
            continue
        if trained == source.sha256:
            learned[trained] = len(cases)
        elif trained not in learned and kept:
            learned[trained] = _overlap(session, kept, cases, system)
        if many := learned.get(trained):
            yield (
                f"{one.side.name} was trained on {many} of the {len(cases)} questions that it is"
                " asked: its figures show what it has learned by heart."
            )


def _sent(session: Session, side: Side) -> str:
    """Give the hash of what a managed model was trained on; empty where nobody noted it."""
    if side.route not in ("serverless", "openai"):
        return ""
    for service in services(session.cloud, session.outputs):
        for model in service.models() if service.route == side.route else ():
            own = model.path or model.ref.name
            if side.model in (str(model.ref), own) or side.model.startswith(f"{own}:"):
                job = service.job(model.job) if model.job else None
                tags = {**(job.tags if job else {}), **model.tags}
                return str(tags.get("data_sha256", ""))
    return ""


def _overlap(session: Session, kept: KeptOrder, cases: Sequence[Case], system: str) -> int | None:
    """Count the cases whose very questions are in the training data; None where it is not read."""
    if kept.train.bytes > MOST_READ:
        return None
    try:
        content = read_data(session.cloud, session.outputs, kept.train.asset)
        learned = {case.id for case in _cases(content, system)}
    except UserError:  # a caution must not end what it is only said beside
        return None
    return sum(case.id in learned for case in cases)
