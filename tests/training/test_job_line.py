"""The line of a running job: what it holds, how it moves, and that it is one a step."""

import io
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from commands.jobs import cost as job_cost
from commands.jobs import line as job_line
from commands.jobs import view as job_view
from commands.jobs.cost import JobCost
from commands.jobs.line import Meter, eta_text, metrics_line
from commands.jobs.view import watch
from training.follow import Event, LogLine, Metrics, Status

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
STEP = {
    "step": 5, "steps": 40, "loss": 2.3149, "epoch": 0.5, "learning_rate": 0.00012,
    "tokens_per_second": 3450.4, "gpu_memory_mb": 12595.2, "eta_seconds": 4000.0,
}  # fmt: skip
EVENTS: list[Event] = [
    Status("Queued"), Status("Running"), LogLine("training …"),
    Metrics({"step": 0, "eval_loss": 3.0}), Metrics(STEP), Status("Completed"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_line, "utc_now", lambda: NOW)


def price(per_hour: float | None, minutes: float = 30) -> JobCost:
    return JobCost(per_hour, 2, NOW - timedelta(minutes=minutes))


def test_a_line_holds_loss_rate_speed_memory_time_left_and_cost() -> None:
    assert metrics_line(STEP, eta_text(4000), "$1.84 so far") == (
        "step 5/40  epoch 0.50  loss 2.315  learning rate 0.00012  3,450 tokens/s  GPU 12.3 GiB"
        "  ETA 67 min  $1.84 so far"
    )
    assert metrics_line({"eval_loss": 1, "memory_mb": 2048}) == "eval loss 1.000  RAM 2.0 GiB"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(None, ""), (0, "ETA 0 s"), (89, "ETA 89 s"), (120, "ETA 2 min"), (5400, "ETA 1 h 30 min"),
     (7265, "ETA 2 h 01 min")],
)  # fmt: skip
def test_the_time_left_is_told_in_fitting_units(seconds: float | None, told: str) -> None:
    assert eta_text(seconds) == told


@pytest.mark.parametrize(
    ("cost", "told"),
    [
        (price(3.68), "$1.84 so far"),
        (price(0.0), "costs nothing"),
        (price(None), ""),
        (JobCost(2.0, 1, NOW - timedelta(hours=3), NOW - timedelta(hours=2)), "$2.00 so far"),
    ],
)
def test_cost_is_price_times_the_time_that_it_ran(cost: JobCost, told: str) -> None:
    assert cost.told(NOW) == told


def test_an_unknown_price_or_start_is_left_out_of_the_document() -> None:
    assert price(None).document(NOW) is None and JobCost(1.0).document(NOW) is None
    assert price(3.0).document(NOW) == {
        "usd": 1.5, "usd_per_hour": 3.0, "nodes": 2, "hours": 0.5,
    }  # fmt: skip


def test_price_and_start_are_read_once_and_only_when_the_job_runs() -> None:
    reads: list[int] = []

    def read() -> JobCost:
        reads.append(1)
        return JobCost(4.0)

    meter = Meter(read)
    assert meter.told() == "" and not reads
    meter.begin()
    meter.begin()
    assert len(reads) == 1 and meter.told() == "$0.00 so far"


def test_without_a_terminal_there_is_one_line_a_step(capsys: pytest.CaptureFixture[str]) -> None:
    watch(EVENTS, "j", "dev", lambda: price(3.68))
    lines = capsys.readouterr().err.splitlines()
    (line,) = [line for line in lines if line.startswith("step 5/40")]
    assert "3,450 tokens/s" in line and "ETA 67 min" in line and line.endswith("$1.84 so far")
    assert sum("step" in line for line in lines) == 2


def test_a_rehearsal_does_not_repeat_that_it_is_free(capsys: pytest.CaptureFixture[str]) -> None:
    watch(EVENTS, "j", "local", lambda: price(0.0))
    assert "costs nothing" not in capsys.readouterr().err


def test_on_a_terminal_one_line_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=220, highlight=False)
    monkeypatch.setattr(job_view, "console", lambda: console)
    job_view._watch_live(EVENTS[:-1], Meter(lambda: price(3.68)))
    shown = screen.getvalue()
    assert "training …" in shown
    last = shown.rpartition("Running")[2]
    for part in ("5/40", "3,450 tokens/s", "GPU 12.3 GiB", "ETA 67 min", "$1.84 so far"):
        assert part in last, part


def test_the_time_left_goes_on_between_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    from commands.jobs.outlook import Outlook

    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    task: Any = type("Task", (), {"fields": job_view._until(STEP), "finished": False})
    outlook = Outlook(lambda: "")
    before = outlook.render(task).plain
    clock[0] += 1200
    assert (before, outlook.render(task).plain) == ("ETA 67 min", "ETA 47 min")


def test_what_azure_does_not_tell_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.errors import CloudError

    def refused(*_: object) -> Any:
        raise CloudError("no")

    monkeypatch.setattr(job_cost, "find_job", refused)
    session: Any = type("Session", (), {"cloud": None, "outputs": None})
    assert job_cost.job_cost(session, "j").told(NOW) == ""
