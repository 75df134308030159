"""Faults that do not end: the command says what Azure could not do, and goes on when it can."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from meetings import FAULTS
from terminal import Terminal

from core.azure_errors import AGAIN
from local import faults
from local.faults import Fault

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path_factory.mktemp("home"))
    terminal.run("local", "start")
    yield terminal
    terminal.run("local", "stop")


def told(terminal: Terminal, command: str, exit_code: int) -> str:
    terminal.run(command, "--yes", exit_code=exit_code)
    return terminal.last.stderr


@pytest.mark.parametrize(
    ("fault", "names"),
    [("503", "ServiceUnavailable"), ("cut-after", "Connection aborted")],
    ids=["503", "cut-after"],
)
def test_up_and_destroy_name_the_operation_and_go_on(
    terminal: Terminal, fault: str, names: str
) -> None:
    """Slow: the budget of tries is used up twice, and it takes five runs of the command line."""
    azure: Path = terminal.home / "local"
    effect = {"status": FAULTS[fault].status, "drop": FAULTS[fault].drop}
    faults.add(azure, Fault("PUT", path="*/vaults/*", after=True, times=0, **effect))
    error = told(terminal, "up", 4)
    assert "PUT " in error and "/vaults/" in error and names in error, error
    assert AGAIN in error
    faults.clear(azure)
    told(terminal, "up", 0)
    faults.add(azure, Fault("DELETE", path="*/storageAccounts/*", after=True, times=0, **effect))
    error = told(terminal, "destroy", 1)
    assert "DELETE " in error and "/storageAccounts/" in error and names in error, error
    assert "goes on from here" in error
    faults.clear(azure)
    receipt = terminal.json("destroy", "--yes")
    assert receipt["is_done"] and receipt["remains"] == []


def test_a_login_that_fails_is_told_without_a_trace(terminal: Terminal) -> None:
    """Slow: the budget of tries is used up."""
    faults.add(terminal.home / "local", Fault(host="login.*", status=503, times=0))
    terminal.run("up", "--yes", exit_code=4)
    assert f"Hint: {AGAIN}" in terminal.last.stderr
    faults.clear(terminal.home / "local")
