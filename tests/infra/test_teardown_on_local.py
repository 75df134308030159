"""A teardown against the local Azure, which holds what Azure holds and refuses what it refuses."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

import pytest
from recorded_arm import ignore

from core.arm import Arm
from core.cloud import Cloud
from core.settings import parse_settings
from infra.in_process.engine import InProcess
from infra.site import Site
from infra.standing.stacks import all_stacks
from infra.standing.workloads import API, identities
from infra.teardown.order import take_down
from infra.teardown.purge import deleted_resources
from infra.teardown.receipt import Receipt

pytestmark = pytest.mark.usefixtures("local_azure")
HELD = {"key vault", "Log Analytics workspace", "workspace"}


class Stack:
    """A stack with an engine, and its teardown."""

    def __init__(self, name: str, **chosen: Any) -> None:
        settings = parse_settings({"personType": "ServicePrincipal", "compute": "cpu"} | chosen)
        self.cloud = Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])
        self.site = Site(settings, self.cloud.subscription_id, name)
        self.engine = InProcess(name, settings, self.cloud)

    @property
    def arm(self) -> Arm:
        return self.cloud.arm

    def up(self) -> None:
        self.engine.up(ignore)

    def down(self, *, keep: bool = False) -> Receipt:
        return take_down(self.engine, self.cloud, self.site, ignore, keep_recoverable=keep)

    def endpoint(self) -> str:
        """Make an endpoint as `deploy` does, and give its id."""
        id = f"{self.site.workspace_id}/onlineEndpoints/{self.site.stack}-talks"
        identity = {
            "type": "UserAssigned",
            "userAssignedIdentities": {identities(self.site)[0]: {}},
        }
        body = {
            "location": self.site.location,
            "identity": identity,
            "properties": {"authMode": "Key"},
        }
        self.arm.put(id, API, body)
        return id


@pytest.fixture
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    made = Stack(f"down-{crc32(request.node.name.encode()):x}")
    yield made
    made.down()


def test_everything_goes_for_good_and_a_second_time_nothing_is_there(stack: Stack) -> None:
    stack.up()
    stack.endpoint()
    receipt = stack.down()
    assert receipt.is_done
    assert len(receipt.deleted) == 27 + 1
    assert {item.title for item in receipt.purged} == HELD
    assert receipt.remains == receipt.held == receipt.refused == receipt.notes == ()
    assert deleted_resources(stack.arm, stack.site) == ([], ())
    assert stack.down().is_empty
    stack.up()


def test_what_is_kept_is_told_and_purged_by_the_next(stack: Stack) -> None:
    stack.up()
    receipt = stack.down(keep=True)
    days = {item.title: item.until for item in receipt.held}
    today = datetime.now(UTC).date()
    assert days == {
        "key vault": (today + timedelta(7)).isoformat(),
        "Log Analytics workspace": (today + timedelta(14)).isoformat(),
        "workspace": (today + timedelta(14)).isoformat(),
    }
    after = stack.down()
    assert {item.title for item in after.purged} == HELD
    assert after.is_done
    assert after.held == after.remains == ()
    stack.up()


def test_purge_protection_is_told_and_tried_no_further() -> None:
    stack = Stack("guarded", purgeProtection=True)
    stack.up()
    receipt = stack.down()
    (vault,) = receipt.held
    assert "purge protection" in vault.why
    assert vault.until == (datetime.now(UTC).date() + timedelta(7)).isoformat()
    assert receipt.is_done


def test_after_the_group_was_deleted_by_hand_all_that_is_held_goes_too(stack: Stack) -> None:
    stack.up()
    stack.arm.delete(stack.site.group_id, "2024-03-01")
    assert deleted_resources(stack.arm, stack.site)[0]
    receipt = stack.down()
    assert {item.title for item in receipt.purged} == HELD
    assert receipt.is_done
    assert deleted_resources(stack.arm, stack.site) == ([], ())
    stack.up()


def test_what_is_the_persons_own_keeps_the_group(stack: Stack) -> None:
    stack.up()
    own = f"{stack.site.group_id}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/mine"
    stack.arm.put(own, "2023-01-31", {"location": stack.site.location})
    receipt = stack.down()
    assert not receipt.is_done
    assert {item.name for item in receipt.remains} == {"mine", stack.site.names.group}
    assert stack.arm.get(own, "2023-01-31") is not None
    stack.arm.delete(own, "2023-01-31")
    assert stack.down().is_done


def test_the_subscription_shows_the_stack_its_endpoint_and_its_last_day(stack: Stack) -> None:
    stack.up()
    stack.endpoint()
    group = stack.arm.get(stack.site.group_id, "2024-03-01")
    assert group is not None
    tags = {**group["tags"], "tunestack-expires": "2026-01-01"}
    stack.arm.put(stack.site.group_id, "2024-03-01", {"location": group["location"], "tags": tags})
    found = all_stacks(stack.arm, stack.cloud.subscription_id, datetime.now(UTC))
    (view,) = (view for view in found if view.stack == stack.site.stack)
    assert view.is_expired
    assert view.groups == (stack.site.names.group,)
    assert view.per_hour == pytest.approx(0.167 / 24)
    (endpoint,) = view.running
    assert (endpoint.is_idle, endpoint.per_hour) == (False, 0)
    assert "no deployment" in endpoint.sign
