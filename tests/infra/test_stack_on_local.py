"""The in-process engine against the local Azure: what it plays is what the engine relies on."""

import os

import pytest
from recorded_arm import ignore

from core.cloud import Cloud
from core.settings import parse_settings
from infra.engine import Change
from infra.in_process.engine import InProcess
from infra.standing.workloads import workloads

pytestmark = pytest.mark.usefixtures("local_azure")
SETTINGS = {"personType": "ServicePrincipal", "tags": ["team=nlp"]}


def test_up_is_finished_by_up_and_destroy_leaves_nothing() -> None:
    cloud = Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])
    stack = InProcess("infra-promises", parse_settings(SETTINGS), cloud)

    assert {step.change for step in stack.plan().steps} == {Change.NEW}
    outputs = stack.up(ignore)
    assert not stack.plan().has_changes
    assert stack.up(ignore) == outputs
    assert all(item.is_there for item in stack.resources())
    assert workloads(cloud.arm, outputs).is_empty

    bigger = InProcess("infra-promises", parse_settings({**SETTINGS, "maxNodes": 2}), cloud)
    changed = [step for step in bigger.plan().steps if step.change is not Change.SAME]
    assert [step.name for step in changed] == [outputs.cluster]
    bigger.up(ignore)

    assert len(stack.destroy(ignore)) == 27
    assert stack.destroy(ignore) == ()
