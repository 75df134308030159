"""Blue and green: who takes traffic when, held to its promises at every single call."""

from pathlib import Path
from typing import Any

import pytest

from core.errors import CloudError, DeploymentFailed, SettingsError
from core.refs import ModelRef
from deploy.endpoint import find
from deploy.releasing import history
from deploy.releasing.order import DeployOrder
from deploy.releasing.rollback import begin, finish, go_back, way_back
from deploy.releasing.rollout import deploy
from deploy.releasing.traffic import move, parse_shares, resolve
from tests.deploy.kept_endpoint import KeptEndpoint, Killed, outputs

PROGRAM = Path(__file__).parent / "quick_serving"
SIZE = "Standard_E4s_v3"
OUT = outputs()


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the endpoint at hand be asked, and nobody wait."""
    monkeypatch.setattr(
        "deploy.releasing.health.require_answer",
        lambda access, name, runtime="": access.secret.__self__.require_answer(access, name),
    )
    monkeypatch.setattr("deploy.releasing.rollout.open_access", _access)
    monkeypatch.setattr("deploy.releasing.traffic.open_access", _access)
    monkeypatch.setattr("deploy.releasing.deployment.POLL_SECONDS", 0)


def _access(cloud: KeptEndpoint, _: Any, endpoint: Any) -> Any:
    from deploy.access import Access

    return Access(endpoint, cloud._count)  # type: ignore[arg-type]


def order(model: str, **chosen: Any) -> DeployOrder:
    return DeployOrder(ModelRef(name=model, version="1"), SIZE, **chosen)


def do(cloud: KeptEndpoint, model: str, **chosen: Any) -> None:
    deploy(cloud, OUT, order(model, **chosen), program=PROGRAM)  # type: ignore[arg-type]


def roll_back(cloud: KeptEndpoint, keep: bool = False) -> bool:
    """Go back as the command does, without its questions."""
    state = find(cloud, OUT)  # type: ignore[arg-type]
    assert state is not None
    way = way_back(state)
    if way is None:
        return False
    if way.to is not None:
        go_back(cloud, OUT, state, way, keep=keep)  # type: ignore[arg-type]
        return True
    begin(cloud, OUT, way)  # type: ignore[arg-type]
    deploy(cloud, OUT, way.order(keep=keep), program=PROGRAM)  # type: ignore[arg-type]
    finish(cloud, OUT)  # type: ignore[arg-type]
    return True


def served(*models: str, **last: Any) -> KeptEndpoint:
    cloud = KeptEndpoint()
    for model in models[:-1]:
        do(cloud, model)
    do(cloud, models[-1], **last)
    return cloud


def test_a_new_model_is_asked_before_it_gets_all_traffic_and_the_old_one_goes_last() -> None:
    cloud = served("one")
    cloud.calls.clear()
    do(cloud, "two")
    (old,) = [call for call in cloud.calls if call.startswith("delete")]
    new = next(iter(cloud.shares))
    assert cloud.calls == [
        "put two:1", "wait two:1", f"ask {new}", f"put endpoint {{'{new}': 100}}", old,
    ]  # fmt: skip
    assert cloud.models_served == {"two:1": 100}


def test_a_canary_gets_its_share_and_the_old_one_keeps_the_rest_and_stays() -> None:
    cloud = served("one", "two", canary=10)
    assert cloud.models_served == {"two:1": 10, "one:1": 90}
    assert cloud.standing == ["one:1", "two:1"]


def test_the_same_order_again_changes_nothing_and_without_canary_promotes() -> None:
    cloud = served("one", "two", canary=10)
    cloud.changes.clear()
    do(cloud, "two", canary=10)
    assert cloud.changes == []
    do(cloud, "two", canary=30)
    assert cloud.models_served == {"two:1": 30, "one:1": 70}
    do(cloud, "two")
    assert (cloud.models_served, cloud.standing) == ({"two:1": 100}, ["two:1"])
    cloud.changes.clear()
    do(cloud, "two")
    do(cloud, "two", canary=10)
    assert cloud.changes == []


def test_a_canary_with_nobody_beside_it_gets_everything() -> None:
    assert served("one", canary=10).models_served == {"one:1": 100}


def test_a_newer_canary_takes_the_older_ones_place_and_never_the_live_ones() -> None:
    cloud = served("one", "two", canary=10)
    do(cloud, "three", canary=20)
    assert cloud.models_served == {"one:1": 80, "three:1": 20}
    assert cloud.standing == ["one:1", "three:1"]


def test_kept_is_what_is_ready_and_nothing_else() -> None:
    cloud = served("one", "two", keep=True)
    assert (cloud.models_served, cloud.standing) == ({"two:1": 100}, ["one:1", "two:1"])


def test_instances_alone_are_changed_in_place_and_stay_for_the_next_model() -> None:
    cloud = served("one")
    cloud.changes.clear()
    do(cloud, "one", instances=3)
    assert cloud.changes == ["deployment one:1"]
    cloud.changes.clear()
    do(cloud, "one")
    assert cloud.changes == []
    do(cloud, "two")
    (only,) = cloud.deployments.values()
    assert (only.instance_count, cloud.models_served) == (3, {"two:1": 100})


def test_a_deployment_that_cannot_be_scaled_is_not_deleted_as_it_takes_traffic() -> None:
    cloud = served("one")
    cloud.broken.add("one")
    with pytest.raises(DeploymentFailed) as caught:
        do(cloud, "one", instances=2)
    assert "not removed" in caught.value.hint
    assert cloud.models_served == {"one:1": 100}
    cloud.broken.clear()
    do(cloud, "one", instances=2)
    (only,) = cloud.deployments.values()
    assert (only.provisioning_state, only.instance_count) == ("Succeeded", 2)


@pytest.mark.parametrize("kind", ["broken", "mute"])
def test_what_fails_is_removed_and_the_live_one_keeps_everything(kind: str) -> None:
    cloud = served("one")
    getattr(cloud, kind).add("two")
    for chosen in ({}, {"canary": 10}):
        with pytest.raises(DeploymentFailed) as caught:
            do(cloud, "two", **chosen)
        live = next(iter(cloud.shares))
        assert "It was removed." in caught.value.hint
        assert f"{live} still answers" in caught.value.hint
        assert (cloud.models_served, cloud.standing) == ({"one:1": 100}, ["one:1"])


def test_what_could_not_be_removed_is_said_as_it_costs() -> None:
    cloud = served("one")
    cloud.broken.add("two")
    cloud.refuse_delete = True
    with pytest.raises(DeploymentFailed) as caught:
        do(cloud, "two")
    name = next(name for name in cloud.deployments if name not in cloud.shares)
    assert f"{name} could NOT be removed and costs" in caught.value.hint
    assert f"tunestack undeploy {name}" in caught.value.hint
    cloud.refuse_delete = False
    cloud.broken.clear()
    do(cloud, "two")
    assert (cloud.models_served, cloud.standing) == ({"two:1": 100}, ["two:1"])


def test_the_log_and_the_cause_of_a_failure_are_told() -> None:
    cloud = KeptEndpoint(broken={"two"})
    with pytest.raises(DeploymentFailed, match="loading") as caught:
        do(cloud, "two")
    assert "[model-refused]" in str(caught.value)
    assert "tunestack models export" in caught.value.hint
    assert "empty endpoint costs nothing" in caught.value.hint


def test_entra_is_chosen_once_and_another_way_is_refused_before_anything() -> None:
    cloud = served("one", auth="entra")
    assert cloud.endpoint.auth_mode == "aad_token"
    do(cloud, "two")
    assert cloud.endpoint.auth_mode == "aad_token"
    cloud.calls.clear()
    with pytest.raises(SettingsError, match="was made with --auth entra") as caught:
        do(cloud, "three", auth="key")
    assert "undeploy" in caught.value.hint and "keys are new" in caught.value.hint
    assert cloud.calls == []


def test_the_base_model_stands_beside_without_traffic_and_is_asked() -> None:
    base = ModelRef(name="one-base", version="1")
    cloud = served("one", base=base)
    assert cloud.models_served == {"one:1": 100}
    state = find(cloud, OUT)  # type: ignore[arg-type]
    assert state is not None
    beside = state.serving("base")
    assert beside is not None and (beside.model, beside.traffic) == ("one-base:1", 0)
    assert beside.name in cloud.answered
    cloud.changes.clear()
    do(cloud, "one", base=base)
    assert cloud.changes == []
    do(cloud, "two")
    assert cloud.standing == ["one-base:1", "two:1"]
    do(cloud, "two", base=ModelRef(name="two-base", version="1"))
    assert cloud.standing == ["two-base:1", "two:1"]


def test_a_tag_of_somebody_else_stays_on_endpoint_and_deployment() -> None:
    cloud = served("one")
    cloud.endpoint.tags["someone"] = "else"
    (only,) = cloud.deployments.values()
    only.tags["someone"] = "else"
    do(cloud, "one", instances=2)
    do(cloud, "two", keep=True)
    assert cloud.endpoint.tags["someone"] == "else"
    assert cloud.deployments[only.name].tags["someone"] == "else"


def test_rollback_of_a_canary_gives_the_old_one_everything() -> None:
    cloud = served("one", "two", canary=10)
    assert roll_back(cloud)
    assert (cloud.models_served, cloud.standing) == ({"one:1": 100}, ["one:1"])
    assert not roll_back(cloud)


def test_rollback_to_one_that_stands_is_a_matter_of_traffic() -> None:
    cloud = served("one", "two", keep=True)
    cloud.calls.clear()
    assert roll_back(cloud)
    assert not any(call.startswith("put one") for call in cloud.calls)
    assert (cloud.models_served, cloud.standing) == ({"one:1": 100}, ["one:1"])


def test_rollback_keeps_the_newer_one_where_asked() -> None:
    cloud = served("one", "two", keep=True)
    assert roll_back(cloud, keep=True)
    assert (cloud.models_served, cloud.standing) == ({"one:1": 100}, ["one:1", "two:1"])


def test_rollback_makes_what_was_removed_again_step_by_step_back() -> None:
    cloud = KeptEndpoint()
    do(cloud, "one", instances=2)
    do(cloud, "two", instances=1)
    do(cloud, "three")
    assert roll_back(cloud)
    assert (cloud.models_served, cloud.standing) == ({"two:1": 100}, ["two:1"])
    assert roll_back(cloud)
    (only,) = cloud.deployments.values()
    assert (cloud.models_served, only.instance_count) == ({"one:1": 100}, 2)
    assert not roll_back(cloud)
    assert history.LEAVING not in cloud.endpoint.tags


def test_a_deployment_that_no_longer_answers_gets_nothing_back() -> None:
    cloud = served("one", "two", keep=True)
    cloud.mute.add("one")
    with pytest.raises(DeploymentFailed):
        roll_back(cloud)
    assert cloud.models_served == {"two:1": 100}


STORIES = {
    "first": ([], lambda cloud: do(cloud, "one")),
    "replace": (["one"], lambda cloud: do(cloud, "two")),
    "canary": (["one"], lambda cloud: do(cloud, "two", canary=10)),
    "scale": (["one"], lambda cloud: do(cloud, "one", instances=2)),
    "with-base": (
        ["one"],
        lambda cloud: do(cloud, "two", base=ModelRef(name="two-base", version="1")),
    ),
}


@pytest.mark.parametrize("kills_after", [False, True])
@pytest.mark.parametrize("story", STORIES)
def test_killed_at_any_call_the_same_order_goes_on_to_the_same_end(
    story: str, kills_after: bool
) -> None:
    before, act = STORIES[story]
    whole = served(*before) if before else KeptEndpoint()
    whole.calls.clear()
    act(whole)
    for place in range(1, len(whole.calls) + 1):
        cloud = served(*before) if before else KeptEndpoint()
        cloud.calls.clear()
        cloud.kill_at, cloud.kills_after = place, kills_after
        with pytest.raises(Killed):
            act(cloud)
        assert not before or cloud.shares, "nobody answers"
        cloud.kill_at = None
        act(cloud)
        assert (cloud.models_served, cloud.standing) == (whole.models_served, whole.standing)
        assert _history(cloud) == _history(whole), place


@pytest.mark.parametrize("kills_after", [False, True])
@pytest.mark.parametrize("last", [{}, {"keep": True}, {"canary": 10}])
def test_a_rollback_killed_at_any_call_goes_on_in_the_same_direction(
    last: dict[str, Any], kills_after: bool
) -> None:
    whole = served("zero", "one", "two", **last)
    whole.calls.clear()
    roll_back(whole)
    assert whole.models_served == {"one:1": 100}
    # After the very last call it is done, and one more is a rollback of its own.
    for place in range(1, len(whole.calls) + (not kills_after)):
        cloud = served("zero", "one", "two", **last)
        cloud.calls.clear()
        cloud.kill_at, cloud.kills_after = place, kills_after
        with pytest.raises(Killed):
            roll_back(cloud)
        cloud.kill_at = None
        roll_back(cloud)
        assert (cloud.models_served, cloud.standing) == ({"one:1": 100}, ["one:1"]), place
        assert _history(cloud) == _history(whole), place


def _history(cloud: KeptEndpoint) -> list[str]:
    entries = history.read(cloud.endpoint.tags)
    return [str(entry.model) for entry in entries] + [cloud.endpoint.tags.get("leaving", "")]


def test_history_is_short_and_no_tag_is_cut() -> None:
    cloud = KeptEndpoint()
    for number in range(8):
        do(cloud, f"model-{number}")
    assert _history(cloud) == [f"model-{n}:1" for n in (6, 5, 4, 3, 2)] + [""]
    long = "m" * 240
    do(cloud, long)
    do(cloud, "after")
    assert _history(cloud)[0] == "model-7:1"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["new=40", "old=50"], "add up to 90"),
        (["new=101"], "0 to 100"),
        (["new=ten"], "0 to 100"),
        (["new"], "0 to 100"),
        (["v=100"], "beginning of several"),
        (["x=100"], "no deployment"),
        (["=100"], "no deployment"),
        (["new=50", "new=50"], "named twice"),
        (["new=x", "y=3"], "y' is no deployment"),
    ],
)
def test_wrong_shares_are_told_all_at_once_and_change_nothing(words: list[str], told: str) -> None:
    cloud = served("one", "two", canary=10)
    state = find(cloud, OUT)  # type: ignore[arg-type]
    assert state is not None
    with pytest.raises(SettingsError, match=told):
        parse_shares(state, words)


def test_shares_go_to_those_who_are_named_by_age_name_or_its_beginning() -> None:
    cloud = served("one", "two", canary=10)
    state = find(cloud, OUT)  # type: ignore[arg-type]
    assert state is not None
    new, old = resolve(state, "new").name, resolve(state, "old").name
    assert cloud.deployments[new].tags["model"] == "two:1"
    assert parse_shares(state, ["new=30", "old=70"]) == {new: 30, old: 70}
    assert parse_shares(state, [f"{new[:-2]}=100", f"{old}=0"]) == {new: 100}
    move(cloud, OUT, state, {new: 100})  # type: ignore[arg-type]
    assert cloud.models_served == {"two:1": 100}
    assert roll_back(cloud)
    assert cloud.models_served == {"one:1": 100}


def test_neither_a_base_model_nor_one_that_is_not_ready_gets_traffic() -> None:
    cloud = served("one", base=ModelRef(name="one-base", version="1"))
    do(cloud, "two", canary=0)
    state = find(cloud, OUT)  # type: ignore[arg-type]
    assert state is not None
    beside = state.serving("base")
    assert beside is not None
    with pytest.raises(SettingsError, match="base model"):
        parse_shares(state, [f"{beside.name}=100"])
    new = resolve(state, "new").name
    cloud.deployments[new].provisioning_state = "Failed"
    state = find(cloud, OUT)  # type: ignore[arg-type]
    assert state is not None
    with pytest.raises(SettingsError, match="is failed, not ready"):
        parse_shares(state, ["new=100"])


def test_a_name_that_another_workspace_has_is_said_with_what_to_do() -> None:
    cloud = KeptEndpoint()

    def refuse(_: Any) -> Any:
        from azure.core.exceptions import ResourceExistsError

        raise ResourceExistsError(
            "There is already an endpoint with this name, Endpoint name needs to be unique within"
            " a region. Try some other name."
        )

    cloud._put_endpoint = refuse  # type: ignore[method-assign]
    with pytest.raises(CloudError, match="is taken in x by an endpoint outside") as caught:
        do(cloud, "one")
    assert "generation=2" in caught.value.hint
