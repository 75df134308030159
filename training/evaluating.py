"""Have models and checkpoints answered and scored by a job on a node, with the training's program.

What is asked and what comes back are plain JSON lines: what they mean is evaluation's affair.
A job is known by what went into it (`EvaluationOrder.tags`): whoever asks the same again, after
a kill or a Ctrl-C, finds the job that runs or has ended and takes its answers.
"""

import json
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from core.azure_errors import operation, quietly, uploaded
from core.cloud import Cloud
from core.environments import Device, digest, ensure_environment
from core.errors import SettingsError
from core.refs import JobRef, ModelRef, StackOutputs
from training import submission
from training.artifacts import output_folder
from training.assets import require_data
from training.environment import JOB_FOLDER, build_environment
from training.evaluation_orders import (
    ANSWERS,
    ASKED,
    CASES_FILE,
    EVALUATED,
    ORDER_FILE,
    EvaluationOrder,
    NodeSide,
    command_line,
    inputs,
    program_order,
)
from training.exporting import EXPORT, EXPORTED_FROM
from training.jobs import find_job, tagged_jobs
from training.kept_orders import code_sha256, read_order
from training.model_files import model_manifest
from training.models import find_model
from training.submission import EXPERIMENT, job_identity, job_ref

__all__ = ["EvaluationOrder", "NodeSide"]

TIMEOUT_HOURS = 4.0


def order_evaluation(
    cloud: Cloud,
    outputs: StackOutputs,
    sides: Sequence[NodeSide],
    cases: bytes,
    decoding: dict[str, Any],
    *,
    cluster: str = "",
    device: Device = "cpu",
) -> EvaluationOrder:
    """Look up all that an evaluation needs; nothing is sent.

    `cases` are lines of `{"id", "messages", "reference"}`, and `"sides"` (names) where only some
    are asked; `decoding` is `temperature`, `top_p`, `max_tokens`, `seed`, `repetition_penalty`.

    Raises:
        SettingsError: the sides are of several training jobs, or one is an export that the
            training's packages cannot load.
        UserError: a model is not there, or the order of the training job was not kept.
    """
    (job, *others) = sorted({side.job for side in sides})
    if others:
        raise SettingsError(f"One evaluation is of one training job, not of {job}, {others[0]} …")
    weights = {}
    for side in sides:
        if side.kind == "model":
            model = find_model(cloud, outputs, ModelRef.parse(side.model))
            _require_weights(model)
            weights[side.model] = f"{model['created']} {model['path']}"
    environment = build_environment(device, JOB_FOLDER)
    with tempfile.TemporaryDirectory() as work:
        code = code_sha256(stage_program(Path(work)))
    return EvaluationOrder(
        kept=read_order(cloud, outputs, job),
        sides=tuple(sides),
        weights=weights,
        cases=cases,
        decoding=decoding,
        system_message=_system_message(cloud, outputs, job),
        environment=environment,
        program=digest(f"{code} {environment.version}".encode()),
        cluster=cluster or outputs.cluster,
    )


def evaluation_jobs(cloud: Cloud, outputs: StackOutputs, order: EvaluationOrder) -> list[JobRef]:
    """Find the jobs that ask, or have asked, the same, newest first: also those that failed."""
    return tagged_jobs(cloud, outputs, order.tags)


def submit_evaluation(cloud: Cloud, outputs: StackOutputs, order: EvaluationOrder) -> JobRef:
    """Send the program with order and cases and create the job; it then runs without us.

    Raises:
        CloudError: Azure refused; `operation` says which step.
    """
    identity = job_identity(cloud, outputs)
    environment = ensure_environment(cloud, outputs, order.environment)
    if order.needs_texts:
        require_data(cloud, outputs, order.kept.train.asset)
    with tempfile.TemporaryDirectory() as work:
        code = stage_program(Path(work))
        (code / ORDER_FILE).write_text(program_order(order), encoding="utf-8")
        (code / CASES_FILE).write_bytes(order.cases)
        job = _command(order, environment, code, identity)
        with operation("submit the evaluation"), quietly():
            jobs = cloud.workspace(outputs).jobs
            made = uploaded(lambda: jobs.create_or_update(job))
    return job_ref(made)


def read_replies(cloud: Cloud, outputs: StackOutputs, job: str) -> dict[str, list[dict[str, Any]]]:
    """Read what a job has answered so far, by side name; a line that was cut off is left out.

    A line: `{"case", "text", "finish", "tokens", "prompt_tokens", "seconds", "nll",
    "scored_tokens", "correct_tokens"}`.
    """
    folder = output_folder(cloud, outputs, find_job(cloud, outputs, job), ANSWERS)
    replies: dict[str, dict[str, dict[str, Any]]] = {}
    for path in sorted(folder.names()):
        side, _, _ = path.rpartition("/")
        if side and path.endswith(".jsonl"):
            found = replies.setdefault(unquote(side), {})
            whole = (line for line in _lines(folder.read(path) or b"") if "case" in line)
            found.update((line["case"], line) for line in whole)
    return {side: list(lines.values()) for side, lines in replies.items()}


def stage_program(work: Path) -> Path:
    """Make the folder that goes to the node: the training's program and what core shares."""
    return submission.stage_program(JOB_FOLDER, work / "evaluate")


def _command(order: EvaluationOrder, environment: str, code: Path, identity: Any) -> Any:
    from azure.ai.ml import Output, command

    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    name = f"evaluate-{stamp}-{uuid.uuid4().hex[:6]}"
    who = ", ".join(side.name for side in order.sides)
    count = len(_lines(order.cases))
    return command(
        name=name,
        display_name=name,
        description=f"{count} cases for {who}, of the training job {order.kept.job}",
        experiment_name=EXPERIMENT,
        tags={**order.tags, EVALUATED: who[:250], ASKED: str(count)},
        code=str(code),
        command=command_line(order),
        environment=environment,
        compute=order.cluster,
        identity=identity,
        inputs=inputs(order),
        outputs={ANSWERS: Output(type="uri_folder", mode="rw_mount")},
        timeout=int(TIMEOUT_HOURS * 3600),
    )


def _require_weights(model: dict[str, Any]) -> None:
    """Refuse an export whose weights the training's packages cannot load."""
    tags = model["tags"]
    if tags.get(EXPORT) and tags[EXPORT] != "base":
        name = f"{model['name']}:{model['version']}"
        raise SettingsError(
            f"{name} ({tags[EXPORT]}) has no plain weights: a node cannot score it.",
            hint=f"Evaluate {tags.get(EXPORTED_FROM, 'the tuned model')}, which it was made of; or"
            f" {name} where it is deployed: --live",
        )


def _system_message(cloud: Cloud, outputs: StackOutputs, job: str) -> str | None:
    """Read what all training conversations began with; None where the job left no manifest yet."""
    place = output_folder(cloud, outputs, find_job(cloud, outputs, job), "model")
    said = model_manifest(place).get("system_message")
    return said if isinstance(said, str) else None


def _lines(content: bytes) -> list[dict[str, Any]]:
    """Read JSON lines; one that was cut off, or is no object, is left out."""
    found = []
    for line in content.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found
