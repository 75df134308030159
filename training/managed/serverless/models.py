"""The models that serverless jobs made: Azure ML models of the project."""

import re
from collections.abc import Iterator
from typing import Any

from core.errors import UserError
from core.refs import ModelRef
from training.managed.contract import TunedModel
from training.managed.serverless.jobs import created, list_jobs, managed, output_of
from training.managed.serverless.project import ENDPOINTS_API, MODELS_API, Project

Document = dict[str, Any]


def list_models(project: Project) -> list[TunedModel]:
    """List what our completed jobs made and is still there, newest first."""
    jobs = [one for one in list_jobs(project) if managed(one).status == "Completed"]
    names = sorted({name for one in jobs if (name := _asset(one))})
    found = [model for name in names for model in _models_of(project, name, jobs)]
    return sorted(found, key=lambda model: (model.created, str(model.ref)), reverse=True)


def delete_model(project: Project, model: TunedModel) -> None:
    """Delete a model's version; azure-ai-ml can only archive one.

    Raises:
        UserError: a serverless endpoint serves it; names the command that removes that.
    """
    if serving := endpoints_of(project, model):
        raise UserError(
            f"The model {model.ref} is served by {', '.join(serving)}.",
            hint=f"The deployment first: tunestack undeploy {serving[0]}",
        )
    path = f"{project.path}/models/{model.ref.name}/versions/{model.ref.version}"
    project.cloud.arm.delete(path, MODELS_API)


def endpoints_of(project: Project, model: TunedModel) -> list[str]:
    """List the serverless endpoints that serve a model, by name."""
    wanted = f"/models/{model.ref.name}/versions/{model.ref.version}".lower()
    return [
        str(one["name"])
        for one in project.get_list("serverlessEndpoints", ENDPOINTS_API)
        if _served(one).lower().endswith(wanted)
    ]


def _models_of(project: Project, name: str, jobs: list[Document]) -> Iterator[TunedModel]:
    """Yield the versions of one name, each with the job that made it."""
    versions = project.get_list(f"models/{name}/versions", MODELS_API)
    ours = [job for job in reversed(jobs) if _asset(job) == name]
    makers = _makers(ours, versions)
    for version in versions:
        if (job := makers.get(str(version["name"]))) is None:
            continue
        about = managed(job)
        yield TunedModel(
            ref=ModelRef(name=name, version=str(version["name"])),
            route="serverless",
            base=about.base,
            created=created(version),
            job=about.name,
            path=f"{project.models_prefix}/{name}/versions/{version['name']}",
            tags=about.tags,
        )


def _makers(jobs: list[Document], versions: list[Document]) -> dict[str, Document]:
    """Say which job made which version.

    The job's output names it; where that has no version (which fields Azure fills is not
    documented), the first version that is younger than the job and nobody else's.
    """
    makers = {number: job for job in jobs if (number := _version(job))}
    for job in jobs:
        if _version(job):
            continue
        free = [
            version
            for version in sorted(versions, key=created)
            if created(version) >= created(job) and str(version["name"]) not in makers
        ]
        if free:
            makers[str(free[0]["name"])] = job
    return makers


def _asset(job: Document) -> str:
    return str(output_of(job.get("properties") or {}).get("assetName") or "")


def _version(job: Document) -> str:
    output = output_of(job.get("properties") or {})
    found = re.search(r"/versions/([^/]+)$", str(output.get("uri") or ""))
    return str(output.get("assetVersion") or (found[1] if found else ""))


def _served(endpoint: Document) -> str:
    settings = (endpoint.get("properties") or {}).get("modelSettings") or {}
    return str(settings.get("modelId") or "")
