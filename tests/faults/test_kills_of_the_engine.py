"""kill -9 of `pulumi` at 20 moments of `up` and of `destroy`."""

from collections.abc import Iterator

import pytest
from engine_stage import NEEDS_PULUMI, new_stage
from kills import MOMENTS, Moment, cycle
from ready import put_an_endpoint_up, ready
from stage import Stages

pytestmark = [pytest.mark.slow, NEEDS_PULUMI]


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    """Give the stage; a new one where a cycle has failed on the last."""
    stages = Stages(lambda: new_stage(tmp_path_factory.mktemp("stage")))
    yield stages
    stages.stop()


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_whenever_the_engine_was_killed_the_next_command_finishes(
    stages: Stages, moment: Moment
) -> None:
    """Slow: five runs of the command line and four of `pulumi` for each of the moments."""
    cycle(stages.ready(ready), moment, "engine", put_an_endpoint_up)
