"""Azure's registries of models: as far as a client asks for the newest version of a served one.

Every registry is found at the region that was asked and has the models of `serverless_models`,
each in one version: which versions Azure has there is not known. Nothing can be downloaded.
"""

from typing import Any

from local.ml.serverless_models import MODELS, Served
from local.ml.workspace import page
from local.operations import ML_API, SIGNED_IN, Call, Refusal, operation
from local.state import Document
from local.tenant import tenant

VERSION = "1"
GROUP = "registries"
"""The resource group that registries are in, as far as a client sees."""
BASE = (
    "/mferp/managementfrontend/subscriptions/{subscription}/resourceGroups/{group}/providers"
    "/Microsoft.MachineLearningServices/registries/{registry}/models"
)
TYPE = "Microsoft.MachineLearningServices/registries/models/versions"


@operation(
    "GET",
    "/registrymanagement/v1.0/registries/{registry}/discovery",
    host=ML_API,
    action=SIGNED_IN,
    note="registries of serverless models; all at the host that was asked",
)
def discover(call: Call) -> dict[str, Any]:
    """Say where a registry is."""
    name, region = call.parameters["registry"].lower(), call.parameters["region"]
    if not any(model.registry == name for model in MODELS):
        raise Refusal(404, "RegistryNotFound", f"There is no registry {name!r} here.")
    home = tenant(call.world.folder)
    return {
        "registryName": name,
        "tenantId": home.tenant_id,
        "subscriptionId": home.subscription_id,
        "resourceGroup": GROUP,
        "primaryRegion": region,
        "regions": [region],
        "primaryRegionResourceProviderUri": f"https://{region}.api.azureml.ms/",
    }


@operation(
    "GET",
    f"{BASE}/{{model}}/versions",
    host=ML_API,
    action=SIGNED_IN,
    note="one version; the regions of tuning as a tag",
)
def list_versions(call: Call) -> dict[str, Any]:
    """List a model's versions."""
    return page(call, [_version(call, _model(call))])


@operation(
    "GET",
    f"{BASE}/{{model}}/versions/{{version}}",
    host=ML_API,
    action=SIGNED_IN,
    note="as in the list",
)
def get_version(call: Call) -> Document:
    """Read a model's version."""
    model = _model(call)
    if call.parameters["version"] != VERSION:
        raise Refusal(404, "UserError", f"{model.id} has the version {VERSION} here.")
    return _version(call, model)


def _model(call: Call) -> Served:
    wanted = (call.parameters["registry"].lower(), call.parameters["model"].lower())
    for model in MODELS:
        if (model.registry, model.name.lower()) == wanted:
            return model
    raise Refusal(404, "UserError", f"The registry has no model {call.parameters['model']!r}.")


def _version(call: Call, model: Served) -> Document:
    tags = {"maas-inference": "true"}
    if model.tuned_in:
        regions = ", ".join(model.tuned_in)
        tags |= {"maas-finetuning": "true", "maas-finetuning-deploy-regions": regions}
    moment = "2025-02-26T00:00:00.000000+00:00"
    return {
        "id": f"{model.id}/versions/{VERSION}",
        "name": VERSION,
        "type": TYPE,
        "systemData": {"createdAt": moment, "createdBy": model.publisher},
        "properties": {
            "description": model.name,
            "isAnonymous": False,
            "isArchived": model.is_over(),
            "modelType": "mlflow_model",
            "modelUri": f"{model.id}/versions/{VERSION}",
            "flavors": {},
            "tags": tags,
            "properties": {},
        },
    }
