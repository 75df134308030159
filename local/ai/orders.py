"""From a job's record to the order of its training: files made ready, the service's choices made.

What Azure chooses where a request says `auto` is not published; the epochs are those of its
notes on tuning, the batch is a fifth of a percent of the examples and at least four.
"""

from dataclasses import asdict
from pathlib import Path

from local.ai.allowances import allowances
from local.ai.events import tell
from local.ai.file_store import content, is_known
from local.ai.job_requests import AUTO
from local.ai.preprocessing import Prepared, Unusable, prepare
from local.ai.records import find, folder, store
from local.state import Document
from local.tuning.orders import TuningOrder
from local.world import World

RATES = {"supervised": 2e-3, "dpo": 2e-4}
"""The small model's learning rates by method, which the multiplier multiplies."""
EPOCHS, BATCH, BETA = 3, 4, 0.1


def ordered(world: World, account_id: str, id: str) -> TuningOrder | None:
    """Give a job's order, made at the first call; None where the job is gone.

    Raises:
        Unusable: its files cannot be trained on.
    """
    record = find(world.state, account_id, "jobs", id)
    if record is None:
        return None
    place = job_folder(world, account_id, id)
    if not record["has_begun"]:
        record = _made_ready(world, account_id, record, place)
    return None if record is None else _order(record, place)


def job_folder(world: World, account_id: str, id: str) -> Path:
    """Give the folder of the files that a job was made ready with."""
    return folder(world, account_id, f"jobs/{id}")


def _made_ready(world: World, account_id: str, record: Document, place: Path) -> Document | None:
    job, state = record["job"], world.state
    if record["start"] and not Path(record["start"]).is_dir():
        raise Unusable(f"model: '{job['model']}' is gone")
    prepared = _file(world, account_id, record, "training_file", place / "train.jsonl")
    _file(world, account_id, record, "validation_file", place / "validation.jsonl")
    settled = _settled(record, prepared)
    _check_size(world, prepared, int(settled["n_epochs"]))
    with state.transaction():
        current = find(state, account_id, "jobs", record["id"])
        if current is None:
            return None
        shown = current["job"]["hyperparameters"]
        shown |= {name: settled[name] for name in shown if name in settled}
        current |= {"has_begun": True, "settled": settled, "prepared": asdict(prepared)}
        store(state, account_id, "jobs", current)
        text = f"Preprocessing completed for file {job['training_file']}."
        tell(state, account_id, record["id"], text)
    return current


def _file(world: World, account_id: str, record: Document, name: str, target: Path) -> Prepared:
    id = record["job"][name]
    if id is None:
        target.unlink(missing_ok=True)
        return Prepared(0, 0)
    if is_known(world.state, account_id, id) is None:
        raise Unusable(f"{name}: the file '{id}' is gone")
    try:
        prepared = prepare(content(world, account_id, id), target, record["method"])
    except Unusable as reason:
        raise Unusable(f"{name} '{id}': {reason}") from reason
    if prepared.rows == 0:
        raise Unusable(f"{name} '{id}': there is no example in it")
    return prepared


def _settled(record: Document, prepared: Prepared) -> dict[str, float]:
    chosen = {name: value for name, value in record["chosen"].items() if value != AUTO}
    batch = min(max(BATCH, round(prepared.rows * 0.002)), 256, prepared.rows)
    return {"n_epochs": EPOCHS, "batch_size": batch, "learning_rate_multiplier": 1} | chosen


def _check_size(world: World, prepared: Prepared, epochs: int) -> None:
    allowed = allowances(world.state)
    if prepared.rows < allowed.examples:
        raise Unusable(
            f"the training file has {prepared.rows} examples; at least {allowed.examples} are"
            " needed"
        )
    if prepared.tokens * epochs > allowed.trained_tokens:
        raise Unusable(
            f"about {prepared.tokens} tokens in {epochs} epochs are more than the"
            f" {allowed.trained_tokens} that a job may train on"
        )


def _order(record: Document, place: Path) -> TuningOrder:
    settled, method = record["settled"], record["method"]
    validation = place / "validation.jsonl"
    return TuningOrder(
        train=place / "train.jsonl",
        validation=validation if validation.exists() else None,
        objective="dpo" if method == "dpo" else "sft",
        epochs=int(settled["n_epochs"]),
        batch_size=int(settled["batch_size"]),
        learning_rate=RATES[method] * settled["learning_rate_multiplier"],
        seed=abs(int(record["job"]["seed"])),
        beta=settled.get("beta") or BETA,
        start=Path(record["start"]) if record["start"] else None,
    )
