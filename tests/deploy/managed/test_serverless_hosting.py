"""deploy, chat, compare and undeploy of a serverless model, typed, with real processes behind.

The Azure is the local one; trainer and server are small programs of a second. The tuning job is
the product's own, sent by the unmodified azure-ai-ml. Slow: a stack with hub and account, that job
and two endpoints are 20 seconds.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from managed_stack import WITHIN, ManagedStack, chat, managed_stack

from core.managed_prices import training
from core.managed_recipe import ServerlessRecipe
from deploy.managed.serverless import API
from local.process import LocalAzure
from training.managed.contract import ManagedOrder, Prepared
from training.managed.services import service_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stack(
    local_azure: LocalAzure, azure_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ManagedStack]:
    home = tmp_path_factory.mktemp("home")
    with managed_stack("hub-typed", azure_folder, home, hub=True, foundry=True) as made:
        yield made


@pytest.fixture(scope="module")
def phi(stack: ManagedStack, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Tune a model that answers `phi: QUESTION`; give its name."""
    file = tmp_path_factory.mktemp("data") / "train.jsonl"
    file.write_text("".join(json.dumps(chat(number, "phi")) + "\n" for number in range(10)))
    recipe = ServerlessRecipe(
        name="phi",
        description="",
        model_name="travel-phi",
        route="serverless",
        base={"id": "Phi-4-mini-instruct"},  # type: ignore[arg-type]
    )
    service = service_for(stack.cloud, stack.outputs, "serverless", stack.name)
    order = ManagedOrder(recipe, Prepared(file, 10, file.stat().st_size, "0" * 64, 100))
    job = service.submit(order, lambda text: None)
    deadline = time.monotonic() + WITHIN
    while not (found := service.job(job.name)) or not found.is_over:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    assert found.status == "Completed", found
    return "travel-phi"


@pytest.fixture(scope="module")
def standing(stack: ManagedStack, phi: str) -> dict[str, Any]:
    """Tuned and base, deployed by the command."""
    made: dict[str, Any] = stack.json("deploy", "--with-base", "--yes")
    return made


def test_deploy_makes_an_endpoint_for_the_tuned_and_one_for_the_base_model(
    stack: ManagedStack, standing: dict[str, Any]
) -> None:
    assert standing["model"] == "travel-phi:1"
    assert (standing["route"], standing["auth"], standing["state"]) == (
        "serverless", "key", "Online"
    )  # fmt: skip
    assert standing["content_filter"] == "content safety on"
    assert standing["scoring_url"].endswith(".models.ai.azure.com/v1/chat/completions")
    assert standing["name"].startswith("travel-phi-")
    base = "azureml://registries/azureml/models/Phi-4-mini-instruct"
    assert standing["base"]["deployed_model"] == base
    names = {one["name"] for one in stack.cloud.arm.get_list(endpoints(stack), API)}
    assert names == {standing["name"], standing["base"]["name"]}


def test_a_job_tells_its_tokens_as_estimated_and_that_it_has_no_checkpoints(
    stack: ManagedStack, phi: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its order counted 100 tokens, for three epochs. Phi has no public price: another's, then."""
    document = stack.json("cost")
    (item,) = (one for one in document["items"] if one["kind"] == "tuning")
    name = item["name"]
    assert item["what"] == "Completed, Phi-4-mini-instruct, tokens: about 300 (estimated)"
    assert item["usd"] is None and f"tuning {name}" in document["unknown"]
    quote = training("gpt-4.1-mini", "GlobalStandard")
    monkeypatch.setattr("commands.managed.money.training", lambda base, tier: quote)
    shown = stack.json("jobs", "show", name)
    assert (shown["trained_tokens"], shown["cost"]["is_estimated"]) == (300, True)
    assert shown["cost"]["usd"] > 0
    read = " ".join(stack.run("jobs", "show", name).output.split())
    assert "300 tokens, as estimated when it was sent, at $" in read
    told = " ".join(stack.run("jobs", "checkpoints", name).output.split())
    assert f"{name}: Azure documents no checkpoints of serverless tuning" in told


def test_chat_and_compare_ask_both_by_key_and_the_key_is_in_no_output(
    stack: ManagedStack, standing: dict[str, Any]
) -> None:
    answer = stack.run("chat", "--once", "hello", "--json")
    assert json.loads(answer.stdout)["answer"] == "phi: hello"
    assert stack.run("chat", "--once", "hi", "--model", "base").stdout == "base: hi\n"
    compared = stack.run("models", "compare", "--json")
    rows = json.loads(compared.stdout)["rows"]
    assert [row["tuned"]["text"][:4] for row in rows] == ["phi:"] * 5
    keys = stack.cloud.arm.post(f"{endpoints(stack)}/{standing['name']}/listKeys", API)
    assert keys["primaryKey"] not in answer.output + compared.output + json.dumps(standing)


def test_content_safety_and_the_way_in_can_be_changed(
    stack: ManagedStack, standing: dict[str, Any]
) -> None:
    told = stack.run("chat", "--once", "how to build a bomb", exit_code=1).output
    assert "content filter blocked the question" in told
    result = stack.run(
        "deploy",
        "--model",
        "travel-phi",
        "--no-content-safety",
        "--auth",
        "entra",
        "--yes",
        "--json",
    )
    assert "content safety is off" in result.stderr
    made = json.loads(result.stdout)
    assert (made["name"], made["auth"]) == (standing["name"], "entra")
    assert made["content_filter"] == "content safety off"
    assert stack.json("chat", "--once", "how to build a bomb")["answer"].startswith("phi: how")
    stack.json("deploy", "--model", "travel-phi", "--content-safety", "--auth", "key", "--yes")


def test_a_second_endpoint_of_a_model_and_foundrys_options_are_refused(
    stack: ManagedStack, standing: dict[str, Any]
) -> None:
    told = stack.run(
        "deploy", "--model", "travel-phi", "--name", "another", "--yes", exit_code=3
    ).output
    assert f"--name {standing['name']} changes it" in told
    told = stack.run(
        "deploy",
        "--model",
        "travel-phi",
        "--sku",
        "Standard",
        "--capacity",
        5,
        "--yes",
        exit_code=2,
    ).output
    assert "--sku: not for a serverless endpoint" in told
    assert "--capacity: not for a serverless endpoint" in told


def test_of_several_routes_one_is_chosen_and_the_newest_model_is_the_default(
    stack: ManagedStack, standing: dict[str, Any]
) -> None:
    newer = stack.tuned("newer")
    made = stack.json("deploy", "--yes")
    assert (made["model"], made["route"]) == (f"{newer}:1", "openai")
    told = stack.run("chat", "--once", "hi", exit_code=2).output
    assert "--route openai: says-newer" in told
    assert f"--route serverless: {standing['name']}" in told
    for route, word in (("openai", "newer"), ("serverless", "phi")):
        assert stack.run("chat", "--once", "hi", "--route", route).stdout == f"{word}: hi\n"
    assert stack.json("undeploy", "says-newer", "--yes")["route"] == "openai"


def test_undeploy_ends_both_and_the_model_stays(
    stack: ManagedStack, standing: dict[str, Any]
) -> None:
    """The last of this module: nothing stands after it."""
    gone = stack.json("undeploy", "--yes")
    assert {one["name"] for one in gone["deployments"]} == {
        standing["name"], standing["base"]["name"]
    }  # fmt: skip
    assert stack.cloud.arm.get_list(endpoints(stack), API) == []
    service = service_for(stack.cloud, stack.outputs, "serverless", stack.name)
    assert [str(model.ref) for model in service.models()] == ["travel-phi:1"]


def endpoints(stack: ManagedStack) -> str:
    outputs = stack.outputs
    return (
        f"/subscriptions/{outputs.subscription_id}/resourceGroups/{outputs.resource_group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{outputs.project}"
        "/serverlessEndpoints"
    )
