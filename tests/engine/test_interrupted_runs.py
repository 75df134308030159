"""Runs that are stopped or killed in the middle, and the command that finishes them.

Slow: every test is an engine's run, a kill, the run that finishes and a destroy.
"""

import os
import signal
import zlib

import pytest
from engine_rig import Project
from moments import Moment, Run, check_whole, tunestack

from core.arm import Arm
from core.cloud import Cloud

WORKSPACE = "machinelearningservices:Workspace"
GROUP = "resources:ResourceGroup"
VAULT = "keyvault:Vault"
GRANT = "authorization:RoleAssignment"

UPS = [Moment(0, GROUP), Moment(10, GRANT), Moment(0, WORKSPACE)]
DESTROYS = [Moment(14, is_falling=True)]


@pytest.fixture(scope="module")
def arm(project: Project) -> Arm:
    return Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"]).arm


@pytest.fixture
def stack(project: Project, request: pytest.FixtureRequest) -> str:
    """A stack of the test's own, with its settings and nothing else."""
    name = f"s{zlib.crc32(request.node.name.encode())}"
    project.configure(name, compute="cpu", personType="ServicePrincipal", location="eastus2")
    return name


def finish(project: Project, stack: str, arm: Arm) -> str:
    """Go on with `up`, and take everything down; give what `up` said."""
    told = tunestack(project, stack, "up", "--yes")
    check_whole(project, stack, arm)
    assert "Nothing remains" in tunestack(project, stack, "destroy", "--yes")
    return told


@pytest.mark.parametrize("moment", UPS, ids=str)
def test_an_up_whose_engine_is_killed_is_finished_by_the_next(
    project: Project, arm: Arm, stack: str, moment: Moment
) -> None:
    run = Run.start(project, stack, "up", "--yes")
    run.wait_for(moment)
    assert run.kill_pulumi() == 4
    assert "killed by signal 9" in run.told
    assert run.locks
    told = finish(project, stack, arm)
    assert "Released the lock of pulumi (process" in told


@pytest.mark.parametrize("moment", UPS, ids=str)
def test_an_up_that_is_killed_leaves_an_engine_that_finishes_what_it_began(
    project: Project, arm: Arm, stack: str, moment: Moment
) -> None:
    run = Run.start(project, stack, "up", "--yes")
    run.wait_for(moment)
    run.kill()
    assert run.locks == []
    assert run.pending == []
    told = finish(project, stack, arm)
    assert "taken over" not in told


@pytest.mark.parametrize("moment", DESTROYS, ids=str)
@pytest.mark.parametrize("victim", ["tunestack", "pulumi"])
def test_a_destroy_that_is_killed_is_finished_by_the_next(
    project: Project, arm: Arm, stack: str, moment: Moment, victim: str
) -> None:
    tunestack(project, stack, "up", "--yes")
    run = Run.start(project, stack, "destroy", "--yes")
    run.wait_for(moment)
    if victim == "pulumi":
        assert run.kill_pulumi()
    else:
        run.kill()
    assert "Nothing remains" in tunestack(project, stack, "destroy", "--yes")
    assert project.resources(stack) == []


def test_an_up_after_a_destroy_that_was_killed_makes_everything_again(
    project: Project, arm: Arm, stack: str
) -> None:
    tunestack(project, stack, "up", "--yes")
    run = Run.start(project, stack, "destroy", "--yes")
    run.wait_for(Moment(12, is_falling=True))
    run.kill_pulumi()
    finish(project, stack, arm)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_finishes_what_is_under_way_and_says_what_goes_on(
    project: Project, arm: Arm, stack: str, number: signal.Signals
) -> None:
    run = Run.start(project, stack, "up", "--yes")
    run.wait_for(Moment(1, VAULT))
    run.interrupt(number)
    assert run.process.wait(60) == 130
    assert "what is under way is finished first" in run.told
    assert f"tunestack up --stack {stack} goes on" in run.told
    assert run.locks == []
    assert run.pending == []
    assert "taken over" not in finish(project, stack, arm)


def test_ctrl_c_pressed_twice_ends_at_once_and_the_next_run_finds_out_what_was_made(
    project: Project, arm: Arm, stack: str
) -> None:
    run = Run.start(project, stack, "up", "--yes")
    run.wait_for(Moment(1, VAULT))
    run.interrupt()
    run.wait_until_told("what is under way is finished first")
    run.interrupt(signal.SIGTERM)
    assert run.process.wait(60) == 130
    finish(project, stack, arm)
