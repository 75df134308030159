"""A teardown: in order, to the end, without leftovers that are not told, whatever it finds."""

import json
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

import pytest
from recorded_arm import SUBSCRIPTION, TODAY, FakeCloud, arm_type, engine, ignore, settings

from core.errors import CloudError, PrerequisiteError
from infra.engine import Event
from infra.in_process.record import Record
from infra.site import Site
from infra.standing.workloads import identities
from infra.teardown import ending, steps
from infra.teardown.order import survey, take_down
from infra.teardown.receipt import Receipt

KINDS_HELD = {"key vault", "Log Analytics workspace", "workspace"}
FORBIDDEN = CloudError("not yours", status=403, code="AuthorizationFailed")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "POLL_SECONDS", 0)
    monkeypatch.setattr(steps, "RETRY_SECONDS", 0)


def site(**chosen: Any) -> Site:
    return Site(settings(**chosen), SUBSCRIPTION, "local")


def teardown(cloud: Any, *, keep: bool = False, report: Any = ignore, **chosen: Any) -> Receipt:
    work = engine(cloud, **chosen)
    return take_down(
        work, cloud, site(**chosen), report, keep_recoverable=keep, today=date(2026, 11, 21)
    )


def changes(cloud: FakeCloud) -> list[str]:
    return [path for method, path in cloud.arm.requests if method in ("POST", "DELETE")]


def put(cloud: FakeCloud, below: str, body: dict[str, Any]) -> str:
    """Make something behind the stack's back, in its group."""
    id = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-tunestack-local/{below}"
    cloud.arm.put(id, "", body)
    return id


def run_something(cloud: FakeCloud) -> str:
    """Submit a job and deploy an endpoint, as train and deploy do; give the workspace."""
    (workspace,) = cloud.arm.of_type(arm_type("workspace"))
    id = str(workspace["id"])
    for path, body in {
        "jobs/job1": {"properties": {"status": "Running"}},
        "onlineEndpoints/travel": {"properties": {"traffic": {"blue": 100}}},
        "onlineEndpoints/travel/deployments/blue": {
            "properties": {"instanceType": "Standard_E4s_v3"},
            "sku": {"name": "Default", "capacity": 1},
        },
    }.items():
        cloud.arm.put(f"{id}/{path}", "", body)
    return id


def test_jobs_endpoints_clusters_workspace_logs_and_then_the_rest(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    run_something(cloud)
    cloud.arm.requests.clear()
    receipt = teardown(cloud)
    order = [path.rsplit("/providers/", 1)[-1] for path in changes(cloud)]
    assert order[0].endswith("/jobs/job1/cancel")
    assert order[1].endswith("/onlineEndpoints/travel")
    assert order[2].endswith("/computes/gpu-nc24ads-a100-v4?underlyingResourceAction=Delete")
    assert order[3].endswith("/workspaces/mlw-local?forceToPurge=true")
    # What a hub may have left is guessed by its names, as Azure has no list of it.
    assert order.pop(4).endswith("/workspaces/prj-local?forceToPurge=true")
    assert order.pop(4).endswith("/workspaces/hub-local?forceToPurge=true")
    assert order[4].endswith("/workspaces/log-tunestack-local?force=true")
    assert changes(cloud)[-2].endswith("/resourceGroups/rg-tunestack-local")
    assert order[-1].endswith("/purge")
    assert cloud.arm.resources == cloud.arm.held == {}
    assert receipt.is_done
    assert receipt.cost_per_hour == 0


def test_the_receipt_names_what_is_gone_and_what_is_gone_for_good(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    run_something(cloud)
    receipt = teardown(cloud)
    assert [item.name for item in receipt.canceled] == ["job1"]
    assert {item.title for item in receipt.purged} == KINDS_HELD
    assert len(receipt.deleted) == 27 + 2
    assert receipt.remains == receipt.held == receipt.refused == ()


def test_every_step_is_reported_in_its_order(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    run_something(cloud)
    events: list[Event] = []
    teardown(cloud, report=events.append)
    done = [(event.title, str(event.change)) for event in events if event.is_done]
    assert done[:4] == [
        ("endpoint", "gone"),
        ("job", "canceled"),
        ("compute cluster", "gone"),
        ("workspace", "purged"),
    ]
    assert done[-1] == ("key vault", "purged")
    assert {e.name for e in events if e.is_done} == {e.name for e in events if not e.is_done}


def test_a_second_teardown_finds_nothing(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    teardown(cloud)
    receipt = teardown(cloud)
    assert receipt.is_empty
    assert receipt.is_done


@pytest.mark.parametrize("stopped_at", ["storageAccounts", "workspaces/mlw-local", "computes"])
def test_after_an_up_that_failed_half_way_all_of_it_goes(cloud: FakeCloud, stopped_at: str) -> None:
    cloud.arm.refuse = lambda method, path: method == "PUT" and stopped_at in path
    with pytest.raises(CloudError):
        engine(cloud).up(ignore)
    cloud.arm.refuse = lambda method, path: False
    assert teardown(cloud).is_done
    assert cloud.arm.resources == cloud.arm.held == {}


def test_an_endpoint_is_found_where_up_left_no_outputs_and_no_record(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    run_something(cloud)
    Record.of("local").remove()
    assert engine(cloud).outputs() is None
    receipt = teardown(cloud)
    assert "travel" in {item.name for item in receipt.deleted}
    assert receipt.is_done
    assert cloud.arm.resources == cloud.arm.held == {}


@pytest.mark.parametrize(
    "title", ["workspace", "compute cluster", "key vault", "storage account", "resource group"]
)
def test_what_was_deleted_by_hand_is_passed_over(cloud: FakeCloud, title: str) -> None:
    engine(cloud).up(ignore)
    ids = [id for id, item in cloud.arm.resources.items() if item.get("type") == arm_type(title)]
    for id in ids or [f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-tunestack-local"]:
        cloud.arm.delete(id, "")
    receipt = teardown(cloud)
    assert receipt.is_done
    assert cloud.arm.resources == {}
    assert title not in {item.title for item in receipt.deleted}


def test_a_teardown_that_was_refused_half_way_is_told_and_finished_by_the_next(
    cloud: FakeCloud,
) -> None:
    engine(cloud).up(ignore)
    cloud.arm.refuse = lambda method, path: method == "DELETE" and "storageAccounts" in path
    receipt = teardown(cloud)
    assert not receipt.is_done
    assert "refused to DELETE" in receipt.refused[0]
    left = {item.id.lower() for item in receipt.remains}
    gone = {item.id.lower() for item in receipt.deleted}
    assert left == set(cloud.arm.resources)
    assert not left & gone
    assert gone
    cloud.arm.refuse = lambda method, path: False
    assert teardown(cloud).is_done
    assert cloud.arm.resources == cloud.arm.held == {}


def test_an_endpoint_that_stays_keeps_its_workspace_and_is_priced(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    workspace = run_something(cloud)
    cloud.arm.refuse = lambda method, path: (
        FORBIDDEN if method == "DELETE" and path.endswith("/travel") else False
    )
    receipt = teardown(cloud)
    assert workspace.lower() in cloud.arm.resources
    (endpoint,) = (item for item in receipt.remains if item.title == "endpoint")
    assert endpoint.per_hour == pytest.approx(0.252)
    assert receipt.cost_per_hour == pytest.approx(0.252 + 0.167 / 24, abs=1e-4)
    assert not receipt.is_done
    cloud.arm.refuse = lambda method, path: False
    assert teardown(cloud).is_done


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize(
    "stopped_at",
    [
        "/cancel",
        "/onlineEndpoints/travel",
        "/computes/",
        "?forceToPurge=true",
        "?force=true",
        "/storageAccounts/",
        "/resourceGroups/rg-tunestack-local",
        "/purge",
    ],
)
def test_a_teardown_that_was_killed_is_finished_by_the_next(
    cloud: FakeCloud, stopped_at: str, is_done: bool
) -> None:
    engine(cloud).up(ignore)
    run_something(cloud)
    live = _killing(cloud, stopped_at, is_done)
    with pytest.raises(KeyboardInterrupt):
        teardown(cloud)
    live()
    assert teardown(cloud).is_done
    assert cloud.arm.resources == cloud.arm.held == {}
    assert teardown(cloud).is_empty


def _killing(cloud: FakeCloud, at: str, is_done: bool) -> Callable[[], None]:
    """Kill the next teardown at a request, before Azure has done it or right after."""
    plain = {name: getattr(cloud.arm, name) for name in ("post", "delete")}

    def killed(name: str, path: str, *rest: Any) -> Any:
        is_it = path.endswith(at) or (at in path and not path.endswith("local"))
        if is_it and not is_done:
            raise KeyboardInterrupt
        found = plain[name](path, *rest)
        if is_it:
            raise KeyboardInterrupt
        return found

    for name in plain:
        setattr(cloud.arm, name, partial(killed, name))

    def live() -> None:
        for name, call in plain.items():
            setattr(cloud.arm, name, call)

    return live


def test_kept_recoverable_nothing_is_purged_and_the_receipt_says_until_when(
    cloud: FakeCloud,
) -> None:
    engine(cloud).up(ignore)
    receipt = teardown(cloud, keep=True)
    assert receipt.purged == ()
    assert not any("=true" in path or "purge" in path for path in changes(cloud))
    assert {(item.title, item.until) for item in receipt.held} == {
        ("key vault", "2026-11-28"),
        ("Log Analytics workspace", "2026-12-05"),
        ("workspace", "2026-12-05"),
    }
    assert all("as asked" in item.why and item.release for item in receipt.held)
    assert receipt.is_done
    assert len(receipt.deleted) == 27


def test_what_an_earlier_teardown_kept_is_purged_by_the_next(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    teardown(cloud, keep=True)
    assert {item["type"] for item in cloud.arm.held.values()} == {
        arm_type(title) for title in KINDS_HELD
    }
    receipt = teardown(cloud)
    assert {item.title for item in receipt.purged} == KINDS_HELD
    assert receipt.held == ()
    assert cloud.arm.resources == cloud.arm.held == {}
    engine(cloud).up(ignore)


def test_logs_that_azure_will_not_give_back_are_held_and_the_way_is_named(
    cloud: FakeCloud,
) -> None:
    engine(cloud).up(ignore)
    teardown(cloud, keep=True)
    cloud.arm.refuse = lambda method, path: method == "PUT" and "/log-" in path
    receipt = teardown(cloud)
    (logs,) = receipt.held
    assert logs.until == "2026-12-05"
    assert "make the group rg-tunestack-local again" in logs.release
    assert receipt.is_done
    assert cloud.arm.resources == {}


def test_a_vault_with_purge_protection_is_held_and_not_tried(cloud: FakeCloud) -> None:
    engine(cloud, purgeProtection=True).up(ignore)
    receipt = teardown(cloud, purgeProtection=True)
    (vault,) = receipt.held
    assert (vault.title, vault.until) == ("key vault", "2026-11-28")
    assert "purge protection" in vault.why
    assert "tunestack:generation" in vault.release
    assert not any(path.endswith("/purge") for path in changes(cloud))
    assert receipt.is_done


def test_without_the_right_to_purge_the_vault_is_held_and_the_command_is_named(
    cloud: FakeCloud,
) -> None:
    engine(cloud).up(ignore)
    cloud.arm.refuse = lambda method, path: FORBIDDEN if path.endswith("/purge") else False
    receipt = teardown(cloud)
    (vault,) = receipt.held
    assert "you may not purge it" in vault.why
    assert f"gone: az keyvault purge --name {vault.name} --location eastus2" in vault.release
    assert "Key Vault Purge Operator" in vault.release
    assert receipt.is_done


def test_without_the_right_to_look_the_receipt_says_what_it_could_not_read(
    cloud: FakeCloud,
) -> None:
    engine(cloud).up(ignore)
    cloud.arm.refuse = lambda method, path: FORBIDDEN if "/deletedVaults" in path else False
    receipt = teardown(cloud)
    (note,) = receipt.notes
    assert "a deleted key vault of the stack could not be read (AuthorizationFailed)" in note
    assert receipt.is_done


def test_a_provider_that_was_never_registered_holds_nothing(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    code = "MissingSubscriptionRegistration"
    cloud.arm.refuse = lambda method, path: (
        CloudError("not registered", status=409, code=code) if "deletedAccounts" in path else False
    )
    assert teardown(cloud).notes == ()


def test_the_vault_of_an_earlier_generation_is_purged_too(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    engine(cloud, generation=2).up(ignore)
    assert [item["name"] for item in cloud.arm.held.values() if "kv-" in item["name"]]
    receipt = teardown(cloud, generation=2)
    vaults = [item.name for item in receipt.purged if item.title == "key vault"]
    assert len(vaults) == 2
    assert cloud.arm.held == {}


def test_a_deleted_ai_account_of_the_group_is_purged_and_another_groups_is_not(
    cloud: FakeCloud,
) -> None:
    engine(cloud).up(ignore)
    place = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.CognitiveServices/locations/eastus2"
    for group in ("rg-tunestack-local", "rg-theirs"):
        id = f"{place}/resourceGroups/{group}/deletedAccounts/ai"
        kind = "Microsoft.CognitiveServices/deletedAccounts"
        properties = {"deletionDate": f"{TODAY}T10:00:00Z"}
        account = {"id": id, "name": "ai", "type": kind, "properties": properties}
        cloud.arm.held[id.lower()] = account
    cloud.arm.delete = _deleting_held(cloud)  # type: ignore[method-assign]
    kept = survey(engine(cloud), cloud, site()).kept  # type: ignore[arg-type]
    assert [(one.item.title, one.until) for one in kept] == [("AI account", "2026-11-23")]
    receipt = teardown(cloud)
    assert "AI account" in {item.title for item in receipt.purged}
    assert ["rg-theirs" in id for id in cloud.arm.held] == [True]


def _deleting_held(cloud: FakeCloud) -> Any:
    plain = cloud.arm.delete

    def delete(path: str, api_version: str) -> bool:
        was_held = "/deletedaccounts/" in path.lower() and cloud.arm.held.pop(path.lower(), None)
        return plain(path, api_version) or bool(was_held)

    return delete


def test_what_the_stack_did_not_make_keeps_the_group_and_is_not_touched(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    own = put(cloud, "providers/Microsoft.Web/sites/mine", {"tags": {}, "location": "eastus2"})
    receipt = teardown(cloud)
    assert set(cloud.arm.resources) == {
        own.lower(),
        f"/subscriptions/{SUBSCRIPTION}/resourcegroups/rg-tunestack-local",
    }
    assert {(item.name, item.is_ours) for item in receipt.remains} == {
        ("mine", False),
        ("rg-tunestack-local", True),
    }
    assert not receipt.is_done
    assert "Move or delete that" in receipt.notes[0]
    assert receipt.cost_per_hour == 0
    cloud.arm.delete(own, "")
    assert teardown(cloud).is_done
    assert cloud.arm.resources == {}


def test_what_azure_put_there_by_itself_goes_with_the_group(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    rule = "providers/microsoft.alertsmanagement/smartDetectorAlertRules/Failure Anomalies"
    put(cloud, rule, {"tags": {}, "location": "global"})
    assert teardown(cloud).is_done
    assert cloud.arm.resources == {}


def test_what_carries_the_tag_outside_the_group_is_found(cloud: FakeCloud) -> None:
    stray = "/subscriptions/x/resourceGroups/elsewhere/providers/Some.Thing/things/stray"
    stray = stray.replace("/x/", f"/{SUBSCRIPTION}/")
    cloud.arm.put(stray, "", {"tags": {"tunestack-stack": "local"}, "location": "eastus2"})
    engine(cloud).up(ignore)
    receipt = teardown(cloud)
    (left,) = receipt.remains
    assert (left.id, left.is_ours, left.per_hour) == (stray, True, None)
    assert receipt.cost_per_hour is None
    assert not receipt.is_done


def test_another_engines_stack_is_refused_before_anything_ends(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    run_something(cloud)
    cloud.arm.resources[site().group_id.lower()]["tags"]["tunestack-engine"] = "pulumi"
    cloud.arm.requests.clear()
    with pytest.raises(PrerequisiteError, match="made by the engine 'pulumi'"):
        teardown(cloud)
    assert changes(cloud) == []


def test_a_teardown_beside_an_up_is_refused_before_anything_ends(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    cloud.arm.requests.clear()
    with Record.of("local").held(), pytest.raises(PrerequisiteError, match="at work on local"):
        teardown(cloud)
    assert changes(cloud) == []


def test_another_stacks_resources_are_left_alone(cloud: FakeCloud) -> None:
    engine(cloud, stack="other").up(ignore)
    theirs = set(cloud.arm.resources)
    engine(cloud).up(ignore)
    assert teardown(cloud).is_done
    assert set(cloud.arm.resources) == theirs


def test_the_receipt_is_a_json_document(cloud: FakeCloud) -> None:
    engine(cloud).up(ignore)
    document = json.loads(json.dumps(teardown(cloud, keep=True).document()))
    assert document["cost_per_hour"] == 0
    assert document["is_done"] is True
    assert {item["until"] for item in document["held"]} == {"2026-11-28", "2026-12-05"}


ADOPTED: dict[str, Any] = {"adoptGroup": "rg-shared", "adoptWorkspace": "mlw-shared"}


@pytest.fixture
def shared(cloud: FakeCloud) -> str:
    """A group and a workspace that others made and work in."""
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shared"
    cloud.arm.put(group, "", {"location": "eastus2", "tags": {}})
    links = {
        "storageAccount": "Microsoft.Storage/storageAccounts/st",
        "keyVault": "Microsoft.KeyVault/vaults/kv",
        "containerRegistry": "Microsoft.ContainerRegistry/registries/cr",
        "applicationInsights": "Microsoft.Insights/components/ai",
    }
    ids = {name: f"{group}/providers/{path}" for name, path in links.items()}
    for id in ids.values():
        cloud.arm.put(id, "", {"location": "eastus2", "tags": {}})
    workspace = f"{group}/providers/Microsoft.MachineLearningServices/workspaces/mlw-shared"
    cloud.arm.put(workspace, "", {"location": "eastus2", "tags": {}, "properties": ids})
    theirs = {"identity": {"userAssignedIdentities": {"/theirs": {}}}}
    cloud.arm.put(f"{workspace}/onlineEndpoints/theirs", "", theirs)
    cloud.arm.put(f"{workspace}/jobs/theirs", "", {"properties": {"status": "Running"}})
    cloud.arm.put(f"{workspace}/computes/theirs", "", {"properties": {"computeType": "AmlCompute"}})
    return workspace


def test_what_was_adopted_and_what_others_run_in_it_is_left_alone(
    cloud: FakeCloud, shared: str
) -> None:
    before = dict(cloud.arm.resources)
    engine(cloud, **ADOPTED).up(ignore)
    assert set(cloud.arm.resources) > set(before)
    endpoint, job = identities(site(**ADOPTED))
    ours = {"identity": {"userAssignedIdentities": {endpoint: {}}}}
    cloud.arm.put(f"{shared}/onlineEndpoints/ours", "", ours)
    ran = {"properties": {"status": "Running", "identity": {"resourceId": job}}}
    cloud.arm.put(f"{shared}/jobs/ours", "", ran)
    cloud.arm.requests.clear()
    receipt = teardown(cloud, **ADOPTED)
    assert receipt.is_done
    assert receipt.remains == ()
    assert [item.name for item in receipt.canceled] == ["ours"]
    assert {item.title for item in receipt.deleted} >= {"endpoint", "compute cluster", "grant"}
    del cloud.arm.resources[f"{shared}/jobs/ours".lower()]
    assert cloud.arm.resources == before
    assert cloud.arm.held == {}
    assert not any("mlw-shared?" in path or path.endswith("/theirs") for path in changes(cloud))
    assert teardown(cloud, **ADOPTED).is_empty


def test_what_may_be_the_stacks_in_an_adopted_workspace_is_left_and_told(
    cloud: FakeCloud, shared: str
) -> None:
    engine(cloud, **ADOPTED).up(ignore)
    cloud.arm.put(f"{shared}/onlineEndpoints/maybe", "", {"tags": {"stack": "rg-shared"}})
    receipt = teardown(cloud, **ADOPTED)
    assert [(item.name, item.is_ours) for item in receipt.remains] == [("maybe", False)]
    assert receipt.is_done
    assert f"{shared}/onlineEndpoints/maybe".lower() in cloud.arm.resources
