"""Jobs: stored here; `local/runner/jobs.py` runs commands, `local/ml/finetuning_life.py` tunes.

Sweeps, pipelines, AutoML, Spark, schedules and serverless compute are not played and refused by
name.
"""

import re
from typing import Any
from urllib.parse import urlsplit

from local.ml import finetuning, finetuning_life, runs
from local.ml.locations import find_asset
from local.ml.workspace import (
    PATH,
    bad_request,
    document_at,
    is_listed,
    now,
    page,
    region,
    system_data,
    workspace,
)
from local.operations import ARM, Answer, Call, Refusal, operation
from local.runner import jobs as runner
from local.runner.allocation import nodes_of
from local.runner.job_life import nodes_wanted
from local.runner.job_record import ENDED, KIND
from local.state import Document

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}")
CHANGEABLE = ("description", "displayName", "tags", "isArchived", "properties")
SOON = {"retry-after-ms": "150"}


@operation(
    "PUT",
    f"{PATH}/jobs/{{job}}",
    action=f"{KIND}/write",
    note="command jobs, and serverless fine-tuning in projects: a real training of a small model;"
    " a second PUT changes description, tags and archiving only",
)
def put_job(call: Call) -> Answer:
    """Submit a job, or change what may change of one."""
    owner = workspace(call)
    sent = dict(call.body.get("properties") or {})
    before = call.world.state.get(call.path)
    if before is not None:
        return _change(call, before, sent)
    _check(call, owner, sent)
    document = _document(call, owner, sent)
    document = finetuning.complete(document, sent) if _is_tuning(sent) else document
    # Here, not in the job's own thread: jobs queue in the order in which they were submitted.
    runs.begin_job_run(call.world, owner["id"], document)
    with call.world.state.transaction():
        call.world.state.put(call.path, KIND, document)
        record = {"submitter": call.principal.object_id, "submitterName": call.principal.name}
        call.world.state.put(f"{call.path}/run", "ml/run", record)
    (finetuning_life if _is_tuning(sent) else runner).submit(call.world, call.path)
    return Answer(document, 201)


@operation("GET", f"{PATH}/jobs/{{job}}", action=f"{KIND}/read", note="as stored")
def get_job(call: Call) -> Document:
    """Read a job."""
    return document_at(call.world.state, call.path)


@operation(
    "GET",
    f"{PATH}/jobs",
    action=f"{KIND}/read",
    note="newest first; listViewType, tag, jobType and pages of 100",
)
def list_jobs(call: Call) -> dict[str, Any]:
    """List jobs."""
    workspace(call)
    kind = call.query.get("jobType")
    found = [
        document
        for _, document in reversed(call.world.state.find(KIND, below=call.path))
        if is_listed(call, document) and kind in (None, "", document["properties"]["jobType"])
    ]
    return page(call, found)


@operation(
    "POST",
    f"{PATH}/jobs/{{job}}/cancel",
    action=f"{KIND}/cancel/action",
    note="SIGTERM, then SIGKILL after a grace; a job that has ended stays as it is",
)
def cancel_job(call: Call) -> Answer:
    """Ask a job to end."""
    id = call.path.rpartition("/")[0]
    document = document_at(call.world.state, id)
    if document["properties"]["status"] in ENDED:
        return Answer(None, 200)
    (finetuning_life if _is_tuning(document["properties"]) else runner).cancel(call.world, id)
    url = f"https://{ARM}{id}/cancelResult?api-version={call.query.get('api-version', '')}"
    return Answer(None, 202, {"Location": url, **SOON})


@operation(
    "GET", f"{PATH}/jobs/{{job}}/cancelResult", action=f"{KIND}/read", note="202 until it has ended"
)
def cancel_result(call: Call) -> Answer:
    """Tell whether a canceled job has ended."""
    document = document_at(call.world.state, call.path.rpartition("/")[0])
    if document["properties"]["status"] in ENDED:
        return Answer(None, 200)
    query = urlsplit(str(call.request.url)).query if call.request else ""
    return Answer(None, 202, {"Location": f"https://{ARM}{call.path}?{query}", **SOON})


@operation(
    "DELETE",
    f"{PATH}/jobs/{{job}}",
    action=f"{KIND}/delete",
    note="ended jobs only; their files stay in the datastore",
)
def delete_job(call: Call) -> Answer:
    """Forget a job that has ended."""
    document = call.world.state.get(call.path)
    if document is None:
        return Answer(None, 204)
    if document["properties"]["status"] not in ENDED:
        raise Refusal(
            409, "Conflict", f"The job {document['name']} has not ended: cancel it first."
        )
    runs.forget_job_run(call.world, workspace(call)["id"], document["name"])
    call.world.state.delete(call.path)
    return Answer(None, 200)


def _change(call: Call, before: Document, sent: dict[str, Any]) -> Answer:
    finetuning.check_same(before, sent)
    for key in ("command", "codeId", "environmentId", "computeId"):
        if key in sent and sent[key] != before["properties"].get(key):
            raise Refusal(
                409, "Conflict", f"The job {before['name']} already exists with another {key}."
            )
    with call.world.state.transaction():
        document = document_at(call.world.state, call.path)
        document["properties"].update({key: sent[key] for key in CHANGEABLE if key in sent})
        document["systemData"] = system_data(call, before)
        call.world.state.put(call.path, KIND, document)
    return Answer(document, 200)


def _check(call: Call, owner: Document, sent: dict[str, Any]) -> None:
    """Refuse what could not run, all findings at once."""
    name = _name_findings(call.parameters["job"])
    if _is_tuning(sent):
        finetuning.check(call, owner, sent, name)
        return
    if sent.get("jobType") != "Command":
        raise bad_request(
            f"Jobs of type {sent.get('jobType')!r} are not played: Command and FineTuning are."
        )
    findings = [
        *name,
        *_asset_findings(call, owner, sent),
        *_compute_findings(call, owner, sent),
        *runner.command_findings(sent),
    ]
    if findings:
        raise bad_request("The job cannot be run: " + " ".join(findings))


def _is_tuning(properties: dict[str, Any]) -> bool:
    return properties.get("jobType") == finetuning_life.TYPE


def _name_findings(name: str) -> list[str]:
    return [] if NAME.fullmatch(name) else [f"The name {name!r} is not a legal job name."]


def _asset_findings(call: Call, owner: Document, sent: dict[str, Any]) -> list[str]:
    state, findings = call.world.state, []
    environment = str(sent.get("environmentId") or "")
    if find_asset(state, owner["id"], "environments", environment) is None:
        findings.append(f"The environment {environment!r} was not found.")
    code = str(sent.get("codeId") or "")
    if code and find_asset(state, owner["id"], "codes", code) is None:
        findings.append(f"The code {code!r} was not found.")
    return findings


def _compute_findings(call: Call, owner: Document, sent: dict[str, Any]) -> list[str]:
    id = runner.compute_id(owner["id"], sent)
    if not id:
        return ["Serverless compute is not played: name a compute cluster."]
    compute = call.world.state.get(id)
    if compute is None:
        return [f"The compute {id.rpartition('/')[2]!r} was not found in the workspace."]
    if compute["properties"].get("computeType") != "AmlCompute":
        return ["Only compute clusters (AmlCompute) run jobs here."]
    wanted, most = nodes_wanted(sent), nodes_of(compute)
    if wanted > most:
        return [f"The job wants {wanted} nodes; the cluster {compute['name']} has at most {most}."]
    return []


def _document(call: Call, owner: Document, sent: dict[str, Any]) -> Document:
    name = call.parameters["job"]
    outputs = {
        key: {
            "mode": "ReadWriteMount",
            **(value or {}),
            "uri": (value or {}).get("uri")
            or f"azureml://datastores/workspaceblobstore/paths/azureml/{name}/{key}/",
        }
        for key, value in (sent.get("outputs") or {}).items()
    }
    studio = f"https://ml.azure.com/runs/{name}?wsid={owner['id']}"
    services = {"jobServiceType": "Studio", "endpoint": studio, "status": None, "port": None}
    tracking = f"azureml://{region(owner)}.api.azureml.ms/mlflow/v1.0{owner['id']}"
    return {
        "id": call.path,
        "name": name,
        "type": KIND,
        "systemData": {**system_data(call), "createdAt": now()},
        "properties": {
            "displayName": name,
            "experimentName": "Default",
            "isArchived": False,
            **sent,
            "computeId": runner.compute_id(owner["id"], sent),
            "tags": sent.get("tags") or {},
            "properties": sent.get("properties") or {},
            "inputs": sent.get("inputs") or {},
            "outputs": outputs,
            "status": "NotStarted",
            "services": {
                "Studio": services,
                "Tracking": {"jobServiceType": "Tracking", "endpoint": tracking},
            },
        },
    }
