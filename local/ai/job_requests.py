"""What a request for a tuning job says, in the job's own terms: read, checked, made a record.

Two shapes of the same hyperparameters are taken, OpenAI's (`method.<type>.hyperparameters`, or the
older top-level `hyperparameters`) and that of Azure's pages (values straight in `method.dpo`).
"""

import re
import secrets
from typing import Any, cast

from local.ai.file_store import TRAINING, is_known
from local.ai.records import invalid, new_id, now
from local.ai.tunable import METHODS, Base, Method, check_base, tier_of
from local.operations import Call
from local.state import Document, State

SUFFIX = re.compile(r"[a-zA-Z0-9_-]{0,40}")
AUTO = -1
"""How Azure writes that the service decides, until it has."""

NUMBERS = {
    "n_epochs": (int, 1, 50),
    "batch_size": (int, 1, 256),
    "learning_rate_multiplier": (float, 1e-5, 10),
    "beta": (float, 1e-5, 2),
    "l2_multiplier": (float, 0, 10),
    "prompt_loss_weight": (float, 0, 1),
}
"""Kind and limits of each hyperparameter. Azure's own limits are not published: these are ours."""

SHOWN = ("n_epochs", "batch_size", "learning_rate_multiplier")


def requested(call: Call, account: Document) -> Document:
    """Make the record of the job that a request asks for.

    Raises:
        Refusal: 400, something in it is wrong, or the service does not do it.
    """
    body, state = call.body, call.world.state
    method = _method(body)
    tier = tier_of(body.get("trainingType"))
    base = check_base(state, account, _text(body, "model"), method, tier)
    for name in ("training_file", "validation_file"):
        _check_file(state, account["id"], name, body.get(name))
    chosen = _chosen(body, method)
    hash = secrets.token_hex(16)
    suffix = _suffix(body)
    job = _shown(body, method, tier, chosen)
    return {
        "id": job["id"],
        "job": job,
        "base": base.name,
        "start": _start(base),
        "tuned": f"{base.name}.ft-{hash}{f'-{suffix}' if suffix else ''}",
        "method": method,
        "chosen": chosen,
        "has_slot": False,
        "has_begun": False,
        "steps": 0,
    }


def _start(base: Base) -> str:
    return str(base.tuned.folder) if base.tuned else ""


def _method(body: Document) -> Method:
    given = body.get("method") or {}
    type = given.get("type", "supervised") if isinstance(given, dict) else given
    if type not in METHODS:
        raise invalid(f"method: '{type}' is not played here; supervised and dpo are.")
    return cast(Method, type)


def _text(body: Document, name: str) -> str:
    text = body.get(name)
    if not isinstance(text, str) or not text:
        raise invalid(f"{name}: is missing.")
    return text


def _check_file(state: State, account_id: str, name: str, id: object) -> None:
    if id is None and name == "validation_file":
        return
    file = is_known(state, account_id, str(id or ""))
    if file is None:
        raise invalid(f"{name}: there is no file '{id}'.")
    if file["purpose"] != TRAINING:
        raise invalid(f"{name}: the purpose of '{id}' is '{file['purpose']}', not '{TRAINING}'.")
    if file["status"] != "processed":
        raise invalid(
            f"{name}: the status of '{id}' is '{file['status']}'; a job takes processed files."
        )


def _suffix(body: Document) -> str:
    suffix = body.get("suffix")
    if suffix is None:
        return ""
    if not isinstance(suffix, str) or not SUFFIX.fullmatch(suffix):
        raise invalid("suffix: at most 40 characters, letters, digits, '-' and '_'.")
    return suffix


def _chosen(body: Document, method: Method) -> dict[str, float]:
    """Give every hyperparameter that was sent; -1 where the service is to decide."""
    inner = _object(_object(body, "method"), method)
    given: dict[str, Any] = {**_object(body, "hyperparameters")}
    given |= {name: body[name] for name in ("prompt_loss_weight",) if name in body}
    given |= {name: value for name, value in inner.items() if name != "hyperparameters"}
    given |= _object(inner, "hyperparameters")
    return {name: _number(name, value) for name, value in given.items() if value is not None}


def _object(body: Document, name: str) -> Document:
    """Give what a request has under a name; a method may be named by its type alone."""
    value = body.get(name) or {}
    if name == "method" and isinstance(value, str):
        return {}
    if not isinstance(value, dict):
        raise invalid(f"{name}: must be an object.")
    return value


def _number(name: str, value: object) -> float:
    if name not in NUMBERS:
        raise invalid(f"hyperparameters.{name}: there is no such hyperparameter.")
    kind, low, high = NUMBERS[name]
    if value in ("auto", AUTO):
        return AUTO
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= cast(float, value) <= high or kind(value) != value:
        raise invalid(f"hyperparameters.{name}: {value!r} is not within {low:g} and {high:g}.")
    number: float = kind(cast(float, value))
    return number


def _seed(body: Document) -> int:
    seed = body.get("seed")
    if seed is None:
        return secrets.randbelow(2**31)
    if not isinstance(seed, int) or isinstance(seed, bool) or not -(2**31) <= seed < 2**31:
        raise invalid(f"seed: {seed!r} is no 32-bit number.")
    return seed


def _shown(body: Document, method: Method, tier: str, chosen: dict[str, float]) -> Document:
    """Make the job as the service tells it."""
    return {
        "id": new_id("ftjob-"),
        "object": "fine_tuning.job",
        "created_at": now(),
        "status": "pending",
        "model": body["model"],
        "fine_tuned_model": None,
        "finished_at": None,
        "error": None,
        "hyperparameters": dict.fromkeys(SHOWN, AUTO) | {"learning_rate_multiplier": 1} | chosen,
        "method": {"type": method, method: {"hyperparameters": chosen}},
        "organization_id": None,
        "result_files": None,
        "seed": _seed(body),
        "trained_tokens": None,
        "training_file": body["training_file"],
        "validation_file": body.get("validation_file"),
        "estimated_finish": None,
        "integrations": body.get("integrations"),
        "metadata": body.get("metadata"),
        "suffix": body.get("suffix"),
        "trainingType": tier,
    }
