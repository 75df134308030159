"""What Azure hosts for a stack: read by plain ARM, priced, called idle, ended before its place."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from recorded_arm import ignore

from core.errors import CloudError
from core.managed_prices import hosting
from core.price_list import PriceList
from core.settings import parse_settings
from infra.prices import Run as TrainingRun
from infra.prices import outlook, prices
from infra.standing.costs import burn, costs
from infra.standing.hosted import HostedModel, in_account, in_project
from infra.standing.listing import running
from infra.standing.stacks import is_unasked
from infra.standing.workloads import Job, Workloads
from infra.teardown import steps as teardown_steps
from infra.teardown.ending import end
from infra.teardown.steps import Steps

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
GROUP = "/subscriptions/s/resourceGroups/g/providers"
ACCOUNT = f"{GROUP}/Microsoft.CognitiveServices/accounts/ai"
PROJECT = f"{GROUP}/Microsoft.MachineLearningServices/workspaces/prj"
TUNED = "gpt-4.1-mini-2025-04-14.ft-0e20-travel"
OWN = "azureml://locations/eastus2/workspaces/guid/models/phi/versions/3"
LISTED = PriceList("eastus2")


def deployment(model: str = TUNED, sku: str = "Standard", days: float = 2) -> dict[str, Any]:
    return {
        "id": f"{ACCOUNT}/deployments/travel",
        "name": "travel",
        "sku": {"name": sku, "capacity": 5},
        "systemData": {"createdAt": (NOW - timedelta(days)).isoformat()},
        "properties": {"model": {"name": model}, "provisioningState": "Succeeded"},
    }


def endpoint(model: str = OWN) -> dict[str, Any]:
    return {
        "id": f"{PROJECT}/serverlessEndpoints/phi-1",
        "name": "phi-1",
        "properties": {"modelSettings": {"modelId": model}, "endpointState": "Online"},
    }


class Arm:
    """Answers lists and metrics, and remembers what it was told."""

    def __init__(self, *rows: dict[str, Any], busy: int = 0, requests: Any = None) -> None:
        self.rows, self.busy, self.requests = rows, busy, requests
        self.asked: list[tuple[str, str]] = []

    def get_list(self, path: str, api: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["id"].rpartition("/")[0] == path]

    def get(self, path: str, api: str) -> dict[str, Any] | None:
        self.asked.append(("GET", path))
        if "/metrics?" not in path:
            return None
        if self.requests is None:
            raise CloudError("no metrics here", status=404)
        return {"value": [{"timeseries": [{"data": [{"total": self.requests}]}]}]}

    def post(self, path: str, api: str) -> dict[str, Any]:
        self.asked.append(("POST", path))
        return {}

    def delete(self, path: str, api: str) -> bool:
        self.asked.append(("DELETE", path))
        if self.busy:
            self.busy -= 1
            raise CloudError(
                "Another operation is being performed", status=409, code="RequestConflict"
            )
        return True


def one(row: dict[str, Any]) -> HostedModel:
    look, place = (in_account, ACCOUNT) if "/accounts/" in row["id"] else (in_project, PROJECT)
    (found,) = look(Arm(row), place)  # type: ignore[operator]
    return found


@pytest.mark.parametrize(
    ("row", "serves", "per_hour", "what"),
    [
        (deployment(), "tuned", 1.7, TUNED),
        (deployment(sku="DeveloperTier"), "tuned", 0.0, TUNED),
        (deployment("gpt-4.1-mini"), "base", 0.0, "gpt-4.1-mini"),
        (endpoint(), "tuned", None, "phi:3"),
        (endpoint("azureml://registries/azureml/models/Phi-4"), "base", 0.0, "Phi-4"),
    ],
)
def test_what_is_hosted_has_its_price(
    row: dict[str, Any], serves: str, per_hour: float | None, what: str
) -> None:
    found = one(row)
    assert (found.serves, found.per_hour, found.what) == (serves, per_hour, what)
    assert [item.per_hour for item in running(Workloads(hosted=(found,)))] == [per_hour]


def test_cost_counts_the_hours_since_a_model_was_deployed() -> None:
    found = Workloads(hosted=(one(deployment()), one(deployment("gpt-4.1-mini")), one(endpoint())))
    tuned, base, serverless = costs((), None, (), found, LISTED, NOW).items
    assert (tuned.kind, tuned.hours, tuned.usd) == ("deployment", 48, pytest.approx(48 * 1.7))
    assert (base.usd, base.per_hour) == (0.0, 0.0)
    assert serverless.usd is None
    assert burn(found, LISTED) is None
    assert burn(Workloads(hosted=(one(deployment()),)), LISTED) == 1.7


def test_a_developer_deployment_tells_when_azure_deletes_it() -> None:
    assert one(deployment(sku="developertier", days=0.5)).expires() == NOW + timedelta(hours=12)
    assert one(deployment()).expires() is None


@pytest.mark.parametrize(
    ("row", "requests", "idle", "sign"),
    [
        (deployment(), 0, True, "no request in the last 24 h"),
        (deployment(), 3, False, "requests in the last 24 h"),
        (deployment(), None, None, "gave no figures"),
        (deployment(days=0.5), 0, False, "younger than 24 h"),
        (deployment("gpt-4.1-mini"), 0, False, "billed by the token alone"),
        (endpoint(), 0, None, "gave no figures"),
    ],
)
def test_what_bills_and_answers_nobody_is_idle(
    row: dict[str, Any], requests: int | None, idle: bool | None, sign: str
) -> None:
    arm = Arm(requests=requests)
    found = is_unasked(arm, one(row), NOW)  # type: ignore[arg-type]
    assert found[0] is idle and sign in found[1]


def test_jobs_are_told_to_stop_first_and_a_busy_account_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(teardown_steps, "RETRY_SECONDS", 0.0)
    arm, steps = Arm(busy=2), Steps(ignore)
    job = Job("tune", "Running", f"{PROJECT}/jobs/tune")
    project = Workloads(jobs=(job,), workspace=PROJECT, hosted=(one(endpoint()),))
    account = Workloads(hosted=(one(deployment()),))
    assert end(arm, [project, account], steps)  # type: ignore[arg-type]
    told = [path.removeprefix(GROUP) for verb, path in arm.asked if verb != "GET"]
    assert told[0].endswith("/jobs/tune/cancel")
    assert [path.rsplit("/", 2)[1] for path in told[1:]] == [
        *["serverlessEndpoints"] * 3,
        "deployments",
    ]
    assert [item.title for item in steps.gone.values()] == [
        "serverless endpoint",
        "model deployment",
    ]
    assert [item.name for item in steps.canceled.values()] == ["tune"]


def test_what_cannot_be_deleted_keeps_its_place() -> None:
    class Locked(Arm):
        def delete(self, path: str, api: str) -> bool:
            raise CloudError("locked", status=409, code="ScopeLocked")

    steps = Steps(ignore)
    assert not end(Locked(), [Workloads(hosted=(one(deployment()),))], steps)  # type: ignore[list-item, arg-type]
    assert "model deployment travel" in next(iter(steps.refused.values()))
    assert not steps.gone


def test_the_plan_tells_what_a_hosted_model_costs_later() -> None:
    settings = parse_settings({"hub": True, "foundry": True})
    rows = {row.what: row.per_hour for row in prices(settings) if row.when == "hosting"}
    assert rows == {
        "a tuned model of Azure OpenAI, GlobalStandard": 1.7,
        "the same for a day, to compare, DeveloperTier": 0.0,
        "a tuned model's serverless endpoint, Consumption": None,
    }
    assert hosting(TUNED, "GlobalStandard") is not None
    summed = outlook(prices(settings), TrainingRun(1, "assumed"))
    assert (
        summed.standing_hour
        == outlook(prices(parse_settings({})), TrainingRun(1, "assumed")).standing_hour
    )
    assert not [row for row in prices(parse_settings({})) if row.when == "hosting"]
