"""One home per module; whatever runs there afterwards is stopped."""

from collections.abc import Iterator

import pytest
from terminal import Terminal


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path_factory.mktemp("home"))
    yield terminal
    terminal.run("local", "stop")
