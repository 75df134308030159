"""Preemptions by rule: which job loses its low-priority nodes, when, and what becomes of it.

A rule and its count are a document of the state: another process can set one while the local
Azure runs, and it survives a restart. What a preemption does to a job is for `local/runner/`.

What Azure ML does to a command job was never seen here. Read: "a preempted job is restarted, not
resumed" (Microsoft's page on compute clusters, editions of 2020 to 2022); restarted by itself, its
named and logged files kept, its logs overwritten, no signal before (hi-ml's guide, 2021 and 2022);
Failed with PreemptionError "Received pre-emption warning signal" and not restarted (azure-docs
issue 66288, MLOpsPython issue 346, both in pipelines, 2020 and 2021); cancelled where the whole
cluster is taken (Microsoft's page on batch deployments). So all three are played, and a notice may
or may not come.
"""

import fnmatch
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from core.errors import SettingsError, UserError
from local.cores import COMPUTES, is_low_priority
from local.numbered import listed, next_number, remove, store
from local.state import Place, State, opened

KIND = "preemption"
JOBS = "Microsoft.MachineLearningServices/workspaces/jobs"
OUTCOMES = ("requeue", "fail", "cancel")
EXAMPLE = "tunestack local preempt --help"
LONGEST_NOTICE = 600.0


@dataclass(frozen=True)
class Preemption:
    """Which job loses its nodes, and how. In a glob `*` stands for anything."""

    job: str = "*"
    """Glob of job names."""
    after_steps: int = 0
    """Once its log has told so many steps since the job last started; 0: as soon as it runs."""
    when: str = ""
    """Glob: once a line of its log fits."""
    then: str = "requeue"
    """requeue: it waits and starts again by itself; fail, cancel: it ends so."""
    notice: float = 0
    """Seconds between SIGTERM and SIGKILL; 0: no SIGTERM at all."""
    times: int = 1
    """How often; 0: each time until it is cleared."""

    def is_due(self, lines: Sequence[str], steps: int) -> bool:
        """Say whether a job that has told so much is to lose its nodes now."""
        if self.when:
            return any(fnmatch.fnmatchcase(line, self.when) for line in lines)
        return steps >= self.after_steps


@dataclass(frozen=True)
class Rule:
    """A preemption that was set, and how often it has hit."""

    number: int
    preemption: Preemption
    hits: int = 0

    @property
    def is_spent(self) -> bool:
        """True where it hits nothing any more."""
        return 0 < self.preemption.times <= self.hits

    def document(self) -> dict[str, Any]:
        """Give the rule as JSON-ready data."""
        state = {"hits": self.hits, "is_spent": self.is_spent}
        return {"number": self.number, **asdict(self.preemption), **state}


def add(place: Place, preemption: Preemption) -> Rule:
    """Set a rule.

    Raises:
        SettingsError: it makes no sense, or what it names runs on dedicated nodes; every finding.
    """
    with opened(place) as state, state.transaction():
        found = [*findings(preemption), *_place_findings(state, preemption.job)]
        if found:
            raise SettingsError("\n".join(found), hint=EXAMPLE)
        rule = Rule(next_number(state, KIND), preemption)
        _store(state, rule)
    return rule


def rules(place: Place) -> list[Rule]:
    """List the rules, in their order."""
    with opened(place) as state:
        rows = listed(state, KIND)
    return [Rule(number, Preemption(**row["preemption"]), row["hits"]) for number, row in rows]


def clear(place: Place, number: int | None = None) -> int:
    """Take one rule back, or all of them; give how many there were.

    Raises:
        UserError: there is no rule of that number.
    """
    with opened(place) as state, state.transaction():
        count = remove(state, KIND, number)
    if number is not None and not count:
        raise UserError(f"There is no preemption {number}.", hint="tunestack local preempt --list")
    return count


def take(state: State, job: str, lines: Sequence[str], steps: int) -> Preemption | None:
    """Count the first rule that is due for a job, and give it; None: the job keeps its nodes."""
    if not state.within(f"{KIND}:"):
        return None
    with state.transaction():
        for rule in rules(state):
            what = rule.preemption
            if rule.is_spent or not fnmatch.fnmatchcase(job, what.job):
                continue
            if what.is_due(lines, steps):
                _store(state, replace(rule, hits=rule.hits + 1))
                return what
    return None


def findings(preemption: Preemption) -> list[str]:
    """List what is wrong with a preemption, wherever it is to happen."""
    notice = preemption.notice
    checks = (
        (not preemption.job, "job: give a name or a glob; * stands for any job."),
        (preemption.then not in OUTCOMES, f"then: {preemption.then!r} is none of"
         f" {', '.join(OUTCOMES)}."),
        (preemption.after_steps < 0, f"after-steps: {preemption.after_steps} is less than 0."),
        (bool(preemption.when) and preemption.after_steps > 0,
         "after-steps and when: give one of them."),
        (not 0 <= notice <= LONGEST_NOTICE,
         f"notice: {notice:g} is not between 0 and {LONGEST_NOTICE:g} seconds."),
        (preemption.times < 0, f"times: {preemption.times} is less than 0; 0 stands for always."),
    )  # fmt: skip
    return [text for is_wrong, text in checks if is_wrong]


def _place_findings(state: State, job: str) -> list[str]:
    """Refuse what can never happen: dedicated nodes are not preempted."""
    clusters = state.find(COMPUTES)
    more = "lowPriority=true in `tunestack init --set`, then `up`, makes one that is"
    if clusters and not any(is_low_priority(compute) for _, compute in clusters):
        return [f"job: no cluster is a low-priority one, and others are never preempted; {more}."]
    if any(character in job for character in "*?["):
        return []
    named = [document for _, document in state.find(JOBS) if document["name"] == job]
    if not named:
        return [f"job: there is no job {job!r}; a glob such as 'phi*' may name jobs to come."]
    compute = state.get(named[0]["properties"]["computeId"])
    if compute is None or is_low_priority(compute):
        return []
    return [f"job: {job} runs on {compute['name']}, whose nodes are dedicated: never preempted."]


def _store(state: State, rule: Rule) -> None:
    store(state, KIND, rule.number, {"preemption": asdict(rule.preemption), "hits": rule.hits})
