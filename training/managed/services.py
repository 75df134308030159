"""Which tuning services a stack has, and which of them a recipe, a job or a model is for."""

from core.cloud import Cloud
from core.errors import PrerequisiteError
from core.managed_recipe import Route
from core.refs import ModelRef, StackOutputs
from training.managed.contract import ManagedJob, TunedModel, TuningService

FEATURE = {"serverless": "hub", "openai": "foundry"}
"""The setting of a stack that makes what a route needs."""


def services(cloud: Cloud, outputs: StackOutputs) -> tuple[TuningService, ...]:
    """Give the services that the stack has; none where it was made without `hub` and `foundry`."""
    found: list[TuningService] = []
    if outputs.project:
        from training.managed.serverless.service import Serverless

        found.append(Serverless(cloud, outputs))
    if outputs.ai_project:
        from training.managed.openai.service import OpenAITuning

        found.append(OpenAITuning(cloud, outputs))
    return tuple(found)


def service_for(cloud: Cloud, outputs: StackOutputs, route: Route, stack: str) -> TuningService:
    """Give the service of a route.

    Raises:
        PrerequisiteError: the stack was made without it; names the setting.
    """
    for service in services(cloud, outputs):
        if service.route == route:
            return service
    feature = FEATURE[route]
    raise PrerequisiteError(
        f"The stack {stack} has nothing that tunes by the route {route}.",
        hint=f"tunestack init --stack {stack} --set {feature}=true; tunestack up --stack {stack}",
    )


def find_managed_job(
    cloud: Cloud, outputs: StackOutputs, name: str
) -> tuple[TuningService, ManagedJob] | None:
    """Find a job by its name in whichever service has it; None where none has."""
    for service in services(cloud, outputs):
        if (job := service.job(name)) is not None:
            return service, job
    return None


def find_managed_model(
    cloud: Cloud, outputs: StackOutputs, wanted: ModelRef
) -> tuple[TuningService, TunedModel] | None:
    """Find a tuned model by name, and version where one is given: the newest that fits."""
    found = [
        (service, model)
        for service in services(cloud, outputs)
        for model in service.models()
        if wanted.name in ("", model.ref.name)
        and (not wanted.version or wanted.version == model.ref.version)
    ]
    return max(found, key=lambda pair: pair[1].created, default=None)
