"""All that the page of a stack shows, JSON-ready: what `status` tells, and what stands elsewhere.

Azure is asked for the parts at the same time; one that it refuses is named in `not_readable`.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from commands.session import Session
from commands.status import answers, models, runs, standing
from commands.status.reading import Reader
from commands.status.warnings import warnings
from core.price_list import HOURS_A_MONTH

if TYPE_CHECKING:
    from infra.standing.stacks import Running

Document = dict[str, Any]

NO_COST: Document = {
    "items": [], "usd": None, "per_hour": None, "known_per_hour": None, "unknown": [],
    "not_seen": "",
}  # fmt: skip
NOTHING_RUNS: Document = {
    "endpoints": [], "hosted": [], "jobs": [], "tuning": [], "nodes": None, "per_hour": None,
}  # fmt: skip


def gather(session: Session, *, asks: bool = False) -> Document:
    """Read everything; `asks` also puts a question to each deployment, which costs its tokens.

    Raises:
        UserError: not even what the stack is made of could be read.
    """
    reader, now = Reader(), datetime.now(UTC)
    head = _head(session, now)
    if not head["is_up"]:
        return _concluded(session, reader, {**head, **NOTHING_RUNS, **_empty()}, [])
    _ = session.cloud.arm, session.outputs, session.settings  # made here, shared by the threads
    with ThreadPoolExecutor() as pool:
        since = pool.submit(_since, session, reader)
        runs_there = pool.submit(runs.runs, session, reader)
        models_there = pool.submit(models.models, session, reader)
        own = pool.submit(_own_answers, session, reader)
        cost = pool.submit(_cost, session, reader)
        running, idle = _running(session, reader, now)
    answering = [*own.result(), *answers.other_answers(session, running)]
    if asks:
        answering = reader.read(
            "answers", "what the deployments say", lambda: answers.asked(session, answering),
            answering,
        )  # fmt: skip
    facts = {
        **head,
        **running,
        "since": since.result(),
        "answers": answering,
        "runs": runs.with_costs(runs_there.result(), cost.result()["items"]),
        "models": models.with_places(models_there.result(), answering),
        "cost": cost.result(),
    }
    return _concluded(session, reader, facts, idle)


def _head(session: Session, now: datetime) -> Document:
    return {
        **standing.made(session),
        "region": session.settings.location,
        "as_of": now.isoformat(timespec="seconds"),
        "expires": session.settings.expires,
        "since": "",
    }


def _empty() -> Document:
    return {"answers": [], "runs": [], "models": [], "cost": NO_COST}


def _concluded(
    session: Session, reader: Reader, facts: Document, idle: "list[Running]"
) -> Document:
    """Add what follows from the facts."""
    per_hour = facts["cost"]["known_per_hour"]
    is_there = bool(facts["resources"])
    return {
        **facts,
        "per_month": None if per_hour is None else round(per_hour * HOURS_A_MONTH, 2),
        "warnings": warnings(facts, idle, session.settings) if is_there else [],
        "not_readable": sorted(reader.refused, key=lambda one: (one["part"], one["what"])),
    }


def _running(session: Session, reader: Reader, now: datetime) -> "tuple[Document, list[Running]]":
    from infra.standing.stacks import running

    def ask() -> "tuple[Document, list[Running]]":
        found = standing.found_workloads(session)
        idle = running(session.cloud.arm, session.stack, found, now)
        return standing.running(session, found), idle

    nothing = NOTHING_RUNS, list["Running"]()
    return reader.read("answers", "what runs in the workspace", ask, nothing)


def _own_answers(session: Session, reader: Reader) -> list[Document]:
    return reader.read(
        "answers", "the stack's endpoint", lambda: answers.own_answers(session), list[Document]()
    )


def _cost(session: Session, reader: Reader) -> Document:
    from commands.cost import spent

    return reader.read("cost", "what it has cost", lambda: spent(session).document(), dict(NO_COST))


def _since(session: Session, reader: Reader) -> str:
    from commands.cost import standing_since

    found = reader.read("cost", "since when it stands", lambda: standing_since(session), None)
    return found.isoformat(timespec="seconds") if found else ""
