"""Serverless fine-tuning jobs: what a request may ask for.

A project of a hub only, in a region where the model is tuned; provider `Custom`, chat completion,
one training file, perhaps one for validation, and a name for the tuned model. Tuning on compute of
one's own and of Azure OpenAI's models through this route are not played, nor is text completion;
refused by name. Which of these Azure refuses at once and which a job of it finds out is not known.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from local.arm.hubs import kind_of
from local.ml.locations import locate
from local.ml.serverless_models import REGISTRY_ID, served, subscription_to
from local.ml.tuned_registration import OUTPUT
from local.ml.workspace import bad_request
from local.operations import Call, Refusal
from local.state import Document

ASSET = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}")
WHOLE = {"num_train_epochs": (1, 10), "per_device_train_batch_size": (1, 32)}
"""Hyperparameters that are whole numbers, and their least and greatest value (the guide's)."""
RATE = "learning_rate"
OWN_COMPUTE = ("computeId", "resources", "queueSettings")


def check(call: Call, owner: Document, sent: dict[str, Any], found: Sequence[str]) -> None:
    """Refuse what could not be tuned, all findings at once; some may have been `found` already.

    Raises:
        Refusal: 400.
    """
    details = sent.get("fineTuningDetails") or {}
    findings = [
        *found,
        *_place_findings(owner),
        *_kind_findings(sent, details),
        *_model_findings(call, owner, details),
        *_data_findings(call, owner, details),
        *_parameter_findings(details.get("hyperParameters")),
        *_output_findings(sent.get("outputs")),
    ]
    if findings:
        raise bad_request("The fine-tuning job cannot be run: " + " ".join(findings))


def check_same(before: Document, sent: dict[str, Any]) -> None:
    """Refuse another order by the name of a job that there is.

    Raises:
        Refusal: 409.
    """
    if "fineTuningDetails" in sent and _order(sent) != _order(before["properties"]):
        raise Refusal(
            409, "Conflict", f"The job {before['name']} already exists with another order."
        )


def _order(properties: dict[str, Any]) -> tuple[Any, ...]:
    details = properties.get("fineTuningDetails") or {}
    parts = ("model", "trainingData", "validationData")
    uris = tuple((details.get(part) or {}).get("uri") for part in parts)
    return (*uris, details.get("hyperParameters") or {})


def complete(document: Document, sent: dict[str, Any]) -> Document:
    """Make a fine-tuning job's document of what all jobs have: no compute, and its model's name.

    The tuned model's version and path come with its completion.
    """
    outputs = {
        name: {key: value for key, value in output.items() if key != "uri"}
        for name, output in sent["outputs"].items()
    }
    properties = {**document["properties"], "computeId": None, "outputs": outputs}
    properties.pop("inputs", None)
    return {**document, "properties": properties}


def _place_findings(owner: Document) -> Iterator[str]:
    if kind_of(owner) != "project":
        yield (
            f"{owner['name']!r} is no project of a hub: serverless fine-tuning runs in projects"
            " alone."
        )


def _kind_findings(sent: dict[str, Any], details: dict[str, Any]) -> Iterator[str]:
    if str(details.get("modelProvider")).lower() != "custom":
        yield f"The modelProvider {details.get('modelProvider')!r} is not played: Custom is."
    if str(details.get("taskType")).lower() != "chatcompletion":
        yield f"The taskType {details.get('taskType')!r} is not played: chatCompletion is."
    if given := [name for name in OWN_COMPUTE if sent.get(name)]:
        yield f"Fine-tuning on one's own compute is not played: leave out {', '.join(given)}."


def _model_findings(call: Call, owner: Document, details: dict[str, Any]) -> Iterator[str]:
    id = str((details.get("model") or {}).get("uri") or "")
    model, region = served(id), owner["location"]
    if REGISTRY_ID.fullmatch(id) is None:
        yield f"The model {id!r} is no model of a registry."
    elif model is None or not model.tuned_in:
        yield f"The model {id!r} is not one that can be fine-tuned."
    elif model.is_over():
        yield f"The model {model.name} was retired on {model.retired}."
    elif region not in model.tuned_in:
        regions = ", ".join(model.tuned_in)
        yield f"The model {model.name} is not fine-tuned in {region}: in {regions}."
    elif model.needs_subscription and not subscription_to(call.world.state, owner["id"], model):
        yield f"The project has no marketplace subscription to {model.id}."


def _data_findings(call: Call, owner: Document, details: dict[str, Any]) -> Iterator[str]:
    for name in ("trainingData", "validationData"):
        given = details.get(name)
        if given is None and name == "validationData":
            continue
        kind, uri = (given or {}).get("jobInputType"), str((given or {}).get("uri") or "")
        if kind != "uri_file":
            yield f"{name} has the type {kind!r}: it must be uri_file."
            continue
        try:
            locate(call.world.state, owner["id"], uri)
        except Refusal as refused:
            yield f"{name}: {refused.message}"


def _parameter_findings(given: Any) -> Iterator[str]:
    for name, value in (given or {}).items():
        if name not in (*WHOLE, RATE):
            yield f"The hyperparameter {name!r} is not known: {', '.join((*WHOLE, RATE))} are."
        elif not isinstance(value, str):
            yield f"The hyperparameter {name} must be a string."
        elif name == RATE and not _is_rate(value):
            yield f"The hyperparameter {name} is {value!r}: it must be above 0, below 1."
        elif name in WHOLE and not _is_within(value, *WHOLE[name]):
            low, high = WHOLE[name]
            yield f"The hyperparameter {name} is {value!r}: it must be from {low} to {high}."


def _is_within(text: str, low: int, high: int) -> bool:
    return text.isascii() and text.isdecimal() and low <= int(text) <= high


def _is_rate(text: str) -> bool:
    try:
        return 0 < float(text) < 1
    except ValueError:
        return False


def _output_findings(given: Any) -> Iterator[str]:
    output = (given or {}).get(OUTPUT) or {}
    if list(given or {}) != [OUTPUT] or output.get("jobOutputType") != "mlflow_model":
        yield f"The outputs must be one {OUTPUT} of the type mlflow_model."
    elif not ASSET.fullmatch(str(output.get("assetName") or "")):
        yield f"The output {OUTPUT} needs an assetName; {output.get('assetName')!r} is none."
