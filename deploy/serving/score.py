"""The scoring program: Azure ML's inference server calls `init` once and `run` per request."""

import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from azureml_inference_server_http.api.aml_request import rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse
from bodies import MAX_BODY_BYTES
from chat_model import ChatModel
from clients import BODY_SECONDS, BodyClock, close_aside, is_gone, limit_silence
from model_folder import UnusableModel, find_model
from sampling import Refused
from scoring import refusal, respond

BOOT_ERROR = 3
"""What gunicorn takes for a worker that will never come up."""

log = logging.getLogger("azmlinfsrv.tunestack")

_loaded: list[ChatModel] = []
_clock = BodyClock()


def init() -> None:
    """Load the model and make it answer once: the container gets ready only after that."""
    try:
        # A thread that has ever computed keeps helpers of its own, and where those of two threads
        # outnumber the processors, each is woken for every step: half the speed (measured). So
        # this one, which lives on, computes nothing.
        with ThreadPoolExecutor(1, thread_name_prefix="loading") as aside:
            model = aside.submit(_load).result()
    except Exception as error:
        _end(error)
        raise
    _loaded[:] = [model]
    limit_silence()
    close_aside()
    log.info("ready: %s", model.name)


def _load() -> ChatModel:
    model = ChatModel.load(find_model(Path(os.environ["AZUREML_MODEL_DIR"])))
    model.check()
    return model


@rawhttp
def run(request: Any) -> AMLResponse:
    """Answer one request; errors are 4xx or 5xx with `{"error": {"code", "message"}}`."""
    connection = request.environ.get("gunicorn.socket")
    try:
        raw = _body(request, connection)
    except Refused as refused:
        status, body, headers = refusal(refused)
    else:
        status, body, headers = respond(
            _loaded[0], request.method, raw, lambda: is_gone(connection)
        )
    return AMLResponse(body, status, headers)


def _body(request: Any, connection: Any) -> bytes:
    """Read the body; one byte more than allowed is enough to know that it is too much."""
    try:
        with _clock.running(connection):
            raw: bytes = request.stream.read(MAX_BODY_BYTES + 1)
    except Exception as error:  # gunicorn, werkzeug and the socket have kinds of their own
        raise Refused("body_not_received", f"The body did not come: {_line(error)}") from error
    wanted = min(request.content_length or 0, MAX_BODY_BYTES + 1)
    if len(raw) < wanted:
        raise Refused(
            "body_too_slow",
            f"Only {len(raw)} bytes of the body came in {BODY_SECONDS} seconds.",
            status=408,
        )
    return raw


def _end(error: Exception) -> None:
    """End this process with the reason as the log's last line.

    Left to the server, the reason would stand above a trace and a list of the model's files.
    """
    if not isinstance(error, UnusableModel):
        log.error("loading failed", exc_info=error)
    log.error("This model cannot serve: %s", _line(error))
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(BOOT_ERROR)


def _line(error: Exception) -> str:
    words = " ".join(str(error).split())
    return words if isinstance(error, UnusableModel) else f"{type(error).__name__}: {words}"
