"""Sides by name: whom each way of naming finds, what decides its answers, what all are told."""

from pathlib import Path
from typing import Any

import pytest

from commands.evaluate.asked import Asked, Live, OnNode, Saved
from commands.evaluate.sides.resolving import resolve
from core.errors import CloudError, PrerequisiteError, SettingsError, UserError
from tests.evaluation_commands.standing_stack import (
    GPT,
    TUNED_GPT,
    Service,
    Stack,
    deployed,
    hosted,
    order,
    registered,
)
from tests.small_server import small_server
from training.evaluating import NodeSide

TRAVEL = registered("travel", "3", "2026-11-20", price_usd="1.5000", price_source="2 h of E4s")
OLDER = registered("travel", "2", "2026-11-10")
INT4 = registered("travel-int4", "1", "2026-11-21", exported_from="travel:3", export="int4",
                  job="int4-job")  # fmt: skip
PLAIN_BASE = registered("travel-base", "1", "2026-11-21", exported_from="travel:3", export="base")


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Stack:
    orders = {job: order(job) for job in ("travel-job-3", "travel-job-2")}
    models = [OLDER, TRAVEL, INT4, PLAIN_BASE]
    return Stack(models=models, orders=orders).answers(monkeypatch)


@pytest.fixture
def managed(monkeypatch: pytest.MonkeyPatch) -> Stack:
    service = Service()
    return Stack(service=service, managed=[
        (Hosting(), hosted("gpt-tuned", TUNED_GPT, "tuned")),
        (Hosting(), hosted("gpt-base", GPT, "base")),
    ]).answers(monkeypatch)  # fmt: skip


class Hosting:
    route = "openai"

    def access(self, hosted: Any) -> Any:
        raise AssertionError("nothing is opened before it is asked")


def sides(stack: Stack, *names: str, live: bool = False) -> tuple[Asked, ...]:
    return resolve(stack.session, names, live=live)


def source(asked: Asked) -> NodeSide:
    assert isinstance(asked.way, OnNode)
    return asked.way.source


def lane(asked: Asked) -> str:
    """Give the deployment that is asked, without opening anything."""
    assert isinstance(asked.way, Live)
    return asked.side.identity["deployment"]


def test_base_and_tuned_are_of_the_newest_model_on_a_node(stack: Stack) -> None:
    base, tuned = sides(stack, "base", "tuned")
    assert source(base) == NodeSide("base", "travel-job-3", "base")
    assert source(tuned) == NodeSide("tuned", "travel-job-3", "model", model="travel:3")
    assert (tuned.side.model, tuned.side.role, tuned.side.where) == ("travel:3", "tuned", "node")
    assert (base.side.role, base.side.model) == ("base", order("x").recipe.base.id)


def test_base_is_that_of_a_model_that_is_named_beside_it(stack: Stack) -> None:
    stack.models.append(registered("other", "1", "2026-11-22", base="another"))
    base, _ = sides(stack, "base", "travel:2")
    assert source(base).job == "travel-job-2"


def test_a_model_of_a_version_is_known_by_its_weights(stack: Stack) -> None:
    (before,) = sides(stack, "travel:3")
    stack.manifest = {"files_sha256": {"model.safetensors": "aa"}}
    (after,) = sides(stack, "travel:3")
    assert before.side.key != after.side.key
    (older,) = sides(stack, "travel:2")
    assert older.side.key != after.side.key


def test_a_base_model_has_one_key_however_many_were_tuned_from_it(stack: Stack) -> None:
    (first,) = sides(stack, "base")
    stack.models.append(registered("travel", "4", "2026-11-22", job="travel-job-2"))
    (second,) = sides(stack, "base")
    assert source(second).job == "travel-job-2"
    assert first.side.key == second.side.key


def test_live_asks_the_deployment_of_just_that_model(stack: Stack) -> None:
    stack.deployments = [
        deployed("v2", "travel:2", 90), deployed("v3-old", "travel:3", 0),
        deployed("v3", "travel:3", 10), deployed("b", "travel-base:1", serves="base"),
        deployed("q", "travel-int4:1"),
    ]  # fmt: skip
    found = sides(stack, "base", "tuned", "travel-int4:1", live=True)
    assert [lane(one) for one in found] == ["b", "v3", "q"]
    assert [one.side.model for one in found] == ["tiny", "travel:3", "travel-int4:1"]
    assert {one.side.where for one in found} == {"endpoint"}


def test_live_without_a_deployment_names_the_command_of_each(stack: Stack) -> None:
    stack.deployments = [deployed("v2", "travel:2", 100)]
    with pytest.raises(PrerequisiteError) as caught:
        sides(stack, "base", "tuned", live=True)
    assert "base: the base model tiny is not deployed" in str(caught.value)
    assert "tuned: travel:3 is not deployed" in str(caught.value)
    assert "deploy --model travel:3 --stack dev" in caught.value.hint
    assert "deploy --model travel:3 --with-base --stack dev" in caught.value.hint


def test_a_deployed_base_of_another_model_is_not_taken_for_this_one(stack: Stack) -> None:
    stack.models.append(registered("x-base", "1", "2026-11-01", base="other"))
    stack.deployments = [deployed("b", "x-base:1", serves="base")]
    with pytest.raises(PrerequisiteError, match="b serves x-base:1"):
        sides(stack, "base", live=True)


def test_a_deployment_made_anew_under_its_name_has_another_key(stack: Stack) -> None:
    stack.deployments = [deployed("v3", "travel:3", 100)]
    (before,) = sides(stack, "endpoint/v3")
    stack.deployments = [deployed("v3", "travel:3", 100, created="2026-11-21T10:00:00+00:00")]
    (after,) = sides(stack, "endpoint/v3")
    assert before.side.key != after.side.key


def test_an_export_says_where_it_answers(stack: Stack) -> None:
    with pytest.raises(UserError, match=r"int4.*answers where it is deployed") as caught:
        sides(stack, "travel-int4:1")
    assert "tunestack deploy --model travel-int4:1 --stack dev" in caught.value.hint
    stack.deployments = [deployed("q", "travel-int4:1")]
    with pytest.raises(UserError) as caught:
        sides(stack, "travel-int4:1")
    assert "endpoint/q" in caught.value.hint


def test_a_base_model_with_plain_weights_answers_on_a_node_as_a_model(stack: Stack) -> None:
    (found,) = sides(stack, "travel-base:1")
    assert source(found) == NodeSide("travel-base:1", "travel-job-3", "model", "travel-base:1")
    assert (found.side.role, found.side.price.training_usd) == ("base", 0.0)


def test_a_checkpoint_is_judged_by_the_losses_at_its_step(stack: Stack) -> None:
    stack.checkpoints = [20, 40]
    stack.report = (
        b'{"curve": [{"step": 10, "loss": 1.2}, {"step": 20, "loss": 0.8},'
        b' {"step": 40, "loss": 0.2}], "evaluations": [{"step": 20, "eval_loss": 1.3},'
        b' {"step": 40, "eval_loss": 1.6}]}'
    )
    early, late = sides(stack, "travel-job-3@20", "travel-job-3@40")
    assert source(early) == NodeSide("travel-job-3@20", "travel-job-3", "checkpoint", step=20)
    assert early.side.overfit is not None
    assert late.side.overfit is not None
    assert (early.side.overfit.ratio, early.side.overfit.band) == (1.3, "mild")
    assert late.side.overfit.band == "severe"
    with pytest.raises(UserError, match="kept are 20, 40"):
        sides(stack, "travel-job-3@30")


def test_what_a_route_serves_and_what_is_named_by_its_deployment(stack: Stack) -> None:
    stack.deployments = [deployed("v2", "travel:2", 90), deployed("v3", "travel:3", 10)]
    route, canary = sides(stack, "azureml/tuned", "endpoint/v3")
    assert (lane(route), lane(canary)) == ("v2", "v3")
    assert canary.side.model == "travel:3"


def test_all_that_is_wrong_is_told_at_once(stack: Stack) -> None:
    stack.deployments = [deployed("v2", "travel:2", state="Updating")]
    names = ("travle:3", "nothere", "endpoint/v2", "route/tuned", "job@last", "x.jsonl", "travle:3")
    with pytest.raises(SettingsError) as caught:
        sides(stack, *names)
    for told in (
        "There is no model travle:3", "There is no model nothere", "v2 answers; it is Updating",
        "route/tuned: there is no such side", "job@last: a checkpoint", "x.jsonl: No such file",
        "travle:3 is named twice",
    ):  # fmt: skip
        assert told in str(caught.value)
    assert "tunestack models list" in caught.value.hint


def test_one_finding_keeps_its_own_exit_code(stack: Stack) -> None:
    with pytest.raises(PrerequisiteError, match="nothing is deployed"):
        sides(stack, "travel:3", "endpoint/v3")


def test_one_model_under_two_names_is_refused(stack: Stack) -> None:
    with pytest.raises(SettingsError, match=r"tuned and travel:3 are the same: travel:3\."):
        sides(stack, "tuned", "travel:3")


def test_managed_models_answer_where_they_are_deployed(managed: Stack) -> None:
    base, tuned = sides(managed, "base", "tuned")
    assert [lane(one) for one in (base, tuned)] == ["gpt-base", "gpt-tuned"]
    assert [one.side.role for one in (base, tuned)] == ["base", "tuned"]
    assert [one.side.model for one in (base, tuned)] == [GPT, f"{TUNED_GPT}:1"]
    (route,) = sides(managed, "openai/tuned")
    assert route.side.key == tuned.side.key
    assert isinstance(tuned.way, Live)
    assert tuned.way.workers == 4


def test_a_small_capacity_is_asked_one_at_a_time(managed: Stack) -> None:
    managed.managed = [(Hosting(), hosted("gpt-tuned", TUNED_GPT, "tuned", capacity=5))]
    (tuned,) = sides(managed, "tuned")
    assert isinstance(tuned.way, Live)
    assert tuned.way.workers == 1


def test_a_managed_checkpoint_that_is_not_deployed_names_the_command(managed: Stack) -> None:
    with pytest.raises(PrerequisiteError) as caught:
        sides(managed, "ftjob-1@20")
    assert f"deploy --model {TUNED_GPT}:1 --checkpoint 20 --stack dev" in caught.value.hint
    managed.managed.append((Hosting(), hosted("c20", f"{TUNED_GPT}:ckpt-step-20", "tuned")))
    (found,) = sides(managed, "ftjob-1@20")
    assert (lane(found), found.side.role) == ("c20", "checkpoint")
    (same,) = sides(managed, "endpoint/c20")
    assert same.side.key == found.side.key
    assert same.side.role == "checkpoint"


def test_a_managed_model_is_judged_by_the_services_losses(managed: Stack) -> None:
    (tuned,) = sides(managed, "tuned")
    assert tuned.side.overfit is not None
    assert (tuned.side.overfit.ratio, tuned.side.overfit.band) == (1.6, "moderate")


def test_saved_answers_are_known_by_their_content(stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "others.jsonl"
    path.write_text('{"messages": [{"role": "user", "content": "Hi"}], "reply": "Hello"}\n')
    (before,) = sides(stack, str(path))
    assert isinstance(before.way, Saved)
    path.write_text('{"messages": [{"role": "user", "content": "Hi"}], "reply": "Bye"}\n')
    (after,) = sides(stack, str(path))
    assert before.side.key != after.side.key


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("TUNESTACK_API_KEY", raising=False)


@pytest.mark.usefixtures("no_proxy")
def test_an_address_is_asked_for_its_models_with_the_key(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNESTACK_API_KEY", "secret-key")
    with small_server() as server:
        rows = [{"id": "tuned", "owned_by": "tunestack", "model": "travel:3", "created": 7}]
        server.said["/v1/models"] = (200, {"data": rows})
        (found,) = sides(stack, f"{server.address}/v1/")
        assert server.asked[0][1]["Authorization"] == "Bearer secret-key"
        rows[0] |= {"model": "travel:4", "created": 8}
        (other,) = sides(stack, f"{server.address}/v1/")
    assert found.side.model == "tuned"
    assert found.side.key != other.side.key
    assert "secret-key" not in found.side.model_dump_json()
    assert isinstance(found.way, Live)
    line = found.way.open()
    assert line.endpoint.scoring_url == f"{server.address}/v1/chat/completions"
    assert line.access.fields == {"model": "tuned"}
    assert "secret-key" not in repr(line)


@pytest.mark.usefixtures("no_proxy")
def test_an_address_with_several_models_wants_one_named(stack: Stack) -> None:
    with small_server() as server:
        server.said["/v1/models"] = (200, {"data": [{"id": "base"}, {"id": "tuned"}]})
        with pytest.raises(SettingsError, match="It has base, tuned"):
            sides(stack, f"{server.address}/v1")
        with pytest.raises(SettingsError, match="no model v9; it has base, tuned"):
            sides(stack, f"{server.address}/v1#v9")
        (found,) = sides(stack, f"{server.address}/v1#tuned")
    assert (found.side.model, found.side.name) == ("tuned", f"{server.address}/v1#tuned")


@pytest.mark.usefixtures("no_proxy")
def test_an_address_that_nobody_is_at_is_told(stack: Stack) -> None:
    with small_server() as server:
        address = server.address
    with pytest.raises(CloudError, match="cannot be reached"):
        sides(stack, f"{address}/v1#m")


def test_a_key_goes_nowhere_in_clear_and_an_address_holds_none(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNESTACK_API_KEY", "secret-key")
    with pytest.raises(SettingsError, match=r"would go to models\.example unencrypted"):
        sides(stack, "http://models.example/v1#m")
    with pytest.raises(SettingsError, match="written into every report") as caught:
        sides(stack, "https://me:hidden@models.example/v1#m")
    assert "hidden" not in str(caught.value)
