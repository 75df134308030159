"""Answer for an MLflow model as Azure's deployment without code does, by MLflow's own functions.

Runs in the model's environment under Azure's inference server and imports nothing of ours.
`input_data` is a data frame in split form, or anything that MLflow takes as `inputs`; `params` are
the model's parameters. The answer is the bare prediction, without MLflow's key "predictions".
"""

import io
import json
import os
from pathlib import Path
from typing import Any

import mlflow
from azureml_inference_server_http.api.aml_response import (  # type: ignore[import-not-found]
    AMLResponse,
)
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server

model: Any = None


def init() -> None:
    """Load the model that was mounted."""
    global model
    found = sorted(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("MLmodel"))
    model = mlflow.pyfunc.load_model(str(found[0].parent))


def run(raw: str) -> Any:
    """Answer one request; what the model cannot take is a 400 with the reason."""
    try:
        body = json.loads(raw)
        if not isinstance(body, dict) or "input_data" not in body:
            return _refused("The body must be an object with the key 'input_data'.")
        data = scoring_server.infer_and_parse_data(_named(body["input_data"]), _schema())
        predictions = model.predict(data, params=body.get("params"))
    except (ValueError, MlflowException) as error:
        return _refused(str(error))
    text = io.StringIO()
    scoring_server.unwrapped_predictions_to_json(predictions, text)  # type: ignore[no-untyped-call]
    return AMLResponse(text.getvalue(), 200, {"Content-Type": "application/json"})


def _named(data: Any) -> dict[str, Any]:
    is_split = isinstance(data, dict) and {"columns", "data"} <= set(data)
    return {"dataframe_split": data} if is_split else {"inputs": data}


def _schema() -> Any:
    return model.metadata.get_input_schema()


def _refused(reason: str) -> Any:
    return AMLResponse({"message": reason}, 400, json_str=True)
