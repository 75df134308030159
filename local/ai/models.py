"""Models of an account: those that Azure keeps for tuning, and those that jobs here have made."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.ai.hosts import OPENAI_RIGHTS, on_account
from local.ai.records import all_of, find, missing, store
from local.models import MODELS, REGIONAL, Model
from local.operations import Call
from local.state import Document, State

KIND = "models"
DEPLOYMENTS = "Microsoft.CognitiveServices/accounts/deployments"
RIGHT = f"{OPENAI_RIGHTS}/models/read"


@dataclass(frozen=True)
class TunedFolder:
    """A tuned model, or a checkpoint of one, as it can be served."""

    name: str
    """What a deployment names."""
    base: str
    """The base model's id, e.g. gpt-4.1-mini-2025-04-14."""
    folder: Path
    job: str


def model_of(id: str) -> Model | None:
    """Find a base model by its id: name and version; of an open one the name does."""
    for model in MODELS:
        ids = {id_of(model), f"{model.name}-{model.version}"}
        if id.lower() in {one.lower() for one in ids}:
            return model
    return None


def id_of(model: Model) -> str:
    """Give a base model's id in OpenAI's API."""
    return f"{model.name}-{model.version}" if model.format == "OpenAI" else model.name


def find_model(state: State, account_id: str, name: str) -> TunedFolder | None:
    """Find a tuned model or a checkpoint by its name, a checkpoint also by its own id."""
    record = find(state, account_id, KIND, name)
    if record is None:
        records = all_of(state, account_id, KIND)
        record = next((one for one in records if one["checkpoint"] == name), None)
    if record is None:
        return None
    return TunedFolder(record["id"], record["base"], Path(record["folder"]), record["job"])


def keep_model(
    state: State, account_id: str, model: TunedFolder, *, checkpoint: str, created: int
) -> None:
    """Let a model be found; `checkpoint` is the id of the checkpoint that it is."""
    record = {
        "id": model.name,
        "base": model.base,
        "folder": str(model.folder),
        "job": model.job,
        "checkpoint": checkpoint,
        "created_at": created,
    }
    store(state, account_id, KIND, record)


def models_of(state: State, account_id: str, job: str) -> list[Document]:
    """List what a job has made, oldest first."""
    return [one for one in all_of(state, account_id, KIND) if one["job"] == job]


def deployment_of(state: State, account_id: str, job: str) -> str:
    """Name a deployment that serves something which a job has made; empty: there is none."""
    made = models_of(state, account_id, job)
    names = {str(one[key]).lower() for one in made for key in ("id", "checkpoint")}
    for _, deployment in state.find(DEPLOYMENTS, below=account_id):
        model = deployment["properties"].get("model") or {}
        if str(model.get("name") or "").lower() in names:
            return str(deployment["name"])
    return ""


@on_account(
    "GET", "/models", data_action=RIGHT, note="base models of local/models.py, then tuned ones"
)
def list_models(call: Call, account: Document) -> dict[str, Any]:
    """List base models and finished tuned ones, in one page."""
    tuned = [_tuned(one) for one in all_of(call.world.state, account["id"], KIND)]
    return {"object": "list", "data": [*(_base(one, account) for one in MODELS), *tuned]}


@on_account("GET", "/models/{model}", data_action=RIGHT, note="base, tuned, or a checkpoint")
def get_model(call: Call, account: Document) -> dict[str, Any]:
    """Read a model."""
    name = call.parameters["model"]
    record = find(call.world.state, account["id"], KIND, name)
    if record is not None:
        return _tuned(record)
    base = model_of(name)
    if base is None:
        raise missing("model", name)
    return _base(base, account)


def _base(model: Model, account: Document) -> dict[str, Any]:
    # Field notes: the flag is false for open models that can be tuned, and where training is
    # Global alone.
    is_regional = model.format == "OpenAI" and account.get("location") in REGIONAL
    ends = _unix(model.retired)
    return {
        "id": id_of(model),
        "object": "model",
        "status": "succeeded",
        "capabilities": _capabilities(can_be_tuned=is_regional),
        "lifecycle_status": "generally-available",
        "deprecation": {"fine_tune": ends, "inference": ends} if ends else {},
        "created_at": _unix(model.version) or 0,
    }


def _tuned(record: Document) -> dict[str, Any]:
    base = model_of(record["base"])
    ends = _unix(base.retired) if base else None
    return {
        "id": record["id"],
        "object": "model",
        "status": "succeeded",
        "model": record["base"],
        "fine_tune": record["job"],
        "capabilities": _capabilities(can_be_tuned=True),
        "lifecycle_status": "generally-available",
        "deprecation": {"inference": ends} if ends else {},
        "created_at": record["created_at"],
    }


def _capabilities(*, can_be_tuned: bool) -> dict[str, bool]:
    return {
        "fine_tune": can_be_tuned,
        "inference": True,
        "completion": False,
        "chat_completion": True,
        "embeddings": False,
    }


def _unix(day: str) -> int | None:
    """Give the beginning of a day (YYYY-MM-DD) in seconds since 1970; None: it is none."""
    try:
        return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None
