"""What a deployment must be to be made: its assets, its size, its settings, its quota."""

import json
from typing import Any

from local import cores, quota
from local.ml.endpoints import NAME
from local.ml.locations import find_asset, locate
from local.ml.workspace import bad_request, region
from local.operations import Call, Refusal
from local.runner.durations import seconds
from local.runner.no_code import MODEL_FILE, MODEL_TYPE
from local.state import Document

OUT_OF_QUOTA = "https://aka.ms/oe-tsg#error-outofquota"
REQUEST_SECONDS = 180
NOT_PLAYED = "NotImplementedLocally"
"""The code of a refusal that Azure would not give: the rehearsal cannot do it."""


def check(call: Call, owner: Document, document: Document) -> None:
    """Refuse what could not be deployed, all findings at once.

    Raises:
        Refusal: 400; with the code `NotImplementedLocally` where Azure would have taken it.
    """
    name, properties = document["name"], document["properties"]
    unplayed, findings = _unplayed(call, owner, properties), _assets(call, owner, properties)
    if not NAME.fullmatch(name):
        findings.append(f"The name {name!r} is not legal: 3 to 32 letters, digits and hyphens.")
    if document["sku"]["capacity"] < 1:
        findings.append(f"The instance count is {document['sku']['capacity']}: at least 1.")
    if cores.deployment_size(document) not in quota.offered(call.world.state, region(owner)):
        asked = properties.get("instanceType")
        findings.append(f"The instance type {asked!r} is not supported in {region(owner)}.")
    timeout = seconds(properties["requestSettings"]["requestTimeout"])
    if not 0 < timeout <= REQUEST_SECONDS:
        findings.append(f"requestTimeout is {timeout:g} s; at most {REQUEST_SECONDS} s is allowed.")
    if findings or unplayed:
        code = "UserError" if findings else NOT_PLAYED
        raise bad_request(" ".join(["The deployment cannot be made:", *findings, *unplayed]), code)


def check_quota(call: Call, owner: Document, asked: Document, before: Document | None) -> None:
    """Refuse what the quota has no room for."""
    size = cores.deployment_size(asked)
    if size is None:
        return
    counted = cores.instances_counted(size, cores.instances_of(asked))
    is_same = before is not None and cores.deployment_size(before) == size
    freed = cores.instances_counted(size, cores.instances_of(before)) if before and is_same else 0
    if counted <= freed:
        return
    short = cores.shortage(
        call.world.state,
        call.world.processes.clusters,
        region(owner),
        size,
        counted,
        given_back=freed,
    )
    if short is not None:
        raise _out_of_quota(call, size.name, short)


def _out_of_quota(call: Call, size: str, short: cores.Shortage) -> Refusal:
    """Make Azure's answer: words and shape as in MicrosoftLearning/mslearn-azure-ml#30."""
    text = (
        f"Not enough quota available for {size} in SubscriptionId"
        f" {call.parameters['subscription']}. Current usage/limit: {short.used}/{short.limit}."
        f" Additional needed: {short.needed} Please see troubleshooting guide, available here:"
        f" {OUT_OF_QUOTA}"
    )
    inner = {
        "errors": {"VmSize": [text]},
        "type": "https://tools.ietf.org/html/rfc7231#section-6.5.1",
        "title": "One or more validation errors occurred.",
        "status": 400,
    }
    refusal = Refusal(400, "BadRequest", "The request is invalid.")
    message = f"InferencingClient HttpRequest error, error detail: {json.dumps(inner)}"
    refusal.details = ({"code": "InferencingClientCreateDeploymentFailed", "message": message},)
    return refusal


def _unplayed(call: Call, owner: Document, properties: dict[str, Any]) -> list[str]:
    """Name what Azure would take and this machine cannot do: it runs no images."""
    findings = []
    if properties["endpointComputeType"] != "Managed":
        findings.append(f"Deployments on {properties['endpointComputeType']} are not played.")
    reference = str(properties.get("environmentId") or "")
    found = find_asset(call.world.state, owner["id"], "environments", reference)
    if found is None:
        return findings
    environment = found["properties"]
    image = environment.get("image")
    if environment.get("inferenceConfig"):
        findings.append(
            f"Custom containers are not played: the environment {reference!r} brings its own server"
            " and routes (inferenceConfig), and no image is run here."
        )
    elif environment.get("build"):
        findings.append(
            f"Images from a Dockerfile are not played: {reference!r} has a build context and no"
            " conda file."
        )
    elif not environment.get("condaFile"):
        findings.append(
            f"An image alone is not played: {reference!r} is {image!r} without a conda file."
        )
    return findings


def _assets(call: Call, owner: Document, properties: dict[str, Any]) -> list[str]:
    state, findings = call.world.state, []
    model = properties.get("model")
    found = find_asset(state, owner["id"], "models", str(model)) if model else None
    if model and found is None:
        findings.append(f"The model {model!r} was not found.")
    environment, code = properties.get("environmentId"), properties.get("codeConfiguration")
    is_mlflow = found is not None and found["properties"]["modelType"] == MODEL_TYPE
    if is_mlflow and not environment and not code:
        return findings + _mlflow(call, owner, found or {})
    if find_asset(state, owner["id"], "environments", str(environment or "")) is None:
        findings.append(f"The environment {environment or ''!r} was not found.")
        return [*findings, *_code(call, owner, code or {})]
    if not _is_custom(call, owner, str(environment)):
        findings += _code(call, owner, code or {})
    return findings


def _is_custom(call: Call, owner: Document, environment: str) -> bool:
    found = find_asset(call.world.state, owner["id"], "environments", environment) or {}
    return bool((found.get("properties") or {}).get("inferenceConfig"))


def _mlflow(call: Call, owner: Document, model: Document) -> list[str]:
    place = locate(call.world.state, owner["id"], model["properties"]["modelUri"])
    if (place.folder(call.world) / MODEL_FILE).is_file():
        return []
    return [f"The model's folder holds no {MODEL_FILE}: it is not one of MLflow's."]


def _code(call: Call, owner: Document, code: dict[str, Any]) -> list[str]:
    if not (code.get("codeId") and code.get("scoringScript")):
        return ["Code and scoring script are missing: only MLflow models do without."]
    version = find_asset(call.world.state, owner["id"], "codes", str(code["codeId"]))
    if version is None:
        return [f"The code {code['codeId']!r} was not found."]
    place = locate(call.world.state, owner["id"], version["properties"]["codeUri"])
    if not (place.folder(call.world) / str(code["scoringScript"])).is_file():
        return [f"The code holds no scoring script {code['scoringScript']!r}."]
    return []
