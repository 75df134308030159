"""The scoring program: Azure ML's inference server calls `init` once and `run` per request."""

import logging
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from azureml_inference_server_http.api.aml_request import rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse
from bodies import MAX_BODY_BYTES
from chat_model import ChatModel
from model_folder import find_model
from scoring import respond

log = logging.getLogger("azmlinfsrv.tunestack")

_loaded: list[ChatModel] = []


def init() -> None:
    """Load the model and make it answer once: the container gets ready only after that."""
    model = ChatModel.load(find_model(Path(os.environ["AZUREML_MODEL_DIR"])))
    model.check()
    _loaded[:] = [model]
    log.info("ready: %s", model.name)


@rawhttp
def run(request: Any) -> AMLResponse:
    """Answer one request; errors are 4xx or 5xx with `{"error": {"code", "message"}}`."""
    # One byte more than allowed is enough to know that it is too much.
    raw = request.stream.read(MAX_BODY_BYTES + 1)
    status, text, headers = respond(_loaded[0], request.method, raw)
    return AMLResponse(text, status, {"Content-Type": "application/json", **headers})
