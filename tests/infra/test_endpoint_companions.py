"""Nothing that was made for an endpoint stays behind it: its expiry, what scales it, its alerts."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from recorded_arm import FakeCloud, ignore, settings
from test_teardown_on_local import Stack

from core.cloud import Cloud
from core.companions import SCALING_API, WORKFLOWS_API, expiry_id
from core.errors import CloudError
from core.refs import StackOutputs
from deploy.upkeep import autoscale, expiry
from infra.site import Site
from infra.standing.workloads import Endpoint, Workloads
from infra.teardown.ending import end
from infra.teardown.steps import Steps
from local.process import LocalAzure

GROUP = "rg-timed-by-others"


@pytest.fixture
def guest(local_azure: LocalAzure) -> Iterator[Stack]:
    """A stack in a group that somebody else made: no deletion of the group tidies for it."""
    cloud = Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])
    group = f"/subscriptions/{cloud.subscription_id}/resourceGroups/{GROUP}"
    cloud.arm.put(group, "2024-03-01", {"location": "eastus2"})
    stack = Stack("timed-guest", adoptGroup=GROUP)
    stack.up()
    yield stack
    cloud.arm.delete(group, "2024-03-01")


def companions(stack: Stack, outputs: StackOutputs, endpoint: str) -> list[str]:
    """Put on an endpoint what `deploy` puts; give the ids. The endpoint stands for a deployment."""
    name = endpoint.rpartition("/")[2]
    tags = autoscale.stack_tags(stack.arm, outputs)
    ends = expiry.request(outputs, name, datetime.now(UTC) + timedelta(days=1), tags)
    bounds = autoscale.Scaling("blue", 1, 2, "RequestsPerMinute")
    scaling = autoscale.request(outputs, name, bounds, tags)
    properties = scaling.body["properties"]
    properties["targetResourceUri"] = endpoint
    for rule in properties["profiles"][0]["rules"]:
        rule["metricTrigger"]["metricResourceUri"] = endpoint
    for one in (ends, scaling):
        stack.arm.put(one.path, one.api_version, one.body)
    return [ends.path, scaling.path]


@pytest.mark.slow
@pytest.mark.parametrize("has_expired", [False, True])
def test_in_an_adopted_group_a_teardown_leaves_neither_also_after_the_endpoint(
    guest: Stack, has_expired: bool
) -> None:
    """Slow: a stack of its own for each, up and down."""
    endpoint = guest.endpoint()
    outputs = guest.engine.outputs()
    assert outputs is not None
    ids = companions(guest, outputs, endpoint)
    if has_expired:
        guest.arm.delete(endpoint, "2025-12-01")
    receipt = guest.down()
    assert (receipt.is_done, receipt.remains, receipt.refused) == (True, (), ())
    deleted = [item.title for item in receipt.deleted]
    assert (deleted.count("expiry"), deleted.count("autoscale setting")) == (1, 1)
    assert guest.arm.get(ids[0], WORKFLOWS_API) is None
    assert guest.arm.get(ids[1], SCALING_API) is None


def test_an_endpoint_that_stays_keeps_its_expiry() -> None:
    """What could not be deleted now is deleted when its time is over."""
    cloud = FakeCloud()
    endpoint = f"{Site(settings(), cloud.subscription_id, 'local').workspace_id}/onlineEndpoints/x"
    for id in (endpoint, expiry_id(endpoint)):
        cloud.arm.resources[id.lower()] = {"id": id, "name": "x", "properties": {}}
    cloud.arm.refuse = lambda method, path: (
        CloudError("no", status=403) if method == "DELETE" and path == endpoint else False
    )
    found = Workloads(endpoints=(Endpoint("x", "Succeeded", (), endpoint),))
    arm: Any = cloud.arm
    assert not end(arm, [found], Steps(ignore))
    assert expiry_id(endpoint).lower() in cloud.arm.resources
    cloud.arm.refuse = lambda method, path: False
    assert end(arm, [found], Steps(ignore))
    assert expiry_id(endpoint).lower() not in cloud.arm.resources
