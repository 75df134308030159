"""The program: one process that is the local Azure, until SIGTERM.

`python -m local.server --folder F --environments E [--port P]`. The application listens with TLS
on a socket in a private folder, where only the proxy in front of it connects to.
"""

import argparse
import asyncio
import contextlib
import fcntl
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import psutil
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from local.application import Application
from local.arm.assignments import make_person_owner
from local.certificates import authority, server_context, write_bundle
from local.proxy import USER, Proxy
from local.services import load_services
from local.state import State
from local.tenant import tenant, write_private
from local.world import World

log = logging.getLogger("local.server")
RECORD = "server.json"
LAST_PORT = "port"
LOCK = "server.lock"
SOCKET_FOLDER = "socket-folder"
MOST_PATH = 70
FIRST = asyncio.FIRST_COMPLETED


class _Server(uvicorn.Server):  # type: ignore[misc]
    """uvicorn without its signal handlers, which end the process before it has tidied up."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `serve`."""
        yield


class _Connection(H11Protocol):  # type: ignore[misc]
    """A connection that the application can cut: a request's scope leads to its transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Put the transport where every request of the connection finds it."""
        super().connection_made(transport)
        self.app_state: dict[str, Any] = {"transport": transport}


def main() -> int:
    """Run until SIGTERM; the exit code says whether it could start."""
    options = _options()
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(name)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    os.umask(0o077)
    load_services()
    try:
        asyncio.run(serve(options.folder, options.environments, options.port))
    except OSError as error:
        log.error("cannot start: %s", error)
        return 1
    return 0


async def serve(folder: Path, environments: Path, port: int) -> None:
    """Listen, answer, and end everything that was started when the process is told to stop."""
    from local.runner.processes import Processes
    from local.runner.schedules import Schedules

    with contextlib.ExitStack() as cleanup:
        _take(cleanup.enter_context((folder / LOCK).open("w")), folder)
        home, private = tenant(folder), _private_folder(folder)
        cleanup.callback(shutil.rmtree, private, ignore_errors=True)
        socket = private / "azure"
        proxy = Proxy(home.proxy_password, socket)
        ca = authority(folder)
        bundle = write_bundle(folder, dict(os.environ))
        port = await _listen(proxy, folder, port)
        state = State(folder)
        cleanup.callback(state.close)
        make_person_owner(state, home)
        shutil.rmtree(folder / "uploads", ignore_errors=True)
        url = f"http://{USER}:{home.proxy_password}@127.0.0.1:{port}"
        processes = Processes(folder)
        world = World(folder, environments, state, processes, url, bundle)
        server = _uvicorn(world, socket, ca)
        told = _told_to_stop()
        serving = asyncio.create_task(server.serve())
        await _until_started(server, serving)
        socket.chmod(0o600)
        await asyncio.to_thread(processes.resume, world)
        schedules = Schedules(world)
        schedules.start()
        _announce(folder, port)
        log.info("ready on 127.0.0.1:%s", port)
        await asyncio.wait({asyncio.create_task(told.wait()), serving}, return_when=FIRST)
        await asyncio.to_thread(schedules.stop)
        # The proxy first: a TLS connection that its client keeps open would hold the server up.
        await proxy.stop()
        server.should_exit = True
        await serving
        await asyncio.to_thread(processes.close)
    (folder / RECORD).unlink(missing_ok=True)
    log.info("stopped")


def _take(lock: TextIO, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OSError(f"another server has {folder}") from error


def _private_folder(folder: Path) -> Path:
    """Make the folder of the socket, whose path must be short, and remove a killed server's."""
    note = folder / SOCKET_FOLDER
    if note.exists():
        shutil.rmtree(note.read_text(), ignore_errors=True)
    short = None if len(tempfile.gettempdir()) < MOST_PATH else "/tmp"
    private = Path(tempfile.mkdtemp(prefix="tunestack-", dir=short))
    note.write_text(str(private))
    return private


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="local.server", description="The Azure on the loopback.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--environments", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    return parser.parse_args()


async def _listen(proxy: Proxy, folder: Path, port: int) -> int:
    """Take the asked port, else the last one (processes may still hold its URL), else any."""
    last = folder / LAST_PORT
    if not port and last.exists():
        with contextlib.suppress(OSError, ValueError):
            return await proxy.start(int(last.read_text()))
    taken = await proxy.start(port)
    last.write_text(str(taken))
    return taken


def _uvicorn(world: World, socket: Path, ca: object) -> _Server:
    config = uvicorn.Config(
        Application(world),
        http=_Connection,
        uds=str(socket),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    config.load()
    config.ssl = server_context(ca)
    return _Server(config)


def _told_to_stop() -> asyncio.Event:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    return told


async def _until_started(server: _Server, serving: "asyncio.Task[None]") -> None:
    while not server.started:
        if serving.done():
            serving.result()
            raise OSError("the TLS server did not start")
        await asyncio.sleep(0.005)


def _announce(folder: Path, port: int) -> None:
    me = psutil.Process()
    record = {
        "pid": me.pid,
        "created": me.create_time(),
        "port": port,
        "token": tenant(folder).proxy_password,
        "started": time.time(),
    }
    write_private(folder / RECORD, json.dumps(record))


if __name__ == "__main__":
    sys.exit(main())
