"""A local Azure's world without its web server, and somebody who listens to a training."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from core.home import environments
from local.process import outside
from local.runner.processes import Processes
from local.state import State
from local.tuning.orders import Outcome, Step
from local.world import World

QUICK_TRAINER = Path(__file__).resolve().parent / "quick_trainer"
QUICK_SERVER = Path(__file__).resolve().parent / "quick_server"


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[World]:
    """Open a world that builds with this process's own network, not that of a test before it."""
    state, processes = State(folder), Processes(folder)
    bundle = folder / "ca.pem"
    bundle.touch()
    with mock.patch.dict(os.environ, outside(dict(os.environ)), clear=True):
        yield World(folder, environments(), state, processes, "http://127.0.0.1:9", bundle)
        processes.close()
    state.close()


class Heard:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.begins, self.steps = 0, list[Step]()
        self.outcomes = list[Outcome]()
        self._news = threading.Condition()

    def began(self) -> None:
        with self._news:
            self.begins += 1
            self._news.notify_all()

    def stepped(self, step: Step) -> None:
        with self._news:
            self.steps.append(step)
            self._news.notify_all()

    def ended(self, outcome: Outcome) -> None:
        with self._news:
            self.outcomes.append(outcome)
            self._news.notify_all()

    def wait(self, is_so: Callable[["Heard"], bool], seconds: float = 30) -> None:
        with self._news:
            assert self._news.wait_for(lambda: is_so(self), seconds), vars(self)

    def outcome(self, seconds: float = 30) -> Outcome:
        """Wait for the one outcome and take it out."""
        self.wait(lambda heard: bool(heard.outcomes), seconds)
        with self._news:
            (one,) = self.outcomes
            self.outcomes.clear()
            return one


def until(is_so: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
