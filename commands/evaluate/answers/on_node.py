"""Asks models and checkpoints by a job on a node: priced, confirmed, followed, and kept.

Sides of one training job share one job; what the store has is not asked again. A job is known by
what it asks, so the same command takes up one that runs, and takes over one that has ended.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

from commands import pricing
from commands.evaluate.asked import Asked, OnNode
from commands.grants import naming_missing_grants
from commands.jobs.cost import job_cost
from commands.jobs.view import naming_stack, watch
from commands.models.node_job import MINUTES_BEFORE, cluster_of, hourly
from commands.output import confirm, say
from commands.session import Session
from core.errors import JobFailed, UserError
from core.refs import JobRef
from evaluation.cases import Case, Decoding
from evaluation.replies import Reply
from evaluation.store import AnswerStore
from training.clusters import device_of
from training.evaluating import (
    TIMEOUT_HOURS,
    EvaluationOrder,
    NodeSide,
    evaluation_jobs,
    order_evaluation,
    read_replies,
    submit_evaluation,
)
from training.follow import follow
from training.jobs import ENDED


@dataclass(frozen=True)
class _Part:
    """What one job asks: sides of one training job, and what each has to answer yet."""

    asked: tuple[Asked, ...]
    cases: tuple[Case, ...]
    order: EvaluationOrder
    counts: tuple[int, int]
    """Answers that were there when it was made, and all that there have to be."""


@dataclass(frozen=True)
class _Collector:
    """One evaluation's way to the nodes."""

    session: Session
    cases: Sequence[Case]
    decoding: Decoding
    store: AnswerStore
    cluster: str

    def parts(self, asked: Sequence[Asked]) -> list[_Part]:
        """List what is missing, by training job."""
        missing = [one for one in asked if self.missing(one)]
        by_job = groupby(sorted(missing, key=_job), key=_job)
        return [self._part(tuple(those)) for _, those in by_job]

    def missing(self, one: Asked) -> list[Case]:
        return self.store.missing(one.side, self.decoding, self.cases)

    def _part(self, asked: tuple[Asked, ...]) -> _Part:
        wanted = {one.side.name: {case.id for case in self.missing(one)} for one in asked}
        every = {case.id: case for case in self.cases}
        cases = [case for case in every.values() if any(case.id in ids for ids in wanted.values())]
        node = cluster_of(self.session, self.cluster)
        order = order_evaluation(
            self.session.cloud,
            self.session.outputs,
            [_named(one) for one in asked],
            "".join(_line(case, wanted) for case in cases).encode(),
            self.decoding.model_dump(),
            cluster=self.cluster,
            device=device_of(node, self.session.settings.compute),
        )
        return _Part(asked, tuple(cases), order, self.counts(asked))

    def keep(self, part: _Part, job: str) -> None:
        """Bring what a job has answered so far into the store."""
        found = read_replies(self.session.cloud, self.session.outputs, job)
        cases = {case.id: case for case in part.cases}
        for one in part.asked:
            for line in found.get(one.side.name, []):
                if case := cases.get(line["case"]):
                    scored = case.reference_id if line.get("nll") is not None else ""
                    self.store.add(
                        Reply(
                            side=one.side.key,
                            decoding=self.decoding.id,
                            reference=scored,
                            **line,
                        )
                    )

    def taken_up(self, asked: Sequence[Asked]) -> list[tuple[_Part, JobRef | None]]:
        """List what is missing, with the job that asks it already, where one does."""
        found: list[tuple[_Part, JobRef | None]] = []
        for part in self.parts(asked):
            job = self.running(part)
            if job is None and self.counts(part.asked) != part.counts:  # ended jobs had some
                found += [(rest, self.running(rest)) for rest in self.parts(part.asked)]
            else:
                found.append((part, job))
        return found

    def running(self, part: _Part) -> JobRef | None:
        """Find the job that asks the same; of those that have ended, however, take the answers."""
        for job in evaluation_jobs(self.session.cloud, self.session.outputs, part.order):
            if job.status not in ENDED:
                return job
            if not self.is_done(part):
                self.keep(part, job.name)
        return None

    def is_done(self, part: _Part) -> bool:
        return not any(self.missing(one) for one in part.asked)

    def finish(self, part: _Part, job: JobRef) -> None:
        """Follow a job to its end; what it has answered by then is kept, whatever the end is."""
        say(f"The job [bold]{job.name}[/bold]" + (f"\n{job.studio_url}" if job.studio_url else ""))
        cloud, outputs, stack = self.session.cloud, self.session.outputs, self.session.stack
        try:
            events = follow(cloud, outputs, job.name)
            watch(events, job.name, stack, partial(job_cost, self.session, job.name))
        except JobFailed as error:
            self.keep(part, job.name)
            there, total = self.counts(part.asked)
            lines = [line for line in error.hint.splitlines() if "jobs resume" not in line]
            again = "The same tunestack evaluate asks the rest; --cluster names larger nodes."
            error.hint = "\n".join([f"{there} of {total} answers are kept. {again}", *lines])
            raise
        except KeyboardInterrupt:
            say("  its answers: the same tunestack evaluate again takes the job up.")
            raise
        self.keep(part, job.name)
        if not self.is_done(part):
            there, total = self.counts(part.asked)
            raise UserError(
                f"The job {job.name} has ended with {there} of {total} answers.",
                hint=f"tunestack jobs logs {job.name} --stack {stack}",
            )

    def counts(self, asked: Sequence[Asked]) -> tuple[int, int]:
        """Count the answers that are there, and all that there have to be."""
        total = len(asked) * len({case.id for case in self.cases})
        return total - sum(len(self.missing(one)) for one in asked), total


def collect_on_node(
    session: Session,
    asked: Sequence[Asked],
    cases: Sequence[Case],
    decoding: Decoding,
    store: AnswerStore,
    *,
    yes: bool,
    max_cost: float | None,
    cluster: str = "",
) -> None:
    """Have a job answer and score what the store lacks; every answer is in the store afterwards.

    What a job that failed has answered is kept, too. One that is left by Ctrl-C goes on, and the
    same command takes it up.

    Raises:
        SettingsError: the cluster or the price is not as it must be; nothing was sent.
        JobFailed: a job did not complete; the hint says what is kept.
        CloudError: Azure refused.
    """
    collector = _Collector(session, cases, decoding, store, cluster)
    with naming_stack(session.stack):
        found = collector.taken_up(asked)
        new = [part for part, job in found if job is None]
        if new:
            _say_cost(session, new, max_cost)
            confirm("Submit the job?" if len(new) == 1 else f"Submit {len(new)} jobs?",
                    yes=yes or session.is_rehearsal)  # fmt: skip
    for part, job in found:
        with naming_missing_grants(session):
            if job is not None:
                say("This evaluation's job runs already.")
            job = job or submit_evaluation(session.cloud, session.outputs, part.order)
            collector.finish(part, job)


def _say_cost(session: Session, parts: Sequence[_Part], limit: float | None) -> None:
    """Say what the jobs cost at most, and refuse what is more than a person allowed."""
    size, quote = hourly(session, parts[0].order.cluster)
    each = quote.per_hour if quote else None
    hours = TIMEOUT_HOURS * len(parts)
    most = None if each is None else each * hours
    told = f"{len(parts)} jobs of {TIMEOUT_HOURS:g} h" if len(parts) > 1 else f"{hours:g} h"
    pricing.check_max_cost(
        limit,
        most,
        f"{told} on one {size}",
        [f"{pricing.dollars(each)} an hour"],
        instead="Ask fewer cases (--limit), take a cluster of a smaller size, or allow more.",
    )
    if session.is_rehearsal:
        say("The job runs on this machine and costs nothing.")
    elif quote is None:
        say(f"One {size}: the price is not known here; {pricing.PRICE_PAGES} has it.")
    else:
        say(
            f"One {size}, {pricing.dollars(each)} an hour while the job runs, at most"
            f" {pricing.dollars(most)} in {told} ({quote.source}). Up to {MINUTES_BEFORE} min pass"
            " until node and image are there."
        )


def _named(one: Asked) -> NodeSide:
    assert isinstance(one.way, OnNode)
    return replace(one.way.source, name=one.side.name)


def _job(one: Asked) -> str:
    return one.way.source.job if isinstance(one.way, OnNode) else ""


def _line(case: Case, wanted: dict[str, set[str]]) -> str:
    """Write a case as the program reads it; `sides` where not all of them are asked."""
    who = [name for name, ids in wanted.items() if case.id in ids]
    only = {"sides": who} if len(who) < len(wanted) else {}
    record = {"id": case.id, "messages": case.asked(), "reference": case.reference, **only}
    return json.dumps(record, ensure_ascii=False) + "\n"
