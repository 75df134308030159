"""Speed and time left, on a clock that the test turns."""

import job_runs  # noqa: F401 - puts the job's folder on the path
import pytest
from pace import Pace, due


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def run(self, pace: Pace, seconds: float) -> None:
        self.now += seconds
        pace.step_ended()

    def pause(self, pace: Pace, kind: str, seconds: float) -> None:
        self.now += seconds
        pace.pause_ended(kind)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_speed_is_of_training_alone(clock: Clock) -> None:
    pace = Pace(clock)
    pace.begin(0)
    clock.pause(pace, "evaluation", 60)
    for _ in range(10):
        clock.run(pace, 2)
    found = pace.measure(10, 100, 5000, {})
    assert found["tokens_per_second"] == pytest.approx(5000 / 20)
    assert found["seconds"] == pytest.approx(80) and found["training_seconds"] == pytest.approx(20)
    clock.pause(pace, "save", 30)
    clock.run(pace, 1)
    assert pace.measure(11, 100, 5600, {})["tokens_per_second"] == pytest.approx(600)


def test_the_time_left_holds_the_evaluations_and_saves_that_come(clock: Clock) -> None:
    pace = Pace(clock)
    pace.begin(0)
    clock.pause(pace, "evaluation", 7)
    clock.run(pace, 20)
    every = {"evaluation": 50, "save": 40}
    assert pace.measure(10, 100, 0, every)["eta_seconds"] == pytest.approx(90 * 2 + 2 * 7)
    clock.pause(pace, "save", 3)
    clock.run(pace, 20)
    left = pace.measure(20, 100, 0, every)["eta_seconds"]
    assert left == pytest.approx(80 * 2 + 2 * 7 + 2 * 3)


def test_the_time_left_follows_the_recent_speed(clock: Clock) -> None:
    pace = Pace(clock)
    pace.begin(0)
    for step in range(1, 31):
        clock.run(pace, 10 if step <= 20 else 1)
        found = pace.measure(step, 130, 0, {})
    assert found["eta_seconds"] == pytest.approx(100)


def test_the_first_steps_warm_up_and_tell_the_time_only_while_alone(clock: Clock) -> None:
    pace = Pace(clock)
    pace.begin(0)
    clock.run(pace, 50)
    assert pace.measure(1, 11, 0, {})["eta_seconds"] == pytest.approx(500)
    clock.run(pace, 1)
    assert pace.measure(2, 11, 0, {})["eta_seconds"] == pytest.approx(9)


def test_a_resumed_job_is_not_credited_with_what_was_learned_before(clock: Clock) -> None:
    pace = Pace(clock)
    pace.begin(50)
    clock.run(pace, 10)
    first = pace.measure(60, 100, 66_000, {})
    assert "tokens_per_second" not in first and first["eta_seconds"] == pytest.approx(40)
    clock.run(pace, 10)
    assert pace.measure(70, 100, 67_000, {})["tokens_per_second"] == pytest.approx(100)


@pytest.mark.parametrize(
    ("step", "steps", "interval", "times"),
    [(1, 100, 50, 2), (50, 100, 50, 2), (51, 100, 50, 1), (100, 100, 50, 1), (1, 99, 50, 1),
     (1, 100, 0, 0), (3, 9, 3.0000001, 3), (10, 10, 33.4, 0)],
)  # fmt: skip
def test_pauses_that_are_due_are_counted_with_the_present_step(
    step: int, steps: int, interval: float, times: int
) -> None:
    assert due(step, steps, interval) == times
