"""The local Azure as a process of its own: start it, ask after it, stop it.

Nothing here imports a server: the command line can ask and stop without the extra's packages.
"""

import fcntl
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import PrerequisiteError, UserError
from local.tenant import Tenant, tenant

if TYPE_CHECKING:
    import psutil

RECORD = "server.json"
LOG = "server.log"
BEFORE = "TUNESTACK_LOCAL_BEFORE"
PORT = "TUNESTACK_LOCAL_PORT"
CREDENTIAL = ("AZURE_", "ARM_")
NEEDED = ("uvicorn", "starlette", "trustme", "psutil", "certifi", "python_multipart")
START_SECONDS = 30
STOP_SECONDS = 45
TAIL_LINES = 15
LOG_LIMIT = 20 << 20
JOBS = "Microsoft.MachineLearningServices/workspaces/jobs"
DEPLOYMENTS = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments"
ENDED = ("completed", "failed", "canceled")
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class LocalAzure:
    """A local Azure that answers."""

    pid: int
    proxy_url: str
    """With its password."""
    ca_bundle: Path
    environment: dict[str, str]
    """What a client's environment needs: proxy, certificates and credential."""


def start(folder: Path, *, environments: Path) -> LocalAzure:
    """Start the local Azure of `folder`, or find it running; returns when it answers.

    Raises:
        PrerequisiteError: the packages of the `local` extra are missing.
        UserError: it did not start; shows the end of its log.
    """
    _check_packages()
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(folder):
        record = _running(folder)
        if record is None:
            _let_end(folder)
            record = _launch(folder, environments.resolve())
    return _azure(folder, record)


def status(folder: Path) -> dict[str, Any] | None:
    """Say what runs in the local Azure of `folder`; None where it does not run."""
    folder = folder.resolve()
    record = _running(folder)
    if record is None:
        return None
    from local.state import State

    state = State(folder)
    try:
        jobs = [job for _, job in state.find(JOBS)]
        return {
            "pid": record["pid"],
            "port": record["port"],
            "resources": _count_resources(folder, [d for _, d in state.find()]),
            "jobs_running": sum(_state_of(job) not in ENDED for job in jobs),
            "deployments": len(state.find(DEPLOYMENTS)),
        }
    finally:
        state.close()


def stop(folder: Path) -> bool:
    """Stop the local Azure of `folder` and wait until it is gone; False where none runs.

    Raises:
        UserError: it does not end.
    """
    folder = folder.resolve()
    if not folder.exists():
        return False
    with _one_at_a_time(folder):
        found = _process(folder)
        if found is None:
            (folder / RECORD).unlink(missing_ok=True)
            return False
        record, process = found
        process.terminate()
        if not _wait_until_gone(process):
            raise UserError(
                f"The local Azure (process {record['pid']}) does not end.",
                hint=f"Its log is {folder / LOG}.",
            )
        (folder / RECORD).unlink(missing_ok=True)
    return True


def _check_packages() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise PrerequisiteError(
            f"The rehearsal needs packages that are not installed: {', '.join(missing)}.",
            hint="make setup (or: uv sync --extra local)",
        )


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    with (folder / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _running(folder: Path) -> dict[str, Any] | None:
    """Read the record of a server that is alive; a leftover of a killed one does not count."""
    found = _process(folder)
    return found[0] if found is not None and _answers(found[0]["port"]) else None


def _process(folder: Path) -> "tuple[dict[str, Any], psutil.Process] | None":
    import psutil

    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_text())
        process = psutil.Process(record["pid"])
        is_ours = abs(process.create_time() - record["created"]) < 1
    except (OSError, ValueError, KeyError, psutil.Error):
        return None
    return (record, process) if is_ours and _is_alive(process) else None


def _let_end(folder: Path) -> None:
    """Wait for a server that was told to stop and still ends what it runs."""
    found = _process(folder)
    if found is not None:
        _wait_until_gone(found[1])


def _is_alive(process: "psutil.Process") -> bool:
    """Say whether a process lives; one that only waits to be reaped by init does not."""
    import psutil

    try:
        status: str = process.status()
    except psutil.NoSuchProcess:
        return False
    return status != psutil.STATUS_ZOMBIE


def _wait_until_gone(process: "psutil.Process") -> bool:
    deadline = time.monotonic() + STOP_SECONDS
    while _is_alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 5):
            return True
    except OSError:
        return False


def _launch(folder: Path, environments: Path) -> dict[str, Any]:
    (folder / RECORD).unlink(missing_ok=True)
    asked = _asked_port()
    log = folder / LOG
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(folder / f"{LOG}.1")
    argv = [sys.executable, "-m", "local.server", "--folder", str(folder)]
    argv += ["--environments", str(environments), "--port", str(asked)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env=outside(dict(os.environ)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        record = _running(folder)
        if record is not None:
            return record
        time.sleep(0.02)
    if process.poll() is None:
        process.terminate()
        process.wait()
    raise UserError(
        f"The local Azure did not start. The end of its log:\n{_tail(log)}",
        hint=f"The whole log is {log}.",
    )


def _asked_port() -> int:
    text = os.environ.get(PORT, "").strip() or "0"
    if not text.isdigit() or int(text) > 65535:
        raise UserError(f"{PORT}={text} is not a port.", hint=f"unset {PORT}, or {PORT}=8443")
    port = int(text)
    if port and _answers(port):
        raise UserError(
            f"Port {port} is taken by another program.",
            hint=f"unset {PORT} to take any free port, or choose another.",
        )
    return port


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])


def _azure(folder: Path, record: dict[str, Any]) -> LocalAzure:
    url = f"http://rehearsal:{record['token']}@127.0.0.1:{record['port']}"
    bundle = folder / "ca-bundle.pem"
    inside = _inside(tenant(folder), url, bundle)
    network = [name for name in inside if not name.startswith(CREDENTIAL)]
    before = os.environ.get(BEFORE) or json.dumps({name: os.environ.get(name) for name in network})
    return LocalAzure(record["pid"], url, bundle, {**inside, BEFORE: before})


def _inside(home: Tenant, url: str, bundle: Path) -> dict[str, str]:
    return {
        "HTTPS_PROXY": url,
        "https_proxy": url,
        "NO_PROXY": "localhost,127.0.0.1",
        "no_proxy": "localhost,127.0.0.1",
        "REQUESTS_CA_BUNDLE": str(bundle),
        "SSL_CERT_FILE": str(bundle),
        "CURL_CA_BUNDLE": str(bundle),
        "AZURE_TENANT_ID": home.tenant_id,
        "AZURE_CLIENT_ID": home.person_client_id,
        "AZURE_CLIENT_SECRET": home.person_secret,
        "AZURE_SUBSCRIPTION_ID": home.subscription_id,
        "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential",
        "AZURE_AUTHORITY_HOST": "login.microsoftonline.com",
        "AZUREML_RUN_POLLING_INTERVAL_MIN": "1",
    }


def outside(environment: dict[str, str]) -> dict[str, str]:
    """Undo what `LocalAzure.environment` sets: the server itself must not use its own proxy.

    It has no use for anybody's credentials either.
    """
    before = json.loads(environment.pop(BEFORE, "") or "{}")
    for name, value in before.items():
        environment.pop(name, None)
        if value is not None:
            environment[name] = value
    return {key: text for key, text in environment.items() if not key.startswith(CREDENTIAL)}


def _count_resources(folder: Path, documents: list[dict[str, Any]]) -> int:
    """Count ARM resources; the person's own grant on the subscription was there before any."""
    own = f"{tenant(folder).subscription}/providers/".lower()
    ids = [str(document.get("id", "")).lower() for document in documents]
    return sum(id.startswith("/subscriptions/") and not id.startswith(own) for id in ids)


def _state_of(job: dict[str, Any]) -> str:
    return str(job.get("properties", {}).get("status", "")).lower()
