"""Checkpoints that are whole or not there; nothing here needs torch."""

import json
import os
from pathlib import Path
from typing import Any

import job_runs  # noqa: F401  (puts the job's folder on the path)
import pytest
from checkpoints import (
    BEST,
    HASHED,
    SEAL,
    Before,
    best_evaluation,
    is_whole,
    kept_steps,
    last_whole_checkpoint,
    make_room,
    publish,
    tidy,
    whole_checkpoints,
)


def checkpoint(folder: Path, step: int) -> Path:
    """Write and publish a checkpoint of a large, a small and a nested file."""
    unfinished = folder / "unfinished" / f"checkpoint-{step}"
    (unfinished / "ref").mkdir(parents=True)
    (unfinished / "model.safetensors").write_bytes(bytes(HASHED + 1))
    (unfinished / "trainer_state.json").write_text(f'{{"step": {step}}}')
    (unfinished / "ref" / "adapter.bin").write_bytes(b"abc")
    publish(unfinished, folder / f"checkpoint-{step}")
    return folder / f"checkpoint-{step}"


def losses(**by_step: float) -> list[dict[str, Any]]:
    return [{"step": int(k.removeprefix("at")), "eval_loss": v} for k, v in by_step.items()]


def steps(folder: Path) -> list[int]:
    return sorted(int(path.name.partition("-")[2]) for path in folder.glob("checkpoint-*"))


def test_a_published_checkpoint_is_whole(tmp_path: Path) -> None:
    found = checkpoint(tmp_path, 3)
    assert is_whole(found) and last_whole_checkpoint(tmp_path) == found
    assert kept_steps(tmp_path) == 3
    (found / "rng_state_8.pth").write_bytes(b"late")  # of a node that this one did not see yet
    assert is_whole(found)


@pytest.mark.parametrize(
    "name", ["model.safetensors", "trainer_state.json", "ref/adapter.bin", SEAL]
)
@pytest.mark.parametrize("harm", ["missing", "empty", "cut"])
def test_any_harm_to_any_file_shows(tmp_path: Path, name: str, harm: str) -> None:
    older, found = checkpoint(tmp_path, 3), checkpoint(tmp_path, 6)
    if harm == "missing":
        (found / name).unlink()
    else:
        size = (found / name).stat().st_size
        os.truncate(found / name, 0 if harm == "empty" else size - 1)
    assert not is_whole(found)
    assert last_whole_checkpoint(tmp_path) == older


def test_another_content_of_the_same_size_shows_in_small_files(tmp_path: Path) -> None:
    found = checkpoint(tmp_path, 3)
    (found / "trainer_state.json").write_text('{"step": 4}')
    assert not is_whole(found)


def test_a_folder_renamed_file_by_file_counts_only_when_the_last_one_has_come(
    tmp_path: Path,
) -> None:
    whole = checkpoint(tmp_path, 3)
    arrived = tmp_path / "checkpoint-4"
    (arrived / "ref").mkdir(parents=True)
    files = sorted((p for p in whole.rglob("*") if p.is_file()), key=lambda p: p.name != SEAL)
    assert files[0].name == SEAL  # the worst order
    for path in files:
        assert not is_whole(arrived)
        path.rename(arrived / path.relative_to(whole))
    assert is_whole(arrived)


def test_the_newest_two_and_the_best_stay(tmp_path: Path) -> None:
    history = losses(at0=0.1, at2=0.5, at4=0.4, at6=0.6, at8=0.7)
    for step in (2, 4, 6, 8):
        checkpoint(tmp_path, step)
        tidy(tmp_path, [point for point in history if point["step"] <= step])
    assert steps(tmp_path) == [4, 6, 8]
    named = json.loads((tmp_path / BEST).read_text())
    assert named == {"checkpoint": "checkpoint-4", "step": 4, "eval_loss": 0.4}


def test_as_many_of_the_newest_stay_as_are_asked_for(tmp_path: Path) -> None:
    for step in (2, 4, 6, 8):
        checkpoint(tmp_path, step)
        tidy(tmp_path, [], 3)
    assert steps(tmp_path) == [4, 6, 8]


def test_what_is_whole_stays_while_what_is_newer_is_not(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        checkpoint(tmp_path, step)
    (tmp_path / "checkpoint-4" / "model.safetensors").unlink()
    (tmp_path / "checkpoint-3" / SEAL).unlink()
    tidy(tmp_path, [])
    assert steps(tmp_path) == [1, 2] and kept_steps(tmp_path) == 2


def test_nothing_is_deleted_where_nothing_is_whole(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-5").mkdir()
    tidy(tmp_path, losses(at5=1.0))
    assert steps(tmp_path) == [5] and not (tmp_path / BEST).exists()


def test_room_is_made_of_all_but_the_newest_and_the_best(tmp_path: Path) -> None:
    for step in (2, 4, 6):
        checkpoint(tmp_path, step)
    assert make_room(tmp_path, losses(at2=0.1, at4=0.2), 8)
    assert steps(tmp_path) == [2, 6]
    assert not make_room(tmp_path, losses(at2=0.1, at8=0.2), 8)
    assert make_room(tmp_path, losses(at2=0.1, at8=0.05), 8)  # what comes is better
    assert steps(tmp_path) == [6]


def test_the_best_is_the_lowest_loss_after_the_start_and_the_earliest_of_equals() -> None:
    history = [*losses(at0=0.1, at2=0.5, at4=0.4, at6=0.4), {"step": 6, "loss": 0.0}]
    best = best_evaluation(history, {0, 2, 4, 6})
    assert best is not None and best["step"] == 4
    later = best_evaluation(history, {2, 6})
    assert later is not None and later["step"] == 6
    assert best_evaluation(history, {0}) is None and best_evaluation([], {1}) is None


def test_answers_of_the_base_survive_a_restart_and_a_broken_file(tmp_path: Path) -> None:
    Before(tmp_path).keep("answers", ["grün", "blue"])
    again = Before(tmp_path)
    assert "answers" in again and again["answers"] == ["grün", "blue"]
    os.truncate(tmp_path / "before.json", 5)
    assert "answers" not in Before(tmp_path)
    assert whole_checkpoints(tmp_path) == []
