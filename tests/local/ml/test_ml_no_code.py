"""A model of MLflow is deployed without code and environment, and answers MLflow's bodies."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from azure.ai.ml.entities import ManagedOnlineDeployment, Model, ProbeSettings
from ml_stack import Stack
from test_ml_endpoints import make_endpoint

MODEL = """
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

class Sum(PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):
        return model_input.sum(axis=1).to_numpy() * (params or {}).get("times", 1)

set_model(Sum())
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def summing(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model in MLflow's own format, written by MLflow: the sum of each row."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    folder = tmp_path_factory.mktemp("mlflow")
    (folder / "sum.py").write_text(MODEL)
    signature = ModelSignature(
        inputs=Schema([ColSpec("double", "a"), ColSpec("double", "b")]),
        params=ParamSchema([ParamSpec("times", "double", 1.0)]),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # MLflow copies a uv.lock that it finds where it runs
        mlflow.pyfunc.save_model(
            str(folder / "model"),
            python_model=str(folder / "sum.py"),
            signature=signature,
            pip_requirements=[f"mlflow=={mlflow.__version__}"],
        )
    asset = Model(name="summing", path=str(folder / "model"), type="mlflow_model")
    return stack.ml.models.create_or_update(asset)


@pytest.fixture(scope="module")
def uri(stack: Stack, summing: Model) -> Iterator[tuple[str, str]]:
    """The address and key of an endpoint that the model is deployed at, without code."""
    name = make_endpoint(stack)
    probe = ProbeSettings(initial_delay=1, period=5, timeout=5, failure_threshold=60)
    made = stack.ml.online_deployments.begin_create_or_update(
        ManagedOnlineDeployment(
            name="sums",
            endpoint_name=name,
            model=summing.id,
            instance_type="Standard_E4s_v3",
            instance_count=1,
            readiness_probe=probe,
            liveness_probe=probe,
        )
    ).result()
    assert made.provisioning_state == "Succeeded"
    key = stack.ml.online_endpoints.get_keys(name).primary_key
    yield str(stack.ml.online_endpoints.get(name).scoring_uri), str(key)
    stack.ml.online_endpoints.begin_delete(name).result()


def ask(uri: tuple[str, str], body: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {uri[1]}", "azureml-model-deployment": "sums"}
    return httpx.post(uri[0], json=body, headers=headers, timeout=30)


def test_the_bodies_of_mlflow_on_azure_are_answered_with_bare_predictions(
    uri: tuple[str, str],
) -> None:
    """Slow: an environment with MLflow is built from the model's own list."""
    split = {"columns": ["a", "b"], "index": [0, 1], "data": [[1.0, 2.0], [3.0, 4.0]]}
    assert ask(uri, {"input_data": split}).json() == [3.0, 7.0]
    assert ask(uri, {"input_data": split, "params": {"times": 2}}).json() == [6.0, 14.0]
    assert ask(uri, {"input_data": {"a": [1.0], "b": [5.0]}}).json() == [6.0]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"inputs": [[1, 2]]}, "input_data"),
        ([1], "input_data"),
        ({"input_data": {"columns": ["a"], "data": [[1.0]]}}, "missing inputs"),
    ],
)
def test_what_the_model_cannot_take_is_a_424_of_a_400_with_the_reason(
    uri: tuple[str, str], body: Any, words: str
) -> None:
    answer = ask(uri, body)
    assert answer.status_code == 424
    assert answer.headers["ms-azureml-model-error-statuscode"] == "400"
    assert words in json.dumps(answer.json())
