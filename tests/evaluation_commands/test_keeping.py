"""Evaluations are kept for whom they judge, found newest first, and never mistaken for another."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from commands.evaluate import keeping
from commands.evaluate.keeping import checkpoint_of, find_kept, keep, kept_names, sides_of
from core.errors import UserError
from evaluation.sides import Side
from tests.evaluation.example import evaluation, judged, side
from tests.evaluation_commands.memory_storage import Blobs

SESSION: Any = SimpleNamespace(stack="dev", cloud=None, outputs=None, is_rehearsal=False)


@pytest.fixture
def blobs(monkeypatch: pytest.MonkeyPatch) -> Blobs:
    found = Blobs()
    monkeypatch.setattr(keeping, "blob_folder", found.folder)
    return found


def test_what_is_kept_is_found_again_whole(blobs: Blobs) -> None:
    made = judged()
    keep(SESSION, made, "<html>")
    assert find_kept(SESSION, "travel:3") == made
    assert find_kept(SESSION, "travel:2") is None
    (page,) = [name for name in blobs.files if name.endswith("/index.html")]
    assert page.startswith("tunestack/evaluations/travel/3/20261122T080000Z-")


def test_the_newest_counts_whatever_the_time_zone(blobs: Blobs) -> None:
    for made in ("2026-11-22T08:30:00+00:00", "2026-11-22T10:15:00+02:00"):
        keep(SESSION, judged(made=made), "")
    found = find_kept(SESSION, "travel:3")
    assert found is not None and found.made == "2026-11-22T08:30:00+00:00"
    assert len(kept_names(SESSION, "travel:3")) == 2


def test_each_candidate_that_can_be_deployed_has_it_and_nobody_else(blobs: Blobs) -> None:
    names = ("travel-old:1", "a", "b", "c", "d", "e", "f")
    sides = (
        Side(name=names[0], model="travel-old:1", role="tuned", route="azureml"),
        Side(name="a", model="travel:3", role="tuned", route="azureml", where="node"),
        Side(name="b", model="travel:3", role="tuned", route="azureml", where="endpoint"),
        Side(name="c", model="gpt.ft-1:ckpt-step-20", role="checkpoint", route="openai"),
        Side(name="d", model="job@40", role="checkpoint", route="azureml"),
        Side(name="e", where="file"),
        Side(name="f", model="tiny", role="base", route="azureml"),
    )
    keep(SESSION, evaluation(2, names).model_copy(update={"sides": sides}), "")
    kept = {"/".join(name.split("/")[2:4]) for name in blobs.files}
    assert kept == {"travel/3", "gpt.ft-1/ckpt-step-20", "job@40/none"}


@pytest.mark.parametrize(
    ("tags", "checkpoint"),
    [
        ({"job": "job", "kept_step": "40", "from_checkpoint": "job@40"}, "job@40"),
        ({"job": "job", "kept_step": "40"}, "job@40"),
        ({"job": "job"}, ""),
        ({"job": "export-1", "exported_from": "travel:3"}, ""),
    ],
)
def test_a_model_is_the_checkpoint_that_its_tags_prove_and_no_other(
    monkeypatch: pytest.MonkeyPatch, tags: dict[str, str], checkpoint: str
) -> None:
    monkeypatch.setattr(keeping, "find_model", lambda *given: {"tags": tags})
    assert checkpoint_of(SESSION, "travel:3") == checkpoint


def test_of_the_same_weights_the_newest_evaluation_counts_under_either_name(blobs: Blobs) -> None:
    keep(SESSION, judged(made="2026-11-22T08:30:00+00:00"), "")
    sides = (
        side("base", model="tiny", role="base"),
        side("job@40", model="job@40", role="checkpoint"),
    )
    later = evaluation(4, ("base", "job@40"), made="2026-11-22T09:30:00+00:00")
    later = later.model_copy(update={"sides": sides})
    keep(SESSION, later, "")
    assert find_kept(SESSION, "travel:3", "job@40") == later
    assert sides_of(later, "travel:3", "job@40") == ["job@40"]
    keep(SESSION, judged(made="2026-11-22T10:30:00+00:00"), "")
    newest = find_kept(SESSION, "travel:3", "job@40")
    assert newest is not None and newest.made == "2026-11-22T10:30:00+00:00"
    assert find_kept(SESSION, "travel:3", "job@41") == newest
    assert find_kept(SESSION, "travel:4", "job@41") is None


def test_a_write_that_broke_off_is_not_taken_for_whole(blobs: Blobs) -> None:
    keep(SESSION, judged(), "")
    for name in [name for name in blobs.files if name.endswith("evaluation.json")]:
        del blobs.files[name]
    assert find_kept(SESSION, "travel:3") is None


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (lambda old: {**old, "format": 2}, "format 2, this is 1"),
        (lambda old: {**old, "more": 1}, "more: Extra inputs are not permitted"),
        (lambda old: {**old, "sides": [old["sides"][1], old["sides"][0]]}, "is not of travel:3"),
        (lambda old: "nothing", "format None, this is 1"),
    ],
)
def test_what_cannot_be_read_is_told_and_not_passed_over(
    blobs: Blobs, changed: Any, told: str
) -> None:
    keep(SESSION, judged(), "")
    (name,) = [name for name in blobs.files if name.endswith("evaluation.json")]
    blobs.files[name] = json.dumps(changed(json.loads(blobs.files[name]))).encode()
    with pytest.raises(UserError, match="tunestack/evaluations/travel/3") as caught:
        find_kept(SESSION, "travel:3")
    assert told in str(caught.value)
    assert "tunestack evaluate base travel:3 --stack dev" in caught.value.hint


def test_what_could_lead_out_of_the_folder_stays_in_it(blobs: Blobs) -> None:
    keep(SESSION, judged("../../x:1/2"), "")
    assert all(name.startswith("tunestack/evaluations/..-..-x/1-2/") for name in blobs.files)
