"""The in-process engine against the local Azure: what it plays is what the engine relies on."""

import os

import pytest
from recorded_arm import ignore

from core.cloud import Cloud
from core.errors import CloudError
from core.settings import parse_settings
from infra.engine import Change
from infra.in_process.engine import InProcess
from infra.standing.workloads import workloads

pytestmark = pytest.mark.usefixtures("local_azure")
SETTINGS = {"personType": "ServicePrincipal", "tags": ["team=nlp"], "compute": "cpu"}
CLOSED = {
    **SETTINGS,
    "privateNetwork": True,
    "hardened": True,
    "allowedIps": "203.0.113.7,198.51.100.0/24",
    "lowPriority": True,
    "clusters": "Standard_E8s_v3*2",
}


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


def test_several_clusters_in_a_private_hardened_stack_come_and_go_whole() -> None:
    cloud = Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])
    stack = InProcess("infra-closed", parse_settings(CLOSED), cloud)

    outputs = stack.up(ignore)
    assert not stack.plan().has_changes
    assert stack.up(ignore) == outputs
    found = {compute.name: compute for compute in workloads(cloud.arm, outputs).computes}
    assert found.keys() == outputs.clusters.keys()
    assert {compute.is_low_priority for compute in found.values()} == {True, False}
    assert not any(compute.min_nodes or compute.nodes for compute in found.values())

    stack.destroy(ignore)
    group = f"/subscriptions/{cloud.subscription_id}/resourceGroups/{outputs.resource_group}"
    assert cloud.arm.get(group, "2021-04-01") is None
    assert stack.destroy(ignore) == ()


@pytest.mark.slow
def test_an_existing_stack_gets_a_private_network_with_a_new_generation_alone() -> None:
    """Slow: three runs of `up`."""
    cloud = Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])

    def stack(**more: object) -> InProcess:
        return InProcess("infra-private", parse_settings({**SETTINGS, **more}), cloud)

    before = stack().up(ignore)
    with pytest.raises(CloudError, match="delete them first"):
        stack(privateNetwork=True).up(ignore)
    stack(privateNetwork=True, generation=2).up(ignore)
    after = stack(privateNetwork=True, generation=2).outputs()
    assert after is not None
    assert after.workspace != before.workspace
    assert not stack(privateNetwork=True, generation=2).plan().has_changes
    stack(privateNetwork=True, generation=2).destroy(ignore)
