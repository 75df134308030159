"""Which ends of a job are losses, where a run goes on, and what a kept order says; no Azure."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.errors import JobFailed, SettingsError, UserError
from core.refs import StackOutputs
from tests.training.quick import recipe
from training import kept_orders
from training.kept_orders import KeptOrder, Place, code_sha256, find_order
from training.losses import loss_of
from training.recipes import changed_recipe
from training.resubmission import next_cluster, order_again, require_resumable

PREEMPTED = (
    "UserError: AzureMLCompute job failed. PreemptionError: Nodes of this job got pre-empted."
    " Check if the run has failed or restarted. Reason: Received pre-emption warning signal"
)
FIELDS = [name for name, field in StackOutputs.model_fields.items() if field.is_required()]


@pytest.mark.parametrize(
    ("status", "reason", "loss"),
    [
        ("Failed", PREEMPTED, "preemption"),
        ("Canceled", PREEMPTED, "preemption"),
        ("Canceled", "Low priority compute preemption warning: a node", "preemption"),
        ("Failed", "JobFailed: All nodes of the job have been preempted", "preemption"),
        ("Completed", PREEMPTED, None),
        ("Canceled", "", None),
        ("Failed", "", None),
        ("Failed", "NodeLost: The local Azure ended while the job ran", "node"),
        ("Failed", "UserError: it ended with exit code 3. PreemptionError", None),
        ("Failed", "UserError: The job's program failed.\nnodes were preempted", None),
        ("Failed", "UserError: Execution failed. Error: PreemptionError in train.py", None),
        ("Canceled", "JobTimeout: The job ran longer than its limit", None),
    ],
)
def test_only_azure_s_own_words_make_a_loss(status: str, reason: str, loss: str | None) -> None:
    assert loss_of(status, reason) == loss


def kept(**changes: Any) -> KeptOrder:
    data = {"asset": "azureml:d:1", "sha256": "0" * 64, "rows": 1, "bytes": 1}
    fields: dict[str, Any] = {
        "job": "r",
        "submitted": "2026-11-21T00:00:00Z",
        "place": Place(run="r", resubmits=True),
        "recipe": recipe(),
        "train": data,
        "validation": data,
        "environment": "azureml:e:1",
        "cluster": "low",
        "vm_size": "Standard_NC24ads_A100_v4",
        "priority": "LowPriority",
        "device": "gpu",
        "timeout_hours": 24,
        "code_sha256": "c",
    }
    return KeptOrder.model_validate({**fields, **changes})


def outputs(**sizes: str) -> StackOutputs:
    clusters: dict[str, Any] = {
        name: {
            "vm_size": size.removesuffix(":low"),
            "max_nodes": 1,
            "is_low_priority": size.endswith(":low"),
        }
        for name, size in sizes.items()
    }
    return StackOutputs(**{**dict.fromkeys(FIELDS, "x"), "cluster": "main", "clusters": clusters})


LOW = "Standard_NC24ads_A100_v4:low"
A100, H100, T4, CPU = (
    "Standard_NC24ads_A100_v4",
    "Standard_NC40ads_H100_v5",
    "Standard_NC4as_T4_v3",
    "Standard_E16s_v3",
)


@pytest.mark.parametrize(
    ("losses", "clusters", "chosen"),
    [
        (0, {"main": A100, "low": LOW}, "low"),
        (1, {"main": A100, "low": LOW}, "main"),
        (1, {"big": H100, "main": A100, "low": LOW}, "main"),
        (1, {"main": CPU, "big": H100, "low": LOW}, "big"),
        (1, {"main": T4, "low": LOW}, ""),
        (1, {"main": CPU, "low": LOW}, ""),
        (1, {"main": "Standard_Odd_v9", "low": LOW}, ""),
        (7, {"main": A100, "low": LOW}, "main"),
    ],
)
def test_after_two_losses_a_run_goes_to_dedicated_nodes_that_serve(
    losses: int, clusters: dict[str, str], chosen: str
) -> None:
    lost = kept(place=Place(run="r", losses=losses, losses_allowed=2, resubmits=True))
    if chosen:
        assert next_cluster(lost, outputs(**clusters)).cluster == chosen
        return
    with pytest.raises(JobFailed, match="no dedicated cluster of the stack serves") as caught:
        next_cluster(lost, outputs(**clusters))
    assert f"clusters={A100}" in caught.value.hint and "jobs resume r" in caught.value.hint


def test_more_nodes_than_the_dedicated_cluster_has_do_not_fit() -> None:
    lost = kept(
        place=Place(run="r", losses=1, resubmits=True), recipe=recipe(training={"nodes": 2})
    )
    with pytest.raises(JobFailed, match="no dedicated"):
        next_cluster(lost, outputs(main=A100, low=LOW))


@pytest.mark.parametrize(
    "changes", [{"place": Place(run="r", resubmits=False)}, {"priority": "Dedicated"}]
)
def test_what_nobody_follows_or_runs_on_dedicated_nodes_is_not_submitted_again(
    changes: dict[str, Any],
) -> None:
    with pytest.raises(JobFailed) as caught:
        next_cluster(kept(**changes), outputs(main=A100, low=LOW))
    assert caught.value.hint == "Go on from its checkpoints: tunestack jobs resume r"


def test_the_next_order_of_a_run_is_the_same_but_for_cluster_and_number() -> None:
    lost = kept(place=Place(run="r", number=2, losses=1, resubmits=True, like="older"))
    order = order_again(lost, outputs(main=CPU, low=LOW), "main", losses=2)
    assert order.name() == "r-3" and order.cluster == "" and order.device == "cpu"
    assert order.recipe == lost.recipe and order.train == lost.train
    assert order.place == Place(run="r", number=3, losses=2, resubmits=True, like="older")
    with pytest.raises(SettingsError, match="'gone' is none of"):
        order_again(lost, outputs(main=CPU, low=LOW), "gone", losses=2)


@pytest.mark.parametrize(
    ("status", "hint"),
    [("Completed", "tunestack train --like r"), ("Running", "tunestack jobs logs r --follow")],
)
def test_what_runs_or_is_done_is_not_resumed(status: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        require_resumable(kept(), status)
    assert hint in caught.value.hint
    require_resumable(kept(), "Failed")


def test_a_later_version_s_order_is_refused_and_its_additions_are_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = kept().model_dump_json().replace('"format":1', '"format":1,"mood":"good"')
    folder = SimpleNamespace(read=lambda name: content.encode())
    monkeypatch.setattr(kept_orders, "blob_folder", lambda *_: folder)
    assert find_order(None, None, "r") == kept()  # type: ignore[arg-type]
    content = content.replace('"format":1', '"format":2')
    with pytest.raises(UserError, match=r"another version of tunestack \(format 2, this is 1\)"):
        find_order(None, None, "r")  # type: ignore[arg-type]


def test_the_code_s_hash_follows_names_and_contents_and_nothing_else(tmp_path: Path) -> None:
    for folder, name, text in (("a", "x", "1"), ("b", "x", "1"), ("c", "x", "2"), ("d", "y", "1")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)
    (tmp_path / "b" / "recipe.json").write_text("{}")
    a, b, c, d = (code_sha256(tmp_path / one, without=("recipe.json",)) for one in "abcd")
    assert a == b and len({a, c, d}) == 3


def test_a_changed_recipe_lists_every_finding() -> None:
    changed = changed_recipe(recipe(), ["training.epochs=1", "training.seed=7"])
    assert (changed.training.epochs, changed.training.seed) == (1, 7)
    with pytest.raises(SettingsError) as caught:
        changed_recipe(recipe(), ["training.epochs=0", "nonsense"])
    assert "training.epochs" in str(caught.value) and "nonsense" in str(caught.value)
