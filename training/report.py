"""A run's page and picture, made here from what the job has left so far.

The job writes both itself, at evaluations and at its end. Made anew they also hold what came
since, and what a job cannot know: its price, and why it was killed.
"""

import json
from pathlib import Path
from typing import Any

from core.cloud import Cloud
from core.overfit import judge
from core.refs import StackOutputs
from training.artifacts import BlobFolder, output_folder
from training.explain import Explanation
from training.follow import Metrics, read_log
from training.job import chart, page
from training.job.run_facts import complete
from training.jobs import describe_job, find_job

FACTS, SAMPLES = "run.json", "samples.jsonl"
PAGE, PICTURE = "index.html", "curve.png"

Facts = dict[str, Any]


def read_run(cloud: Cloud, outputs: StackOutputs, name: str) -> Facts:
    """Gather what is known of a job's run: its own report, and what its log has since.

    Raises:
        UserError: there is no such job.
    """
    entity = find_job(cloud, outputs, name)
    job = describe_job(entity)
    folder = output_folder(cloud, outputs, entity, "report")
    facts: Facts = _json(folder.read(FACTS)) or {"recipe": {"name": job["tags"].get("recipe", "")}}
    measured = [
        event.values for event in read_log(cloud, outputs, name) if isinstance(event, Metrics)
    ]
    hashes = {"train": job["tags"].get("data_sha256"), "eval": job["tags"].get("validation_sha256")}
    return {
        "data_sha256": {part: text for part, text in hashes.items() if text},
        "samples": _samples(folder),
        **facts,
        "name": name,
        "state": job["status"].lower(),
        "submitted": job["created"],
        "steps": next((point["steps"] for point in measured[::-1] if "steps" in point), None),
        "history": merged(facts.get("history") or [], measured),
    }


def merged(history: list[Facts], measured: list[Facts]) -> list[Facts]:
    """Add to a run's history what the log has measured since, each step once."""
    known = {_key(point) for point in history}
    new = {_key(point): point for point in measured if "step" in point and _key(point) not in known}
    return sorted([*history, *new.values()], key=lambda point: int(point.get("step", 0)))


def _key(point: Facts) -> tuple[Any, bool]:
    return point.get("step"), "eval_loss" in point


def write_page(folder: Path, facts: Facts, explanation: Explanation | None = None) -> list[Path]:
    """Write page and picture of a run into a folder; give both files."""
    if explanation is not None:
        facts = facts | {
            "error": explanation.cause,
            "fix": explanation.fix,
            "rule": explanation.rule,
        }
    run = complete(facts, judge)
    png, svg = chart.draw(run["history"], run["name"], run["best_step"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PICTURE).write_bytes(png)
    (folder / PAGE).write_text(page.render(run, svg), encoding="utf-8")
    return [folder / PAGE, folder / PICTURE]


def _samples(folder: BlobFolder) -> list[Facts]:
    lines = (folder.read(SAMPLES) or b"").splitlines()
    return [dict(json.loads(line)) for line in lines if line.strip()]


def _json(content: bytes | None) -> Facts:
    """Read a JSON object; a file that is being written just now counts as none."""
    try:
        found = json.loads(content or b"")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
