"""What a stack has cost follows from times and list prices, and says what it does not see."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.catalog import CPU_PRICES
from core.cloud import Cloud
from core.errors import CloudError
from core.price_list import DEDICATED, LOW_PRIORITY, PriceList, Quote
from infra.prices import Price
from infra.standing.costs import Item, billed, born, costs
from infra.standing.run_times import Ran, last_completed, moment, ran
from infra.standing.workloads import Compute, Deployment, Endpoint, Workloads

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
GPU, CPU = "Standard_NC24ads_A100_v4", "Standard_E4s_v3"
GROUP = "/subscriptions/s/resourceGroups/g"
WS = f"{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/w"
CLUSTER = f"{WS}/computes/gpu"
JOB_IDENTITY = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-dev-job"
LISTED = PriceList(
    "eastus",
    {
        (GPU.lower(), DEDICATED): Quote(4.0, CPU_PRICES),
        (GPU.lower(), LOW_PRIORITY): Quote(1.0, CPU_PRICES),
        (CPU.lower(), DEDICATED): Quote(0.25, CPU_PRICES),
    },
)
STANDING = (
    Price("registry", "standing", 0.5, "list"),
    Price("logs", "standing", 0.0, "by use"),
    Price("a node", "training", 4.0, "list"),
)
DONE = Ran(
    "done", "Completed", 2, CLUSTER.lower(), JOB_IDENTITY.lower(), "tunestack",
    NOW - timedelta(hours=5), NOW - timedelta(hours=2), 20.0,
)  # fmt: skip
COMPUTE = Compute("gpu", "AmlCompute", GPU, 0, CLUSTER)


def found(*endpoints: Endpoint, **compute: Any) -> Workloads:
    return Workloads(endpoints, (), (replace(COMPUTE, **compute),), WS)


def only(kind: str, items: tuple[Item, ...]) -> Item:
    (item,) = [item for item in items if item.kind == kind]
    return item


def test_a_job_costs_its_nodes_for_as_long_as_they_ran_beside_what_was_expected() -> None:
    made = costs((), NOW, [DONE], found(), LISTED, NOW)
    job = only("job", made.items)
    assert (job.hours, job.usd, job.estimate) == (3.0, 2 * 3 * 4.0, 20.0)
    assert made.usd == 24.0
    assert made.per_hour == 0


def test_a_job_that_runs_costs_until_now_and_its_nodes_are_the_burn() -> None:
    runs = replace(DONE, status="Running", ended=None, nodes=1)
    made = costs((), NOW, [runs], found(nodes=1), LISTED, NOW)
    assert only("job", made.items).usd == 5 * 4.0
    assert made.per_hour == 4.0


def test_nodes_of_low_priority_cost_their_own_price() -> None:
    made = costs((), NOW, [DONE], found(is_low_priority=True, nodes=2), LISTED, NOW)
    assert (made.usd, made.per_hour) == (2 * 3 * 1.0, 2.0)


@pytest.mark.parametrize("status", ["Queued", "Failed", "Canceled"])
def test_a_job_that_never_began_cost_nothing(status: str) -> None:
    never = replace(DONE, status=status, started=None, ended=None)
    assert only("job", costs((), NOW, [never], found(), LISTED, NOW).items).usd == 0


def test_what_cannot_be_known_is_named_and_left_out_of_the_sum() -> None:
    no_times = replace(DONE, name="no-times", started=None, ended=None)
    elsewhere = replace(DONE, name="elsewhere", compute="")
    odd = Deployment("blue", "Standard_Odd_v9", 1, "Succeeded", (NOW - timedelta(1)).isoformat())
    made = costs(
        STANDING, None, [no_times, elsewhere], found(Endpoint("e", "", (odd,))), LISTED, NOW
    )
    assert made.unknown == (
        "standing registry",
        "job no-times",
        "job elsewhere",
        "deployment e/blue",
    )
    assert made.usd == 0
    assert made.per_hour is None


def test_what_stands_costs_since_it_was_made() -> None:
    made = costs(STANDING, NOW - timedelta(hours=10), [], found(), LISTED, NOW)
    assert only("standing", made.items).usd == 5.0
    assert made.per_hour == 0.5


def test_a_deployment_costs_its_instances_from_its_creation_on() -> None:
    blue = Deployment("blue", CPU, 2, "Succeeded", (NOW - timedelta(hours=4)).isoformat())
    green = Deployment("green", CPU, 1, "Failed")
    endpoint = Endpoint("e", "", (blue, green), created=(NOW - timedelta(hours=8)).isoformat())
    made = costs((), NOW, [], found(endpoint), LISTED, NOW)
    assert [(item.name, item.hours, item.usd) for item in made.items] == [
        ("e/blue", 4.0, 4 * 2 * 0.25),
        ("e/green", 8.0, 8 * 0.25),
    ]
    assert made.per_hour == 0.75


def test_the_document_says_what_is_not_seen() -> None:
    document = costs((), NOW, [DONE], found(), LISTED, NOW).document()
    assert document["usd"] == 24.0
    assert "storage and logs by use" in document["not_seen"]
    assert document["items"][0]["estimate"] == 20.0


class Azure:
    """An ARM that has one workspace with jobs, and remembers whom it was sent to."""

    def __init__(self, host: str = "https://eastus.api.azureml.ms/discovery") -> None:
        self.asked: list[str] = []
        self.posted: list[Any] = []
        self.answer: dict[str, Any] = {}
        self.host = host
        self.jobs = [
            self.job("second", "Completed", "2026-11-21T00:00:00Z"),
            self.job("first", "Completed", "2026-11-20T00:00:00Z"),
            self.job("running", "Running", "2026-11-22T00:00:00Z"),
            self.job("theirs", "Completed", "2026-11-22T10:00:00Z", experiment="Default"),
        ]

    @staticmethod
    def job(name: str, status: str, created: str, experiment: str = "tunestack") -> dict[str, Any]:
        identity = JOB_IDENTITY if experiment == "tunestack" else "/somebody"
        properties = {
            "status": status,
            "experimentName": experiment,
            "computeId": CLUSTER,
            "resources": {"instanceCount": 2},
            "identity": {"resourceId": identity},
            "tags": {"tunestack-estimate-usd": "7.5"},
        }
        return {"name": name, "properties": properties, "systemData": {"createdAt": created}}

    def get_list(self, path: str, api_version: str) -> list[dict[str, Any]]:
        return self.jobs

    def get(self, path: str, api_version: str) -> dict[str, Any] | None:
        self.asked.append(path)
        if path == WS:
            return {"properties": {"discoveryUrl": self.host}}
        if path.startswith("https://eastus.api.azureml.ms/history/v1.0/subscriptions/"):
            times = {"startTimeUtc": "2026-11-22T01:00:00Z", "endTimeUtc": "2026-11-22T02:30:00Z"}
            ended = times if "running" not in path else {"startTimeUtc": times["startTimeUtc"]}
            return {"runId": path.split("/")[-2], **ended}
        return None

    def post(self, path: str, api_version: str, body: Any = None) -> dict[str, Any]:
        self.posted.append((path, api_version, body))
        return self.answer


def test_run_times_come_from_the_workspaces_own_history() -> None:
    azure = Azure()
    jobs = {job.name: job for job in ran(azure, WS)}  # type: ignore[arg-type]
    assert jobs["first"].hours(NOW) == 1.5
    assert jobs["running"].hours(NOW) == 11.0
    assert (jobs["first"].nodes, jobs["first"].estimate) == (2, 7.5)
    assert jobs["first"].compute == CLUSTER.lower()
    assert f"https://eastus.api.azureml.ms/history/v1.0{WS}/runs/first/details" in azure.asked


def test_of_a_shared_workspace_the_stacks_own_jobs_are_counted() -> None:
    jobs = ran(Azure(), WS, {JOB_IDENTITY.lower()})  # type: ignore[arg-type]
    assert {job.name for job in jobs} == {"first", "second", "running"}


@pytest.mark.parametrize(
    "host", ["", "https://evil.example/discovery", "https://api.azureml.ms.evil.example/discovery"]
)
def test_a_token_goes_to_no_host_that_is_not_azure_mls(host: str) -> None:
    azure = Azure(host)
    jobs = ran(azure, WS)  # type: ignore[arg-type]
    assert {job.hours(NOW) for job in jobs if job.status == "Completed"} == {None}
    assert azure.asked == [WS]


def test_the_last_completed_job_of_ours_tells_what_a_run_takes() -> None:
    azure = Azure()
    last = last_completed(azure, WS)  # type: ignore[arg-type]
    assert last is not None
    assert (last.name, last.hours(NOW)) == ("second", 1.5)
    azure.jobs = azure.jobs[2:]
    assert last_completed(azure, WS) is None  # type: ignore[arg-type]


def test_a_stack_is_as_old_as_the_oldest_thing_that_tells() -> None:
    class Ages:
        def get(self, id: str, api_version: str) -> dict[str, Any] | None:
            return {
                "/w": {"systemData": {"createdAt": "2026-11-20T10:00:00Z"}, "properties": {}},
                "/r": {"properties": {"creationDate": "2026-11-20T09:59:00.123Z"}},
                "/silent": {"properties": {"creationDate": None}},
            }.get(id)

    first = datetime(2026, 11, 20, 9, 59, 0, 123000, tzinfo=UTC)
    assert born(Ages(), ["/w", "/r", "/silent", "/gone"]) == first  # type: ignore[arg-type]
    assert born(Ages(), ["/silent", "/gone"]) is None  # type: ignore[arg-type]


def test_moments_without_a_zone_are_utc_and_no_moment_is_none() -> None:
    assert moment("2026-11-20T10:00:00") == datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert moment(None) is moment("") is moment("soon") is None


def test_the_bill_of_this_month_is_asked_for_the_group() -> None:
    azure = Azure()
    columns = [{"name": "Cost", "type": "Number"}, {"name": "Currency", "type": "String"}]
    azure.answer = {"properties": {"columns": columns, "rows": [[12.5, "EUR"], [0.5, "EUR"]]}}
    assert billed(azure, GROUP) == (13.0, "EUR")  # type: ignore[arg-type]
    ((path, version, body),) = azure.posted
    assert (path, version) == (f"{GROUP}/providers/Microsoft.CostManagement/query", "2023-11-01")
    assert (body["type"], body["timeframe"]) == ("ActualCost", "MonthToDate")
    azure.answer = {"properties": {"columns": columns, "rows": []}}
    assert billed(azure, GROUP) == (0.0, "USD")  # type: ignore[arg-type]
    azure.answer = {"properties": {"columns": [{"name": "PreTaxCost"}], "rows": [[1.0]]}}
    with pytest.raises(CloudError, match="no column Cost"):
        billed(azure, GROUP)  # type: ignore[arg-type]


@pytest.mark.usefixtures("local_azure")
def test_the_rehearsals_azure_says_plainly_that_it_has_no_bill() -> None:
    cloud = Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])
    group = f"/subscriptions/{cloud.subscription_id}/resourceGroups/rg-any"
    with pytest.raises(CloudError, match=r"does not play POST .*CostManagement/query"):
        billed(cloud.arm, group)
