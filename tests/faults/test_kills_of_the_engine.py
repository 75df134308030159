"""kill -9 of the command line, of `pulumi` and of the local Azure, with the real engine.

The stack is one that tunestack works through the Automation API; its state is in files.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_rig import Project, pulumi_command
from kills import MOMENTS, Moment, cycle
from ready import put_an_endpoint_up, ready
from stage import Stage, Stages

from core.home import environments
from local.process import start

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(pulumi_command() is None, reason="there is no pulumi here: make engine"),
]

STEP = {"engine": 1, "cli": 3, "local": 3}
"""Every moment for the engine; the other two have all of theirs in test_kills_in_process.py, and
here every third, as a cycle takes half a minute."""
MOMENTS_OF = [(victim, moment) for victim, step in STEP.items() for moment in MOMENTS[::step]]


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    """Give the stage; a new one where a cycle has failed on the last."""
    stages = Stages(lambda: new_stage(tmp_path_factory.mktemp("stage")))
    yield stages
    stages.stop()


def new_stage(folder: Path) -> Stage:
    azure = folder / "azure" / "local"
    started = start(azure, environments=environments())
    project = Project.make(folder, started.environment)
    project.configure("dev", compute="cpu", personType="ServicePrincipal")
    return Stage("dev", folder, azure, {**project.environment, "COLUMNS": "120"})


@pytest.mark.parametrize(("victim", "moment"), MOMENTS_OF, ids=str)
def test_whenever_it_was_killed_the_next_command_finishes(
    stages: Stages, victim: str, moment: Moment
) -> None:
    """Slow: five runs of the command line and four of `pulumi` for each of the moments."""
    cycle(stages.ready(ready), moment, victim, put_an_endpoint_up)
