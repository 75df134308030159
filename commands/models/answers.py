"""The answers that a training job has left, as an evaluation: base beside tuned, or two models."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.models.export import refuse_export
from commands.session import Session
from core.errors import SettingsError, UserError
from core.refs import ModelRef
from evaluation.cases import Case, Decoding
from evaluation.questions.samples import Sample, read_samples, replies
from evaluation.replies import Reply
from evaluation.results import Evaluation, Source
from evaluation.sides import Side
from training.artifacts import output_folder
from training.jobs import find_job
from training.kept_orders import read_order
from training.models import FROM_CHECKPOINT, find_model

if TYPE_CHECKING:
    from evaluation.suites.suite import Suite

Judged = tuple["Suite", str]
"""A suite and its text."""
SAMPLES = "samples.jsonl"


@dataclass(frozen=True)
class JobAnswers:
    """What a model's job has answered."""

    ref: str
    base: str
    job: str
    samples: tuple[Sample, ...]
    sha256: str
    decoding: Decoding

    def side(self, answers: str, name: str) -> Side:
        """Give `base` or `tuned` of this job as a side."""
        is_base = answers == "base"
        return Side(
            name=name,
            model=self.base if is_base else self.ref,
            role="base" if is_base else "tuned",
            route="azureml",
            where="node",
            identity={"job": self.job, "answers": answers, "samples": self.sha256},
        )

    def replies(self, answers: str, side: Side) -> dict[str, Reply]:
        """Give a side's replies by `Case.id`."""
        return replies(self.samples, answers, side, self.decoding)

    @property
    def data(self) -> Source:
        """Name the file that they stand in."""
        return Source(name=f"{SAMPLES} of the job {self.job}", sha256=self.sha256)


def read_answers(session: Session, wanted: ModelRef) -> JobAnswers:
    """Find a model (the newest where none is named) and what its job has answered.

    Raises:
        UserError: no such model, or its job left no samples.
    """
    cloud, outputs = session.cloud, session.outputs
    found = find_model(cloud, outputs, wanted)
    refuse_export(found, "answers of its own")
    if checkpoint := found["tags"].get(FROM_CHECKPOINT):
        ref = f"{found['name']}:{found['version']}"
        raise SettingsError(
            f"{ref} is the checkpoint {checkpoint}: other weights answered its job's samples.",
            hint=f"tunestack evaluate base {ref} --stack {session.stack}",
        )
    job = find_job(cloud, outputs, found["tags"]["job"])
    content = output_folder(cloud, outputs, job, "report").read(SAMPLES)
    if content is None or not content.strip():
        raise UserError(
            f"The job {job.name} left no samples.",
            hint="Its recipe's samples.count may be 0; training again with it makes some. Or ask"
            f" now: tunestack evaluate --stack {session.stack}",
        )
    return JobAnswers(
        ref=f"{found['name']}:{found['version']}",
        base=str(found["tags"].get("base", "")),
        job=str(job.name),
        samples=tuple(read_samples(content)),
        sha256=hashlib.sha256(content).hexdigest(),
        decoding=_decoding(session, str(job.name)),
    )


def base_and_tuned(session: Session, found: JobAnswers, suite: Judged) -> Evaluation:
    """Compare a job's answers before and after its training."""
    sides = [found.side(name, name) for name in ("base", "tuned")]
    given = {side.name: found.replies(side.name, side) for side in sides}
    cases = [sample.case for sample in found.samples]
    return _measured(session, suite, cases, sides, given, found)


def of_two_models(
    session: Session, first: JobAnswers, second: JobAnswers, suite: Judged
) -> Evaluation:
    """Compare two tuned models by the questions that both jobs have asked."""
    twin = " again" if first.ref == second.ref else ""
    sides = [first.side("tuned", first.ref), second.side("tuned", second.ref + twin)]
    given = {
        side.name: one.replies("tuned", side)
        for one, side in zip((first, second), sides, strict=True)
    }
    asked = {sample.case.id for sample in second.samples}
    cases = [sample.case for sample in first.samples if sample.case.id in asked]
    found = _measured(session, suite, cases, sides, given, first)
    if first.decoding == second.decoding:
        return found
    note = f"{first.ref} was decoded otherwise than {second.ref}: their recipes' samples differ."
    return found.model_copy(update={"notes": (note, *found.notes)})


def _measured(
    session: Session,
    suite: Judged,
    cases: Sequence[Case],
    sides: Sequence[Side],
    given: Mapping[str, Mapping[str, Reply]],
    found: JobAnswers,
) -> Evaluation:
    from evaluation.numbers.measuring import measure

    return measure(
        *suite, cases, sides, given, data=found.data, stack=session.stack,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        decoding=found.decoding,
    )  # fmt: skip


def _decoding(session: Session, job: str) -> Decoding:
    """Give how the job decoded: as its recipe says, or as recipes say by default."""
    try:
        chosen = read_order(session.cloud, session.outputs, job).recipe.samples
    except UserError:  # a job that was ordered otherwise, or before orders were kept
        return Decoding()
    return Decoding(max_tokens=chosen.max_new_tokens, repetition_penalty=chosen.repetition_penalty)


def document(evaluation: Evaluation) -> dict[str, Any]:
    """Give an evaluation of base and tuned as `models compare --json` has it."""
    from evaluation.report.verdicts import verdict

    whole = evaluation.document()
    said = verdict(evaluation, evaluation.sides[1].name)
    return {
        **{side.name: _counts(evaluation, side.name) for side in evaluation.sides},
        "verdict": said.short,
        "findings": [sentence.text for sentence in said.sentences],
        "metrics": whole["metrics"],
        "notes": whole["notes"],
        "suite": whole["suite"],
        "rows": rows(evaluation),
    }


def rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Give every question with each side's answer and what in it breaks a rule."""
    return [
        {
            "question": result.case.question,
            "messages": result.case.asked(),
            "reference": result.case.reference,
            **{
                name: {
                    "text": reply.text,
                    "breaches": [one.document() for one in result.found.get(name, ())],
                }
                for name, reply in result.replies.items()
            },
        }
        for result in evaluation.cases
    ]


def _counts(evaluation: Evaluation, name: str) -> dict[str, Any]:
    """Count a side's answers: how many there are, break each rule, equal the reference."""
    given = [
        (result, result.replies[name]) for result in evaluation.cases if name in result.replies
    ]
    judged = [metric.name for metric in evaluation.metrics if metric.name.startswith("rule.")]
    known = [(result, reply) for result, reply in given if result.case.reference.strip()]
    return {
        "answers": len(given),
        "breaking": {
            rule.removeprefix("rule."): sum(
                result.scores[rule].get(name) == 0 for result, _ in given
            )
            for rule in judged
        },
        "equal_to_reference": sum(
            reply.text.strip() == result.case.reference.strip() for result, reply in known
        )
        if known
        else None,
        "empty": sum(not reply.text.strip() for _, reply in given),
    }


def write_page(file: Path, evaluation: Evaluation) -> None:
    """Write the page of an evaluation, and beside it the JSON that its numbers are made again of.

    Raises:
        SettingsError: a file cannot be written.
    """
    from evaluation.report.page import page

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page(evaluation), encoding="utf-8")
        numbers = file.with_suffix(".json")
        numbers.write_text(evaluation.model_dump_json(indent=1), encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"--html: {file} cannot be written: {error}") from error
