"""kill -9 of the command line and of the local Azure while the real `pulumi` works the stack."""

from collections.abc import Iterator

import pytest
from engine_stage import NEEDS_PULUMI, new_stage
from kills import MOMENTS, Moment, cycle
from ready import put_an_endpoint_up, ready
from stage import Stages

pytestmark = [pytest.mark.slow, NEEDS_PULUMI]

STEP = 3
"""Every third moment: all of them are in test_kills_in_process.py, and a cycle takes half a minute
here."""
VICTIMS_AT = [(victim, moment) for victim in ("cli", "local") for moment in MOMENTS[::STEP]]


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    """Give the stage; a new one where a cycle has failed on the last."""
    stages = Stages(lambda: new_stage(tmp_path_factory.mktemp("stage")))
    yield stages
    stages.stop()


@pytest.mark.parametrize(("victim", "moment"), VICTIMS_AT, ids=str)
def test_whenever_it_was_killed_the_next_command_finishes(
    stages: Stages, victim: str, moment: Moment
) -> None:
    """Slow: five runs of the command line and four of `pulumi` for each of the moments."""
    cycle(stages.ready(ready), moment, victim, put_an_endpoint_up)
