"""A gate: thresholds as a YAML file, and whether a side of an evaluation meets them.

`judge` is pure: the same gate and the same numbers give the same outcome, at the end of
`evaluate`, before a `deploy`, or when checkpoints are chosen from. Everything that a gate wants
is a check of its own, and all of them are told, not the first that fails.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field

from core import overfit
from core.documents import checked as read_as
from core.documents import mapping_of, nearest, read_text
from core.errors import SettingsError
from evaluation.cases import Decoding, fingerprint
from evaluation.gates.thresholds import ROUNDING, Check, MetricName, Threshold, checked
from evaluation.metrics.names import OF_RULES
from evaluation.record import Record
from evaluation.results import Evaluation
from evaluation.sides import Side
from evaluation.suites.suite import load_suite, suite_names

FOLDER = Path(__file__).resolve().parent / "packaged"
Band = Literal["healthy", "mild", "moderate", "severe"]


class Gate(Record):
    """What a model has to reach before it may be deployed."""

    name: str = Field(min_length=1, max_length=64)
    says: str = ""
    """What it is for, in a sentence."""
    suite: str = ""
    """The name of the suite it was written for; others' numbers are refused. Empty: any."""
    decoding: Decoding | None = None
    """The fields that are given have to be as here; numbers of other answers are refused."""
    min_cases: int = Field(default=30, ge=1)
    """Over fewer cases a threshold is not judged, and fails."""
    max_unanswered: float = Field(default=0.0, ge=0, lt=1)
    """The share of cases that may have no reply of the candidate: who is not asked the hard
    questions does well on the rest."""
    max_age_days: float | None = Field(default=None, gt=0)
    """How old the evaluation may be."""
    overfit: Band | None = None
    """The worst band of over-fit that passes."""
    require: tuple[Threshold, ...] = Field(
        min_length=1, examples=["[{metric: rouge_l, not_worse: true}]"]
    )
    rank_by: tuple[MetricName, ...] = ()
    """By what those that pass are ranked: the first of these metrics that all of them have."""

    @cached_property
    def sha256(self) -> str:
        """16 hex digits of what it wants; comments and the order of keys do not count."""
        return fingerprint(self.document())


class Outcome(Record):
    """What a gate says of one side."""

    gate: str
    sha256: str
    """`Gate.sha256`."""
    candidate: str
    passed: bool
    checks: tuple[Check, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it failed, a sentence each; none where it passed."""
        return tuple(check.reason for check in self.checks if not check.passed)


def gate_names() -> list[str]:
    """List the gates that come with the program."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_gate(name_or_path: str) -> Gate:
    """Read a gate. A text with a slash or a .yaml ending is a path, anything else one of ours.

    Raises:
        SettingsError: no such gate, no YAML, or findings, all at once.
    """
    path = _find(name_or_path)
    return parse_gate(read_text(path), path.name if path.parent == FOLDER else str(path))


def parse_gate(text: str, where: str) -> Gate:
    """Read a gate from YAML; `where` opens each finding.

    Raises:
        SettingsError: no YAML, or findings, all at once.
    """
    gate = read_as(Gate, mapping_of(text, where, "a gate"), where)
    if unknown := list(_unknown_rules(gate, where)):
        raise SettingsError("\n".join(unknown))
    return gate


def judge(
    gate: Gate, evaluation: Evaluation, candidate: str, now: datetime | None = None
) -> Outcome:
    """Hold a side of an evaluation to a gate; `now` is when: the moment it was made if None."""
    checks = tuple(_checks(gate, evaluation, candidate, now))
    return Outcome(
        gate=gate.name,
        sha256=gate.sha256,
        candidate=candidate,
        passed=bool(checks) and all(check.passed for check in checks),
        checks=checks,
    )


def _checks(
    gate: Gate, evaluation: Evaluation, candidate: str, now: datetime | None
) -> Iterator[Check]:
    yield from _circumstances(gate, evaluation, now)
    names = [side.name for side in evaluation.sides]
    if candidate not in names:
        told = f"{candidate} is not in this evaluation, which has {', '.join(names)}"
        yield checked("candidate", "a side that was asked", told, False)
        return
    yield _answered(gate, evaluation, candidate)
    if gate.overfit is not None:
        yield _overfit(gate.overfit, evaluation.side(candidate))
    for threshold in gate.require:
        yield from threshold.checks(evaluation, candidate, gate.min_cases)


def _circumstances(gate: Gate, evaluation: Evaluation, now: datetime | None) -> Iterator[Check]:
    """Check what is so for every candidate: the suite, the decoding, the age."""
    if gate.suite:
        found = evaluation.suite.name
        yield checked("suite", gate.suite, f"judged by {found}", found == gate.suite)
    if gate.decoding is not None:
        for name in sorted(gate.decoding.model_fields_set):
            wanted, found = getattr(gate.decoding, name), getattr(evaluation.decoding, name)
            yield checked(f"decoding.{name}", f"{wanted:g}", f"{found:g}", wanted == found)
    if gate.max_age_days is not None:
        yield _age(gate.max_age_days, evaluation.made, now)


def _age(most: float, made: str, now: datetime | None) -> Check:
    moment = datetime.fromisoformat(made)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    days = ((now or moment) - moment).total_seconds() / 86_400
    found = f"made {days:.1f} days ago, at {made}"
    # What was made in the future is no younger for it; a clock may be a time zone wrong.
    return checked("age", f"at most {most:g} days", found, -1 <= days <= most)


def _answered(gate: Gate, evaluation: Evaluation, candidate: str) -> Check:
    total = len(evaluation.cases)
    without = sum(candidate not in case.replies for case in evaluation.cases)
    most = int(gate.max_unanswered * total + ROUNDING)
    found = f"{without} of {total} cases have no answer of {candidate}"
    wanted = f"at most {most}" if most else "an answer to every case"
    return checked("answers", wanted, found, total > 0 and without <= most)


def _overfit(worst: Band, side: Side) -> Check:
    """Judge by the losses' ratio where it is known, else by the band that training has told."""
    told = side.overfit
    band = overfit.UNKNOWN if told is None else told.band or overfit.UNKNOWN
    ratio = None if told is None else told.ratio
    if ratio is not None:
        band = overfit.band(ratio)
    losses = "" if ratio is None else f" (validation / training loss {ratio:.2f})"
    found = f"{band}{losses}"
    wanted = worst if worst == overfit.BANDS[0] else f"{worst} or better"
    note = "its training has not said" if band == overfit.UNKNOWN else ""
    return checked("overfit", wanted, found, overfit.is_within(band, worst), note)


def _unknown_rules(gate: Gate, where: str) -> Iterator[str]:
    """Find rules that the gate's suite has not, where it is one that comes with the program."""
    if gate.suite not in suite_names():
        return
    rules = [f"{OF_RULES}{rule.name}" for rule in load_suite(gate.suite)[0].rules]
    for number, threshold in enumerate(gate.require):
        name = threshold.metric
        if name.startswith(OF_RULES) and name not in rules:
            meant = nearest(name, rules)
            yield f"{where}: require.{number}.metric: the suite {gate.suite} has no {name}.{meant}"


def _find(name_or_path: str) -> Path:
    if "/" in name_or_path or name_or_path.endswith((".yaml", ".yml")):
        path = Path(name_or_path).expanduser()
        if not path.is_file():
            raise SettingsError(f"There is no gate file {path}.")
        return path
    names = gate_names()
    if name_or_path not in names:
        raise SettingsError(
            f"There is no gate {name_or_path!r}.{nearest(name_or_path, names)}",
            hint=f"Gates: {', '.join(names)}; or give a path to your own .yaml.",
        )
    return FOLDER / f"{name_or_path}.yaml"
