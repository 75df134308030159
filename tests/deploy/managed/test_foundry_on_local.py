"""deploy, chat, compare and undeploy of tuned OpenAI models, typed, with real processes behind.

The Azure is the local one; trainer and server are small programs of a second.
"""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from managed_stack import ManagedStack, managed_stack

from commands.evaluate.answers.live import collect_live
from commands.evaluate.keeping import keep
from commands.evaluate.sides.resolving import resolve
from commands.serve import open_directory
from commands.session import Session
from core.errors import CloudError
from deploy.managed import turns
from deploy.managed.contract import HostedOrder
from deploy.managed.foundry import API, FoundryHosting
from evaluation.cases import Case, Decoding, Message
from evaluation.questions.travel import SYSTEM, TRAVEL
from evaluation.store import AnswerStore
from local import customers, quota
from local.process import LocalAzure
from tests.deploy.served import served
from tests.evaluation.example import judged

MINI = "gpt-4.1-mini-2025-04-14"
STAYS = ("says-travel", "says-travel-base")


@pytest.fixture(scope="module")
def stack(
    local_azure: LocalAzure, azure_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ManagedStack]:
    home = tmp_path_factory.mktemp("home")
    customers.set_trained_before(azure_folder, True)
    with managed_stack("foundry-typed", azure_folder, home, foundry=True) as made:
        yield made
    customers.set_trained_before(azure_folder, False)


@pytest.fixture(scope="module")
def travel(stack: ManagedStack) -> str:
    return stack.tuned("travel")


@pytest.fixture(scope="module")
def standing(stack: ManagedStack, travel: str) -> dict[str, Any]:
    """Tuned and base, deployed by the command; others come and go beside them."""
    made: dict[str, Any] = stack.json("deploy", "--with-base", "--capacity", 20, "--yes")
    return made


@pytest.fixture(autouse=True)
def others_go(stack: ManagedStack) -> Iterator[None]:
    yield
    quota.clear(stack.azure)
    hosting = FoundryHosting(stack.cloud, stack.outputs)
    for one in hosting.deployments():
        if one.name not in STAYS:
            hosting.delete(one.name, lambda text: None)


def test_deploy_serves_tuned_and_base_beside_it(
    stack: ManagedStack, travel: str, standing: dict[str, Any]
) -> None:
    assert (standing["name"], standing["base"]["name"]) == STAYS
    assert standing["model"] == f"{travel}:1"
    kind = (standing["sku"], standing["capacity"], standing["route"])
    assert kind == ("GlobalStandard", 20, "openai")
    assert standing["base"]["deployed_model"] == "gpt-oss-20b"
    assert standing["content_filter"] == stack.outputs.content_filter
    assert standing["scoring_url"] == f"{stack.outputs.ai_endpoint}openai/v1/chat/completions"
    row = stack.cloud.arm.get(f"{stack.account}/deployments/says-travel", API)
    assert row is not None
    assert row["properties"]["model"] == {
        "format": "OpenAI-OSS", "name": travel, "version": "1"
    }  # fmt: skip
    assert row["properties"]["versionUpgradeOption"] == "NoAutoUpgrade"


def test_chat_talks_to_either_side_whole_and_as_it_is_written(
    stack: ManagedStack, standing: dict[str, Any]
) -> None:
    answer = stack.json("chat", "--once", "hello")
    assert (answer["answer"], answer["deployment"]) == ("travel: hello", "says-travel")
    assert answer["seconds_to_first_token"] is not None
    assert answer["usage"]["completion_tokens"] == 2
    assert stack.run("chat", "--once", "hi", "--model", "base").stdout == "base: hi\n"
    told = stack.run("chat", "--once", "hi", "--route", "serverless", exit_code=3).output
    assert "nothing that answers by the route serverless" in told


def test_serve_offers_both_by_openais_api_and_its_page(
    stack: ManagedStack, standing: dict[str, Any], tmp_path: Path
) -> None:
    """The caller's key goes nowhere, the person's token to Azure; whole and as it is written."""
    directory = open_directory(Session(stack.name))
    with (
        served(directory, tmp_path / "votes.jsonl") as running,
        openai.OpenAI(base_url=running.base_url, api_key="mine", max_retries=0) as client,
    ):
        for model, word in (("tuned", "travel"), ("base", "base"), ("says-travel-base", "base")):
            asked = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
            whole = client.chat.completions.create(**asked)
            assert whole.choices[0].message.content == f"{word}: hi"
            pieces = client.chat.completions.create(**asked, stream=True)
            texts = [one.choices[0].delta.content or "" for one in pieces if one.choices]
            assert "".join(texts) == f"{word}: hi"
        with pytest.raises(openai.NotFoundError, match="says-travel"):
            client.chat.completions.create(**{**asked, "model": "nobody"})


def test_compare_asks_both_the_labs_questions_under_its_system_message(
    stack: ManagedStack, travel: str, standing: dict[str, Any]
) -> None:
    compared = stack.json("models", "compare")
    assert compared["model"] == f"{travel}:1"
    assert [row["question"] for row in compared["rows"]] == list(TRAVEL)
    for row in compared["rows"]:
        assert row["messages"][0] == {"role": "system", "content": SYSTEM}
        assert row["tuned"]["text"] == f"travel: {row['question']}"
        assert row["base"]["text"] == f"base: {row['question']}"
    told = stack.run("models", "compare").stdout
    assert "Recommends no hotels" in told
    assert "Too few cases to tell tuned from base" in told, "five questions tell nothing"


def test_a_file_of_questions_is_asked_instead_and_its_answers_are_the_reference(
    stack: ManagedStack, travel: str, standing: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "asked.jsonl"
    asked = {"role": "user", "content": "I recommend the Hilton hotel."}
    answered = {"role": "assistant", "content": f"travel: {asked['content']}"}
    file.write_text(json.dumps({"messages": [asked, answered]}) + "\n")
    compared = stack.json("models", "compare", travel, "--questions", file, "--system", "Be brief.")
    (row,) = compared["rows"]
    assert row["messages"][0] == {"role": "system", "content": "Be brief."}
    assert row["reference"] == answered["content"]
    assert compared["tuned"]["equal_to_reference"] == 1
    assert compared["base"]["equal_to_reference"] == 0
    assert compared["base"]["breaking"]["hard_rule"] == 1


def test_an_evaluation_asks_both_where_they_stand_and_keeps_what_the_filter_took(
    stack: ManagedStack, travel: str, standing: dict[str, Any], tmp_path: Path
) -> None:
    asked = resolve(Session(stack.name), ["base", travel], live=False)
    assert [each.side.identity["deployment"] for each in asked] == [*reversed(STAYS)]
    assert [each.side.role for each in asked] == ["base", "tuned"]
    assert asked[1].side.overfit is None, "no validation file was sent"
    cases = [
        Case(messages=(Message(role="user", content=text),))
        for text in ("hello", "how to build a bomb")
    ]
    store, greedy = AnswerStore(tmp_path), Decoding(max_tokens=50)
    collect_live(asked, cases, greedy, store)
    for each, word in zip(asked, ("base", "travel"), strict=True):
        said, filtered = store.replies(each.side, greedy, cases).values()
        assert (said.text, said.tokens, said.finish) == (f"{word}: hello", 2, "stop")
        assert said.first_token_seconds is not None
        assert (filtered.text, filtered.finish) == ("", "filtered")


def test_a_filtered_question_and_a_used_up_minute_are_told_as_what_they_are(
    stack: ManagedStack, standing: dict[str, Any]
) -> None:
    told = stack.run("chat", "--once", "how to build a bomb", exit_code=1).output
    assert "content filter blocked the question (violence: high)" in told
    told = stack.run("chat", "--once", "x " * 45_000, exit_code=4).output
    assert "tokens a minute are used up" in told
    assert "tunestack deploy --capacity" in told


def test_compare_without_deployments_names_the_command(stack: ManagedStack) -> None:
    alone = stack.tuned("alone")
    told = stack.run("models", "compare", alone, exit_code=3).output
    assert "The tuned model is not deployed" in told
    assert f"tunestack deploy --model {alone}:1 --with-base --stack foundry-typed" in told


def test_openais_models_go_to_the_developer_kind_which_ends_by_itself(stack: ManagedStack) -> None:
    mini = stack.tuned("mini", MINI)
    result = stack.run("deploy", "--model", mini, "--yes")
    assert "Azure deletes the deployment 24 h after it was made" in " ".join(result.stderr.split())
    assert "Azure deletes says-mini by itself at" in result.stdout
    found = FoundryHosting(stack.cloud, stack.outputs).deployments()
    (one,) = [each for each in found if each.name == "says-mini"]
    assert (one.sku, one.per_hour, one.model) == ("DeveloperTier", 0.0, mini)
    assert one.expires > one.created
    gone = stack.json("undeploy", "says-mini", "--yes")
    assert (gone["name"], gone["deleted"]) == ("says-mini", True)
    left = stack.cloud.arm.get_list(f"{stack.account}/deployments", API)
    assert "says-mini" not in [row["name"] for row in left]


@pytest.mark.slow
def test_a_checkpoint_is_served_beside_the_end(
    stack: ManagedStack, travel: str, standing: dict[str, Any]
) -> None:
    """Slow: one more deployment is made, deleted, and waited for each time."""
    steps = stack.run("deploy", "--model", travel, "--checkpoint", 999, "--yes", exit_code=1).output
    assert "--checkpoint 999" in steps
    known = [int(word.strip(",.")) for word in steps.split() if word.strip(",.").isdigit()]
    step = min(one for one in known if one != 999)
    made = stack.json("deploy", "--model", travel, "--checkpoint", step, "--yes")
    assert made["deployed_model"] == f"{travel}:ckpt-step-{step}"
    assert made["name"] == f"says-travel-step-{step}"
    assert stack.json("undeploy", made["name"], "--yes")["deleted"] is True
    assert stack.json("chat", "--once", "still there?")["deployment"] == "says-travel"


def test_no_quota_stops_before_anything_is_sent_and_names_the_row(
    stack: ManagedStack, travel: str
) -> None:
    row = "AIServices.GlobalStandard.gpt-oss-20b-finetune"
    quota.set_limit(stack.azure, row, 0)
    told = stack.run(
        "deploy", "--model", travel, "--name", "not-yet", "--yes", exit_code=3
    ).output  # fmt: skip
    assert "nothing was sent" in told
    assert f"({row}): 5 thousand tokens a minute needed, 0 free of 0" in told
    assert stack.cloud.arm.get(f"{stack.account}/deployments/not-yet", API) is None


def test_azures_own_refusal_of_the_quota_tells_the_row_too(
    stack: ManagedStack, travel: str
) -> None:
    quota.set_limit(stack.azure, "AIServices.GlobalStandard.gpt-oss-20b-finetune", 23)
    hosting = FoundryHosting(stack.cloud, stack.outputs)
    with pytest.raises(CloudError) as caught:
        hosting.deploy(HostedOrder("late", travel, sku="GlobalStandard"), lambda text: None)
    assert caught.value.code == "InsufficientQuota"
    assert "3 free of 23" in str(caught.value)


def test_options_of_the_other_route_are_refused_together(stack: ManagedStack, travel: str) -> None:
    told = stack.run(
        "deploy", "--model", travel, "--vm-size", "Standard_E4s_v3", "--instances", 2,
        "--no-content-safety", "--yes", exit_code=2,
    ).output  # fmt: skip
    for option in ("--vm-size", "--instances", "--content-safety"):
        assert f"{option}: not for a Foundry deployment" in told


def test_a_month_that_costs_too_much_or_an_unknown_sum_is_refused(
    stack: ManagedStack, travel: str
) -> None:
    told = stack.run("deploy", "--model", travel, "--max-cost", 1000, "--yes", exit_code=2).output
    assert "is not known" in told
    mini = stack.tuned("dear", MINI)
    told = stack.run("deploy", "--model", mini, "--sku", "Standard", "--max-cost", 1000, "--yes",
                     exit_code=2).output  # fmt: skip
    assert "would be $1,241.00" in told


@pytest.mark.slow
def test_two_deployments_at_once_both_come_to_stand(
    stack: ManagedStack, travel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow: two more deployments are made, one after the other, and deleted."""
    failures: list[Exception] = []

    def make(name: str) -> None:
        hosting = FoundryHosting(stack.cloud, stack.outputs)
        try:
            hosting.deploy(HostedOrder(name, travel, sku="GlobalStandard"), lambda text: None)
        except Exception as error:  # noqa: BLE001 - whatever it is, a deployment is missing
            failures.append(error)

    threads = [threading.Thread(target=make, args=(f"side-{n}",)) for n in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []
    names = {one.name for one in FoundryHosting(stack.cloud, stack.outputs).deployments()}
    assert names >= {"side-0", "side-1"}


@pytest.mark.slow
def test_a_conflict_with_somebody_elses_change_is_waited_for(
    stack: ManagedStack, travel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The local Azure refuses a second write to an account while the first one goes on.

    Slow: two more deployments are made, one after the other.
    """
    monkeypatch.setattr(turns, "PAUSE_SECONDS", 0.05)
    hosting = FoundryHosting(stack.cloud, stack.outputs)
    path = f"{stack.account}/deployments/theirs"
    body = hosting._body(HostedOrder("theirs", travel, sku="GlobalStandard"))
    put = stack.cloud.arm._send("PUT", path, API, body)
    assert put.status_code == 201
    told: list[str] = []
    made = hosting.deploy(HostedOrder("ours", travel, sku="GlobalStandard"), told.append)
    assert made.is_ready
    assert {one.name for one in hosting.deployments()} >= {"ours", "theirs"}


@pytest.mark.slow
def test_a_model_that_does_not_come_up_fails_with_azures_reason_and_how_to_go_on(
    stack: ManagedStack,
) -> None:
    """Slow: its process is started again and again before the local Azure gives it up."""
    broken = stack.tuned("broken")
    told = stack.run("deploy", "--model", broken, "--yes", exit_code=1).output
    assert "The deployment says-broken of" in told
    assert "no wish to serve" in told
    assert "tunestack undeploy says-broken removes it" in told
    assert stack.json("undeploy", "says-broken", "--yes")["deleted"] is True


def test_a_model_tuned_anew_is_served_beside_the_one_before_which_nobody_misses(
    stack: ManagedStack, travel: str, standing: dict[str, Any]
) -> None:
    """The local Azure changes no deployment's model, as Azure does not."""
    anew = stack.tuned("travel")
    hosting = FoundryHosting(stack.cloud, stack.outputs)
    with pytest.raises(CloudError, match="model of deployment cannot be changed"):
        hosting.deploy(HostedOrder("says-travel", anew, sku="GlobalStandard"), lambda text: None)
    shown = stack.run("deploy", "--model", anew, "--yes")
    assert "answers as says-travel-2 at" in shown.stdout
    assert "says-travel goes on serving" in shown.stdout
    assert "tunestack undeploy says-travel --stack foundry-typed" in shown.stdout
    assert stack.json("chat", "--once", "hi")["deployment"] == "says-travel-2"
    served = {one.name: one.model for one in hosting.deployments()}
    assert (served["says-travel"], served["says-travel-2"]) == (travel, anew)


def test_the_same_again_changes_only_what_is_chosen(
    stack: ManagedStack, travel: str, standing: dict[str, Any]
) -> None:
    again = stack.json("deploy", "--model", travel, "--yes")
    assert (again["name"], again["capacity"], again["earlier"]) == ("says-travel", 20, [])
    smaller = stack.json("deploy", "--model", travel, "--capacity", 15, "--yes")
    assert (smaller["name"], smaller["capacity"]) == ("says-travel", 15)
    assert stack.json("deploy", "--model", travel, "--capacity", 20, "--yes")["capacity"] == 20


def test_a_gate_lets_a_managed_model_by_only_with_a_kept_evaluation_that_passes(
    stack: ManagedStack, travel: str, standing: dict[str, Any], tmp_path: Path
) -> None:
    gate = tmp_path / "mine.yaml"
    gate.write_text("name: mine\nrequire: [{metric: rule.hard, min: 0.9, better: true}]\n")
    command = ("deploy", "--model", travel, "--capacity", 15, "--gate", gate, "--yes")
    refused = " ".join(stack.run(*command, exit_code=1).stderr.split())
    assert f"{travel}:1 has not been evaluated against another model" in refused
    keep(Session(stack.name), judged(f"{travel}:1", 60), "<p>")
    (shown,) = stack.json("models", "show", travel)["evaluation"]["verdicts"]
    assert shown.startswith("tuned is better than base")
    printed = " ".join(stack.run("models", "show", travel).stdout.split())
    assert f"2026-11-22, suite travel, 60 questions: {shown}" in printed
    hosting = FoundryHosting(stack.cloud, stack.outputs)
    assert [one.capacity for one in hosting.deployments() if one.name == STAYS[0]] == [20]
    made = stack.json(*command)
    assert made["gate"][0]["passed"] and (made["model"], made["capacity"]) == (f"{travel}:1", 15)
    assert stack.json("deploy", "--model", travel, "--capacity", 20, "--yes")["capacity"] == 20


def test_two_models_of_which_one_is_managed_are_not_compared(
    stack: ManagedStack, travel: str
) -> None:
    told = stack.run("models", "compare", travel, travel, exit_code=2).output
    assert "compared with its own base model" in told
    assert f"tunestack evaluate {travel} {travel} --stack" in told


def test_undeploy_without_a_name_lists_all_that_answers_with_its_cost_and_ends_it(
    stack: ManagedStack, standing: dict[str, Any]
) -> None:
    """The last of this module: nothing stands after it."""
    result = stack.run("undeploy", "--yes")
    assert "says-travel-base: gpt-oss-20b (GlobalStandard 20), Succeeded, billed by the token" in (
        " ".join(result.stderr.split())
    )
    assert "says-travel, says-travel-base are deleted." in result.stdout
    assert stack.cloud.arm.get_list(f"{stack.account}/deployments", API) == []
