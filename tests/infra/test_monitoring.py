"""What watches a stack: made with it, named in its outputs, gone before what it watches."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fidelity import findings, shared_azure
from recorded_arm import FakeCloud, arm_type, engine, ignore, settings
from test_teardown_on_local import Stack

from core.cloud import Cloud
from core.errors import CloudError
from core.refs import StackOutputs
from core.watching import diagnostic_settings, metric_alerts
from deploy.upkeep.alerts import requests, watch
from infra.engine import Change, Event
from infra.site import Site
from infra.standing.workloads import Endpoint, Workloads
from infra.teardown.ending import end
from infra.teardown.order import take_down
from infra.teardown.steps import Steps
from local.process import LocalAzure

WITH = {"monitoring": True, "alertEmails": ["nlp@example.com"]}
SHARED = shared_azure()


def only(cloud: FakeCloud, title: str) -> dict[str, Any]:
    (found,) = cloud.arm.of_type(arm_type(title))
    return found


def test_a_stack_that_asks_for_none_has_none(cloud: FakeCloud) -> None:
    outputs = engine(cloud).up(ignore)
    assert (outputs.endpoint_logs, outputs.alert_group) == ("", "")
    assert cloud.arm.of_type(arm_type("diagnostic setting")) == []
    assert cloud.arm.of_type(arm_type("action group")) == []


def test_all_logs_of_the_workspace_go_to_the_stacks_own_log_analytics(cloud: FakeCloud) -> None:
    engine(cloud, **WITH).up(ignore)
    setting = only(cloud, "diagnostic setting")
    workspace = only(cloud, "workspace")["id"]
    assert setting["id"].startswith(f"{workspace}/providers/Microsoft.Insights/")
    assert setting["properties"]["workspaceId"] == only(cloud, "Log Analytics workspace")["id"]
    assert setting["properties"]["logs"] == [{"categoryGroup": "allLogs", "enabled": True}]


def test_alerts_write_to_the_addresses_and_only_where_there_are_some(cloud: FakeCloud) -> None:
    outputs = engine(cloud, **WITH).up(ignore)
    group = only(cloud, "action group")
    (receiver,) = group["properties"]["emailReceivers"]
    assert receiver["emailAddress"] == "nlp@example.com"
    assert group["properties"]["enabled"] is True
    assert group["tags"] == {"tunestack-stack": "local"}
    assert outputs.alert_group == group["id"]
    silent = engine(cloud, monitoring=True).up(ignore)
    assert silent.alert_group == ""
    assert cloud.arm.of_type(arm_type("action group")) == []


def test_the_outputs_name_what_deploy_needs(cloud: FakeCloud) -> None:
    outputs = engine(cloud, **WITH).up(ignore)
    assert outputs.endpoint_logs == only(cloud, "Log Analytics workspace")["id"]


def test_switched_off_it_goes_and_the_logs_stay(cloud: FakeCloud) -> None:
    engine(cloud, **WITH).up(ignore)
    outputs = engine(cloud).up(ignore)
    assert outputs.endpoint_logs == ""
    assert cloud.arm.of_type(arm_type("diagnostic setting")) == []
    assert only(cloud, "Log Analytics workspace")


def test_the_workspaces_setting_goes_before_the_workspace(cloud: FakeCloud) -> None:
    stack = engine(cloud, **WITH)
    stack.up(ignore)
    setting, workspace = only(cloud, "diagnostic setting")["id"], only(cloud, "workspace")["id"]
    site = Site(settings(**WITH), cloud.subscription_id, "local")
    receipt = take_down(stack, cloud, site, ignore)  # type: ignore[arg-type]
    gone = [path.partition("?")[0] for method, path in cloud.arm.requests if method == "DELETE"]
    assert gone.index(setting) < gone.index(workspace)
    assert receipt.is_done
    assert "diagnostic setting" in {item.title for item in receipt.deleted}


@pytest.mark.parametrize(("status", "told"), [(403, 0), (500, 3)])
def test_an_endpoint_goes_though_what_watches_it_could_not_be_read(
    cloud: FakeCloud, status: int, told: int
) -> None:
    endpoint = f"{Site(settings(), cloud.subscription_id, 'local').workspace_id}/onlineEndpoints/x"
    cloud.arm.resources[endpoint.lower()] = {"id": endpoint, "name": "x", "properties": {}}
    cloud.arm.refuse = lambda method, path: (
        CloudError("no", status=status) if "/Microsoft.Insights/" in path else False
    )
    steps = Steps(ignore)
    found = Workloads(endpoints=(Endpoint("x", "Succeeded", (), endpoint),))
    assert end(cloud.arm, [found], steps)  # type: ignore[arg-type]
    assert endpoint.lower() not in cloud.arm.resources
    assert len(steps.refused) == told


@pytest.fixture
def stack(local_azure: LocalAzure) -> Iterator[Stack]:
    made = Stack("watched", compute="cpu", **WITH)
    yield made
    made.down()


def test_azure_takes_it_and_a_second_up_sends_nothing(stack: Stack) -> None:
    stack.up()
    events: list[Event] = []
    stack.engine.up(events.append)
    assert {event.change for event in events} == {Change.SAME}


def test_nothing_is_left_of_it_nor_of_what_deploy_put_on_an_endpoint(stack: Stack) -> None:
    stack.up()
    _, alerts = watched(stack)
    assert len(alerts) == 3
    receipt = stack.down()
    assert receipt.is_done
    assert (receipt.remains, receipt.refused) == ((), ())
    deleted = [item.title for item in receipt.deleted]
    assert deleted.count("metric alert") == 2
    assert deleted.count("diagnostic setting") == 2
    assert [stack.arm.get(id, "2018-03-01") for id in alerts] == [None] * 3


def test_in_an_adopted_group_the_alerts_go_too(local_azure: LocalAzure) -> None:
    cloud = Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])
    group = f"/subscriptions/{cloud.subscription_id}/resourceGroups/rg-watched-by-others"
    cloud.arm.put(group, "2024-03-01", {"location": "eastus2"})
    stack = Stack("guest", adoptGroup="rg-watched-by-others", compute="cpu", **WITH)
    stack.up()
    _, alerts = watched(stack)
    receipt = stack.down()
    assert receipt.is_done
    assert receipt.remains == ()
    assert stack.arm.get_list(f"{group}/resources", "2024-03-01") == []
    assert [stack.arm.get(id, "2018-03-01") for id in alerts] == [None] * 3
    stack.arm.delete(group, "2024-03-01")


def watched(stack: Stack) -> tuple[str, list[str]]:
    """Make an endpoint and put on it what `deploy` puts; give its id, and theirs."""
    id = stack.endpoint()
    outputs = stack.engine.outputs()
    assert outputs is not None
    watch(stack.arm, outputs, id.rsplit("/", 1)[-1], ignore)  # type: ignore[arg-type]
    return id, [*diagnostic_settings(stack.arm, id), *metric_alerts(stack.arm, id)]


OUTPUTS = StackOutputs(
    subscription_id="0a1b2c3d-0000-4000-8000-00000000000f",
    resource_group="g",
    location="eastus2",
    workspace="mlw-dev",
    storage_account="",
    container_registry="",
    key_vault="",
    cluster="",
    endpoint_identity="",
    job_identity="",
    workspace_identity="",
    endpoint_logs="/subscriptions/0a1b2c3d-0000-4000-8000-00000000000f/resourceGroups/g/providers"
    "/Microsoft.OperationalInsights/workspaces/logs",
    alert_group="/subscriptions/0a1b2c3d-0000-4000-8000-00000000000f/resourceGroups/g/providers"
    "/Microsoft.Insights/actionGroups/ag",
)


@pytest.mark.skipif(SHARED is None, reason="Azure's published types (../shared/azure) are not here")
def test_what_deploy_puts_passes_azures_published_types(tmp_path: Path) -> None:
    assert SHARED is not None
    rows = []
    for one in requests(OUTPUTS, "mlw-dev-0a1b2c3d", {"tunestack-stack": "dev"}):
        scope, _, rest = one.path.rpartition("/providers/")
        provider, kind, name = rest.split("/")
        row = {"type": f"{provider}/{kind}", "apiVersion": one.api_version, "name": name}
        rows.append({**row, "body": json.loads(json.dumps(one.body)), "scope": scope})
    assert len(rows) == 3
    assert findings(SHARED, rows, tmp_path) == []
    rows[1]["body"]["properties"]["windowsize"] = "PT5M"
    assert findings(SHARED, rows, tmp_path) != []
