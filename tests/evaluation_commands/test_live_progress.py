"""How far asking has come: bars where somebody looks, lines where a log is written."""

import io

import pytest
from rich.console import Console

from commands.evaluate.answers import progress as live_progress


def test_without_a_terminal_first_and_last_are_told_and_others_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(live_progress.time, "monotonic", lambda: now[0])
    written = io.StringIO()
    with live_progress.live_progress(Console(file=written, width=200)) as told:
        for done in range(5):
            now[0] += 1.0 if done < 3 else live_progress.LINE_SECONDS
            told("[tuned]", done, 4)
    assert written.getvalue().splitlines() == [
        "  [tuned]: 0 of 4 answered",
        "  [tuned]: 3 of 4 answered, ETA 6 s",
        "  [tuned]: 4 of 4 answered",
    ]


def test_on_a_terminal_every_side_has_a_bar() -> None:
    written = io.StringIO()
    with live_progress.live_progress(Console(file=written, force_terminal=True, width=100)) as told:
        told("base", 1, 4)
        told("[tuned]", 4, 4)
    screen = written.getvalue()
    assert "base" in screen
    assert "[tuned]" in screen
    assert "1/4" in screen
    assert "4/4" in screen
