"""Writes to one account come one after another, whoever writes."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import CloudError
from deploy.managed import turns
from deploy.managed.turns import in_turn

CONFLICT = CloudError("Another operation is being performed", code="RequestConflict", status=409)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path))
    monkeypatch.setattr(turns, "PAUSE_SECONDS", 0)
    return tmp_path


def failing(times: int, error: CloudError) -> Callable[[], str]:
    left = [error] * times

    def write() -> str:
        if left:
            raise left.pop()
        return "made"

    return write


def test_two_threads_never_write_to_one_account_at_once() -> None:
    inside, most, turn = [0], [0], threading.Barrier(4)

    def write() -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        for _ in range(2000):  # long enough for another thread to be let in
            pass
        inside[0] -= 1

    def ask() -> None:
        turn.wait()
        for _ in range(20):
            in_turn("account", write, lambda text: None)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert most == [1]


def test_another_process_is_waited_for_and_that_is_told(home: Path) -> None:
    program = (
        "import sys; from deploy.managed.turns import in_turn;"
        "in_turn('account', lambda: (print('in', flush=True), sys.stdin.read()), lambda t: None)"
    )
    root = Path(turns.__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=root, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as other:  # fmt: skip
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        told: list[str] = []

        def tell(text: str) -> None:
            told.append(text)
            assert other.poll() is None
            other.stdin.close()  # type: ignore[union-attr]

        assert in_turn("account", lambda: "made", tell) == "made"
    assert "Another command of yours is changing account" in told[0]


def test_somebody_elses_change_is_waited_for_and_told_once() -> None:
    told: list[str] = []
    assert in_turn("account", failing(3, CONFLICT), told.append) == "made"
    assert len(told) == 1


def test_waiting_for_others_ends_and_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", -1)
    with pytest.raises(CloudError) as caught:
        in_turn("account", failing(9, CONFLICT), lambda text: None)
    assert caught.value.code == "RequestConflict"
    assert "same command goes on" in caught.value.hint


def test_how_long_ones_own_other_command_took_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, is_in, may_end = [0.0], threading.Event(), threading.Event()
    monkeypatch.setattr(turns.time, "monotonic", lambda: now[0])

    def hold() -> None:
        is_in.set()
        may_end.wait()

    def tell(text: str) -> None:
        now[0] += 10 * turns.PATIENCE_SECONDS
        may_end.set()

    other = threading.Thread(target=in_turn, args=("account", hold, lambda text: None))
    other.start()
    is_in.wait()
    assert in_turn("account", failing(1, CONFLICT), tell) == "made"
    other.join()


def test_any_other_refusal_is_not_repeated() -> None:
    other = CloudError("no", code="InsufficientQuota", status=400)
    with pytest.raises(CloudError, match="no"):
        in_turn("account", failing(1, other), lambda text: None)
