"""Where memory is not enough, smaller batches of the same effect."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from job_runs import JobRunner, Run, recipe

SHORT = {"max_steps": 6, "logging_steps": 2, "save_steps": 3, "warmup": 0.2}
FEW = {"count": 1, "max_new_tokens": 2}


@given(some.integers(1, 4096), some.integers(1, 512))
def test_a_smaller_batch_has_the_very_same_effect(size: int, accumulation: int) -> None:
    from memory import smaller_batch

    found = smaller_batch(size, accumulation)
    if found is None:
        assert size == 1
        return
    assert found[0] * found[1] == size * accumulation
    assert 1 <= found[0] <= size // 2 and size % found[0] == 0
    larger = range(found[0] + 1, size // 2 + 1)
    assert not any(size % other == 0 for other in larger)


@pytest.mark.parametrize(
    ("size", "smaller"), [(8, (4, 2)), (6, (3, 2)), (9, (3, 3)), (5, (1, 5)), (2, (1, 2))]
)
def test_odd_batches_are_cut_at_a_divisor(size: int, smaller: tuple[int, int]) -> None:
    from memory import smaller_batch

    assert smaller_batch(size, 1) == smaller


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError(), True),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"
            ),
            True,
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (OSError("out of memory"), False),
    ],
)
def test_what_is_a_lack_of_memory(error: Exception, is_memory: bool) -> None:
    from memory import is_out_of_memory

    assert is_out_of_memory(error) is is_memory


def test_torchs_own_error_is_one() -> None:
    import torch
    from memory import is_out_of_memory

    told = "CUDA out of memory. Tried to allocate 2.00 GiB"
    assert is_out_of_memory(torch.OutOfMemoryError(told))


def test_torch_really_says_so_on_a_cpu() -> None:
    import torch
    from memory import is_out_of_memory

    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 60)
    assert is_out_of_memory(raised.value)


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A model that takes two rows at a time in training, from its third step on; and its sizes."""
    import torch
    from transformers import Phi3Model

    sizes: list[int] = []
    whole = Phi3Model.forward

    def forward(self: Any, **named: Any) -> Any:
        if self.training and torch.is_grad_enabled():
            sizes.append(len(named["input_ids"]))
            if sizes[-1] > 2 and len(sizes) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")
        return whole(self, **named)

    monkeypatch.setattr(Phi3Model, "forward", forward)
    return sizes


def test_a_lack_of_memory_halves_the_batch_and_the_curve_stays(
    run_job: JobRunner, small_memory: list[int], tmp_path: Path
) -> None:
    chosen = recipe(training=SHORT, samples=FEW)
    run = run_job(chosen, folder=tmp_path / "short")
    assert run.code == 0, run.log
    assert small_memory[:4] == [8, 8, 8, 4] and small_memory[4:] == [2] * 24
    assert "going on with batches of 4 x 2 instead of 8 x 1" in run.log
    assert "going on with batches of 2 x 4 instead of 4 x 2" in run.log
    assert (run.metrics["batch_size"], run.metrics["accumulation"]) == (2, 4)
    assert_same_curve(run, _straight(run_job, tmp_path))

    # Started again it goes on with what it found, and does not try the larger ones.
    (tmp_path / "short" / "model" / "tunestack.json").unlink()
    del small_memory[:]
    again = run_job(chosen, folder=tmp_path / "short")
    assert again.code == 0 and "batches of 2 x 4, as found before" in again.log
    assert small_memory == []  # all steps are done


def _straight(run_job: JobRunner, tmp_path: Path) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.undo()
        quarter = {**SHORT, "batch_size": 2, "accumulation": 4}
        return run_job(recipe(training=quarter, samples=FEW), folder=tmp_path / "straight")


def assert_same_curve(run: Run, expected: Run) -> None:
    assert run.losses == pytest.approx(expected.losses, abs=1e-5)
    evaluations = [point["eval_loss"] for point in run.metrics["evaluations"]]
    others = [point["eval_loss"] for point in expected.metrics["evaluations"]]
    assert evaluations == pytest.approx(others, abs=1e-5)


@pytest.mark.slow
def test_after_a_checkpoint_it_goes_on_from_there(
    run_job: JobRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Slow: three more trainings."""
    import torch
    from transformers import Phi3Model

    straight = run_job(recipe(training=SHORT, samples=FEW), folder=tmp_path / "straight")
    whole = Phi3Model.forward
    steps = 0

    def forward(self: Any, **named: Any) -> Any:
        nonlocal steps
        if self.training and torch.is_grad_enabled() and len(named["input_ids"]) > 4:
            steps += 1
            if steps == 6:
                raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(self, **named)

    monkeypatch.setattr(Phi3Model, "forward", forward)
    run = run_job(recipe(training=SHORT, samples=FEW), folder=tmp_path / "short")
    assert run.code == 0, run.log
    assert "resuming from checkpoint-4" in run.log and "4 x 2 instead of 8 x 1" in run.log
    assert_same_curve(run, straight)


def test_where_one_conversation_is_too_much_the_job_says_what_to_change(
    run_job: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def build(*given: Any, **named: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB")

    monkeypatch.setattr("learning.build_trainer", build)
    run = run_job(recipe(training={**SHORT, "batch_size": 2}, samples=FEW))
    assert run.code == 1
    for word in ("training.max_length", "gradient_checkpointing", "qlora", "9.00 GiB"):
        assert word in run.error


def test_of_several_processes_none_waits_for_ever(tmp_path: Path) -> None:
    from failure import JobError
    from memory import fitting, shrunk
    from recipe_file import Recipe

    training = Recipe(batch_size=4, accumulation=2, processes=2, nodes=1)
    chosen = Recipe(training=training)
    with pytest.raises(JobError, match="start the job again and it goes on with batches of 2 x 4"):
        shrunk(chosen, tmp_path, MemoryError("CUDA out of memory"))
    again = fitting(chosen, tmp_path).training
    assert (again.batch_size, again.accumulation) == (2, 4)
    assert (training.batch_size, training.accumulation) == (4, 2)
