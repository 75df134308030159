"""A stack with hub and Foundry against the local Azure: up, up again, switched off, taken down."""

import os
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import pytest
from recorded_arm import ignore

from core.arm import Arm
from core.cloud import Cloud
from core.errors import CloudError
from core.settings import parse_settings
from infra.grant_table import AI_GRANTS
from infra.in_process.engine import InProcess
from infra.roles import Grant, Role, Scope, Who
from infra.site import Site
from infra.standing.workloads import API
from infra.teardown.order import take_down
from infra.teardown.purge import deleted_resources
from infra.teardown.receipt import Receipt

pytestmark = pytest.mark.usefixtures("local_azure")
AI = {"hub": True, "foundry": True}
HELD = {"key vault", "Log Analytics workspace", "workspace", "AI account"}
ASKED_AT_CREATION = [
    grant for grant in AI_GRANTS if grant.who is Who.HUB and grant.scope is not Scope.HUB_PROJECT
]
"""What local Azure checks when hub, connection and project are made."""


class Stack:
    """A stack with both features, or fewer."""

    def __init__(self, name: str) -> None:
        self.name, self.cloud = name, Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])

    @property
    def arm(self) -> Arm:
        return self.cloud.arm

    def engine(self, **chosen: Any) -> InProcess:
        return InProcess(self.name, self._settings(chosen), self.cloud)

    def site(self, **chosen: Any) -> Site:
        return Site(self._settings(chosen), self.cloud.subscription_id, self.name)

    def down(self, **chosen: Any) -> Receipt:
        return take_down(self.engine(**chosen), self.cloud, self.site(**chosen), ignore)

    def _settings(self, chosen: dict[str, Any]) -> Any:
        return parse_settings({"personType": "ServicePrincipal", "compute": "cpu", **chosen})


@pytest.fixture
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    made = Stack(f"ai-{crc32(request.node.name.encode()):x}")
    yield made
    made.down(**AI)


def test_up_is_finished_by_up_and_a_teardown_leaves_and_holds_nothing(stack: Stack) -> None:
    outputs = stack.engine(**AI).up(ignore)
    assert not stack.engine(**AI).plan().has_changes
    assert stack.engine(**AI).up(ignore) == outputs

    project = stack.arm.get(f"{stack.site().group_id}/{ML}/{outputs.project}", API)
    assert project is not None
    stores = f"{stack.site().group_id}/providers/Microsoft.Storage/storageAccounts"
    assert project["properties"]["storageAccount"] == f"{stores}/{outputs.storage_account}"

    receipt = stack.down(**AI)
    assert receipt.is_done
    assert {item.title for item in receipt.purged} == HELD
    assert {item.id for item in receipt.purged} <= {item.id for item in receipt.deleted}
    purged = [item.name for item in receipt.purged if item.title == "workspace"]
    assert purged == [outputs.project, outputs.workspace, outputs.hub]
    assert receipt.remains == receipt.held == receipt.refused == receipt.notes == ()
    assert deleted_resources(stack.arm, stack.site(**AI)) == ([], ())
    assert stack.down(**AI).is_empty
    stack.engine(**AI).up(ignore)


ML = "providers/Microsoft.MachineLearningServices/workspaces"


@pytest.mark.slow
def test_features_are_switched_off_one_by_one(stack: Stack) -> None:
    """Slow: three runs of `up` and a teardown."""
    stack.engine(**AI).up(ignore)
    without_hub = stack.engine(foundry=True).up(ignore)
    assert (without_hub.hub, without_hub.ai_project) == ("", stack.site().names.ai_project)
    plain = stack.engine().up(ignore)
    assert plain.ai_account == ""
    assert not stack.engine().plan().has_changes
    receipt = stack.down()
    assert receipt.is_done
    assert receipt.held == ()
    assert {"AI account", "workspace"} <= {item.title for item in receipt.purged}


@pytest.mark.parametrize("grant", ASKED_AT_CREATION, ids=lambda grant: grant.name)
def test_without_a_grant_of_the_hubs_identity_up_fails_and_names_it(
    stack: Stack, grant: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    from infra import grant_table

    fewer = tuple(one for one in AI_GRANTS if one is not grant)
    monkeypatch.setattr(grant_table, "AI_GRANTS", fewer)
    with pytest.raises(CloudError) as caught:
        stack.engine(hub=True).up(ignore)
    assert caught.value.status == 403
    told = str(caught.value)
    assert stack.site().names.hub_identity in told
    assert "Microsoft." in told


def test_the_listed_roles_are_those_that_local_azure_knows() -> None:
    from local.roles import ROLES

    assert {role.guid: role.title for role in Role}.items() <= {
        id: known.name for id, known in ROLES.items()
    }.items()
