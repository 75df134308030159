"""kill -9 of the command line and of the local Azure at 20 moments of `up` and of `destroy`.

The stack is `local`, whose engine is the command's own process. The next command finishes: the
stack is as after an undisturbed `up`, and after `destroy` nothing is left of anything.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kills import MOMENTS, Moment, cycle
from ready import put_an_endpoint_up, ready
from stage import Stage, Stages
from terminal import Terminal

SAMPLE = [("cli", MOMENTS[7])]
"""For `make test`."""
REST = [(who, m) for who in ("cli", "local") for m in MOMENTS if (who, m) not in SAMPLE]


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    """Give the stage; a new one where a cycle has failed on the last."""
    stages = Stages(lambda: new_stage(tmp_path_factory.mktemp("stage")))
    yield stages
    stages.stop()


def new_stage(home: Path) -> Stage:
    return Stage("local", home, home / "local", Terminal(home).environment)


def holds_no_record(stage: Stage) -> bool:
    return not (stage.folder / "stacks").exists()


def go_round(stage: Stage, victim: str, moment: Moment) -> None:
    cycle(stage, moment, victim, put_an_endpoint_up)
    assert holds_no_record(stage)


@pytest.mark.parametrize(("victim", "moment"), SAMPLE, ids=str)
def test_what_was_killed_is_finished_by_the_next_command(
    stages: Stages, victim: str, moment: Moment
) -> None:
    go_round(stages.ready(ready), victim, moment)


@pytest.mark.slow
@pytest.mark.parametrize(("victim", "moment"), REST, ids=str)
def test_whenever_it_was_killed_the_next_command_finishes(
    stages: Stages, victim: str, moment: Moment
) -> None:
    """Slow: five runs of the command line for each of the moments."""
    go_round(stages.ready(ready), victim, moment)
