"""The local Azure as a process: one per folder, found again, ended whole."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from core.errors import PrerequisiteError, UserError
from local import process
from local.process import start, status, stop


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose local Azure is gone after the test."""
    for name in (process.PORT, process.BEFORE):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path / "azure"
    stop(tmp_path / "azure")


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def begin(folder: Path) -> process.LocalAzure:
    return start(folder, environments=folder.parent / "environments")


def test_starting_twice_gives_the_same_process(folder: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        several = list(pool.map(begin, [folder] * 3))
    assert len({(azure.pid, azure.proxy_url) for azure in several}) == 1
    found = status(folder)
    assert found is not None
    assert found == {
        "pid": several[0].pid,
        "port": int(several[0].proxy_url.rsplit(":", 1)[1]),
        "resources": 0,
        "jobs_running": 0,
        "deployments": 0,
    }


def test_stop_ends_it_and_says_whether_it_ran(folder: Path) -> None:
    assert not stop(folder)
    pid = begin(folder).pid
    assert stop(folder)
    assert not is_alive(pid)
    assert status(folder) is None
    assert not stop(folder)
    assert not (folder / "server.json").exists()


def test_a_new_start_has_the_same_door_and_the_same_secrets(folder: Path) -> None:
    first = begin(folder)
    stop(folder)
    second = begin(folder)
    assert second.pid != first.pid
    assert second.environment == first.environment


def kill(pid: int) -> None:
    psutil.Process(pid).kill()
    deadline = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)


def test_a_killed_one_is_replaced(folder: Path) -> None:
    killed = begin(folder).pid
    kill(killed)
    assert (folder / "server.json").exists()
    assert status(folder) is None
    assert begin(folder).pid != killed


def test_a_killed_one_leaves_nothing_behind_after_the_next_start(folder: Path) -> None:
    killed = begin(folder).pid
    private = Path((folder / "socket-folder").read_text())
    assert private.is_dir()
    kill(killed)
    begin(folder)
    assert not private.exists()
    later = Path((folder / "socket-folder").read_text())
    stop(folder)
    assert not later.exists()


def test_two_servers_never_share_a_folder(folder: Path) -> None:
    begin(folder)
    argv = [sys.executable, "-m", "local.server", "--folder", str(folder)]
    second = subprocess.run(
        [*argv, "--environments", str(folder.parent)],
        cwd=process.ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert f"cannot start: another server has {folder}" in second.stderr
    assert status(folder) is not None


def test_another_process_with_its_number_is_not_taken_for_it(folder: Path) -> None:
    begin(folder)
    record = json.loads((folder / "server.json").read_text())
    stop(folder)
    (folder / "server.json").write_text(json.dumps({**record, "pid": os.getpid()}))
    assert status(folder) is None
    assert not stop(folder)
    assert psutil.pid_exists(os.getpid())


def test_a_port_can_be_asked_for_and_a_taken_one_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv(process.PORT, str(port))
        with pytest.raises(UserError, match=f"Port {port} is taken") as caught:
            begin(folder)
        assert process.PORT in caught.value.hint
    assert begin(folder).proxy_url.endswith(f":{port}")
    stop(folder)
    monkeypatch.setenv(process.PORT, "many")
    with pytest.raises(UserError, match="many is not a port"):
        begin(folder)


def test_missing_packages_are_named_with_the_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "NEEDED", ("uvicorn", "no_such_package"))
    with pytest.raises(PrerequisiteError, match="no_such_package") as caught:
        begin(folder)
    assert "make setup" in caught.value.hint


def test_a_start_that_fails_shows_the_end_of_its_log(folder: Path) -> None:
    folder.mkdir()
    (folder / "state.sqlite").write_text("this is no database, and no rehearsal either " * 40)
    with pytest.raises(UserError, match="file is not a database") as caught:
        begin(folder)
    assert str(folder / "server.log") in caught.value.hint


def test_the_server_does_not_use_its_own_proxy(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://company.example:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    for name, value in begin(folder).environment.items():
        monkeypatch.setenv(name, value)
    stop(folder)
    outside = psutil.Process(begin(folder).pid).environ()
    assert outside["HTTPS_PROXY"] == "http://company.example:3128"
    assert "NO_PROXY" not in outside
    assert not [name for name in outside if name.startswith("AZURE_")]


def test_the_commands_start_show_and_stop_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from commands.local.command import local as cli

    monkeypatch.setenv("TUNESTACK_HOME", str(folder.parent))
    where = folder.parent / "local"
    run = CliRunner().invoke
    try:
        assert json.loads(run(cli, ["status", "--json"]).stdout) == {"running": False}
        pid = json.loads(run(cli, ["start", "--json"]).stdout)["pid"]
        shown = json.loads(run(cli, ["status", "--json"]).stdout)
        assert (shown["running"], shown["pid"]) == (True, pid)
        exports = run(cli, ["env"]).stdout.splitlines()
        assert all(line.startswith("export ") for line in exports)
        assert "export AZURE_SUBSCRIPTION_ID=" in "\n".join(exports)
        assert run(cli, ["stop"]).stdout == "The local Azure is stopped.\n"
        assert json.loads(run(cli, ["stop", "--json"]).stdout) == {"stopped": False}
    finally:
        stop(where)
