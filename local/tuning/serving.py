"""Models that local managed services serve: `deploy/serving` in a process each, watched.

A deployment of theirs is what an instance of a managed online endpoint is here: Azure ML's
inference server with the scoring program, started again when it dies. `id` is a path below the
resource that owns it, so that it ends with that one. `begin` again after a restart of the server.
"""

import contextlib
import json
import logging
import shutil
import time
from pathlib import Path
from typing import Any

import anyio
import httpx
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from core import template_fingerprint
from local.operations import Call, Refusal
from local.runner import environments
from local.runner.instance_life import Failure, InstanceLife, Probe, Program, log_tail
from local.runner.instances import Instance, Serving
from local.runner.process_environment import base_environment
from local.runner.relaying import Streamed, Through, ask_instance, while_caller_waits, whole
from local.tuning import model_folders
from local.tuning.programs import environment_of, programs
from local.tuning.small_model import NoSmallModel
from local.world import World

log = logging.getLogger("local.tuning")
SCRIPT = "score.py"
SECONDS = 180.0
"""For a whole answer; the scoring program itself gives up after 150."""

READINESS = Probe(delay=0, period=10, timeout=2, failures=30)
LIVENESS = Probe(delay=10, period=10, timeout=5, failures=30)
PROBLEM = "problem.txt"
LOG = "server.log"
PASSED_ON = ("content-type", "cache-control", "retry-after")
"""Headers of the scoring program's that say something to a caller."""


def begin(world: World, id: str, folder: Path | None) -> None:
    """Serve the model of a folder, or the base model; what runs as `id` answers until it can.

    `folder` is a training's model, a kept checkpoint, or any folder of a tuned model.
    """
    serving = Serving(id)
    place = world.processes.make_folder(_place(id))
    (place / PROBLEM).unlink(missing_ok=True)
    for left in place.glob("[0-9]*") if world.processes.task(id) is None else ():
        shutil.rmtree(left, ignore_errors=True)  # a killed server's
    world.processes.run(serving, lambda _: _live(world, id, folder, serving), replaces=True)


def end(world: World, id: str) -> None:
    """End a model's process and wait until it is gone."""
    world.processes.end(id)
    shutil.rmtree(world.processes.folder(_place(id)), ignore_errors=True)


def is_ready(world: World, id: str) -> bool:
    """Tell whether it answers at this moment."""
    serving = _serving(world, id)
    return serving is not None and any(one.port for one in serving.instances)


def problem(world: World, id: str) -> str:
    """Say why it did not get ready, with the end of its log; empty while all is well."""
    file = world.processes.folder(_place(id)) / PROBLEM
    return file.read_text(encoding="utf-8") if file.exists() else ""


def read_log(world: World, id: str) -> str:
    """Give what its process has printed."""
    file = world.processes.folder(_place(id)) / LOG
    return file.read_text(errors="replace") if file.exists() else ""


async def ask(
    call: Call, id: str, body: dict[str, Any], through: Through | None = None
) -> Response:
    """Send a body of OpenAI's chat completions and answer with what comes: whole or as events.

    The status and the error are the scoring program's own. `through` sees the pieces of a
    streamed answer, which need not be whole events, and gives those that are passed on.

    Raises:
        Refusal: 503, nothing answers; 408, no answer in time; 502, the connection broke.
        ClientDisconnect: the caller left; the process has been told.
    """
    serving = await anyio.to_thread.run_sync(_serving, call.world, id)
    if serving is None:
        raise _not_ready(id)
    content = json.dumps(body).encode()
    deadline = anyio.current_time() + SECONDS
    async with contextlib.AsyncExitStack() as held:
        with anyio.CancelScope(deadline=deadline) as time_limit:
            async with while_caller_waits(call.request.receive):
                answer = await ask_instance(serving, lambda port: _request(port, content), held)
                if answer is None:
                    raise _not_ready(id)
                head = (answer.status_code, _headers(answer))
                # An error is a whole answer, too, even one that comes without a length.
                if "content-length" in answer.headers or answer.is_error:
                    return Response(await whole(answer), *head)
                return Streamed(answer, head, deadline, held.pop_all(), through)
        if time_limit.cancelled_caught:
            raise Refusal(408, "Timeout", f"The operation was timeout: {SECONDS:g} s.")
        raise ClientDisconnect


def _place(id: str) -> str:
    return f"{id}/serving"


def _serving(world: World, id: str) -> Serving | None:
    task = world.processes.task(id)
    return task.answering if isinstance(task, Serving) else None


def _not_ready(id: str) -> Refusal:
    name = id.rpartition("/")[2]
    return Refusal(503, "ServiceUnavailable", f"The deployment {name} does not answer yet.")


def _request(port: int, content: bytes) -> httpx.Request:
    headers = {"content-type": "application/json", "connection": "close"}
    return httpx.Request("POST", f"http://127.0.0.1:{port}/score", headers=headers, content=content)


def _headers(answer: httpx.Response) -> dict[str, str]:
    return {name: answer.headers[name] for name in PASSED_ON if name in answer.headers}


def _live(world: World, id: str, folder: Path | None, serving: Serving) -> None:
    place = world.processes.folder(_place(id)) / f"{time.time_ns()}"
    try:
        instance = _start(world, id, folder, serving, place)
        serving.take_over()
        while not serving.stopping.is_set() and not serving.is_retiring:
            serving.news.wait()
            serving.news.clear()
        if serving.is_retiring:
            serving.drain([instance], SECONDS)
    except (Failure, environments.BuildFailed, model_folders.NotMade, NoSmallModel) as error:
        _note(world, id, serving, str(error))
    except Exception as error:
        log.exception("serving %s", id)
        _note(world, id, serving, f"{type(error).__name__}: {error}")
    finally:
        serving.finish()
        shutil.rmtree(place, ignore_errors=True)


def _note(world: World, id: str, serving: Serving, text: str) -> None:
    if not serving.stopping.is_set():
        (world.processes.make_folder(_place(id)) / PROBLEM).write_text(text, encoding="utf-8")


def _start(world: World, id: str, folder: Path | None, serving: Serving, place: Path) -> Instance:
    """Bring the process up and give it when it answers.

    Raises:
        Failure: it does not, or the model cannot be made whole.
    """
    place.mkdir(parents=True)
    logs = place.parent / LOG
    model = model_folders.whole(world, folder, serving, logs)
    program = _program(world, id, model, serving, place)
    instance = Instance(f"{id}/instances/0")
    life = InstanceLife(program, instance, logs)
    serving.begin_part(instance, lambda: life.run(serving.news.set))
    instance.settled.wait()
    if instance.failure is not None:
        raise Failure("ResourceNotReady", str(instance.failure))
    return instance


def _program(world: World, id: str, model: Path, serving: Serving, place: Path) -> Program:
    source, code = programs(world.state).serving, place / "code"
    code.mkdir()
    for path in [*sorted(source.glob("*.py")), Path(str(template_fingerprint.__file__))]:
        shutil.copy(path, code)
    build_log = place.parent / "build.log"
    try:
        environment = environments.build(
            world, environment_of(source), build_log, serving.start, serving.stopping.is_set
        )
    except environments.BuildFailed as error:
        raise Failure("ImageBuildFailure", f"{error}\n{''.join(log_tail(build_log))}") from error
    name = id.rpartition("/")[2]
    variables = {
        **base_environment(world, environment),
        "AZUREML_MODEL_DIR": str(model),
        "SERVICE_NAME": name,
        "WORKER_COUNT": "1",
        "AZUREML_INFERENCE_SERVER_HTTP_ENABLED": "True",
    }
    python = environment / "bin" / "python"
    return Program(name, place, python, SCRIPT, code, variables, READINESS, LIVENESS)
