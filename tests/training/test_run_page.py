"""A run's page: whole by itself, escaped, and true to the facts."""

import re
from pathlib import Path
from typing import Any

import pytest
from browsed_page import Page

from core.overfit import judge
from training.explain import Evidence, explain
from training.job.chart import draw, series
from training.job.page import render
from training.job.run_facts import complete
from training.report import merged, write_page

EVIL = "<script>alert('x')</script><img src=https://example.org/x onerror=alert(1)>\"'&"


def history(steps: int = 40) -> list[dict[str, Any]]:
    points: list[dict[str, Any]] = [{"step": 0, "eval_loss": 3.5, "epoch": 0.0}]
    for step in range(1, steps + 1):
        points.append(
            {
                "step": step, "loss": 3 / step + 0.5, "learning_rate": 1e-4 * (1 - step / steps),
                "tokens_per_second": 900.0 + step, "memory_mb": 2048.0, "epoch": step / 20,
            }
        )  # fmt: skip
        if step % 20 == 0:
            points.append({"step": step, "eval_loss": 0.6 + step / 100, "epoch": step / 20})
    return points


def facts(**changes: Any) -> dict[str, Any]:
    run = {
        "name": "job-1",
        "state": "completed",
        "steps": 40,
        "history": history(),
        "recipe": {"name": "r", "method": "lora", "objective": "sft", "base": {"id": "org/m"},
                   "training": {"keep": "best", "learning_rate": 0.0001}},
        "samples": [{"messages": [{"role": "user", "content": "A hotel?"}],
                     "reference": "No hotels.", "base": "Try Borges.", "tuned": "No hotels."}],
        "data_sha256": {"train": "ab" * 32},
        "packages": {"torch": "2.15.0"},
    }  # fmt: skip
    return complete({**run, **changes}, judge)


@pytest.fixture(scope="module")
def drawn() -> tuple[bytes, str]:
    return draw(history(), "job-1", 20)


def test_the_page_tells_the_run(drawn: tuple[bytes, str]) -> None:
    found = facts(
        figures={"price": "$0.42 (1 node, 0.10 h at $4.20 an hour)"}, next=["tunestack x"]
    )
    words = Page(render(found, drawn[1])).words
    for part in (
        "job-1: completed", "over-fit: ", "best checkpointstep 20", "3.500 → 1.000", "$0.42",
        "Try Borges.", "training.learning_rate", "ab" * 32, "2.15.0", "tunestack x",
        "training loss", "validation loss", "tokens a second", "2.0 GiB RAM", "40 of 40",
    ):  # fmt: skip
        assert part in words, part


def test_nothing_is_fetched_and_nothing_runs(drawn: tuple[bytes, str]) -> None:
    page = Page(render(facts(), drawn[1]))
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    addresses = [
        value for name, value in page.attributes
        if name in ("src", "href", "xlink:href") and not str(value).startswith("#")
    ]  # fmt: skip
    assert addresses == []
    assert not any(name.startswith("on") for name, _ in page.attributes)


def test_what_a_model_says_stays_text(drawn: tuple[bytes, str]) -> None:
    sample = {"messages": [{"content": EVIL}], "reference": EVIL, "base": EVIL, "tuned": EVIL}
    found = facts(
        samples=[sample], name=EVIL, error=EVIL, fix=EVIL, rule=EVIL, next=[EVIL],
        recipe={"name": EVIL, EVIL: EVIL}, packages={EVIL: EVIL}, figures={EVIL: EVIL},
    )  # fmt: skip
    page = Page(render(found, ""))
    assert not {"script", "img"} & set(page.tags)
    assert page.words.count(EVIL) >= 12


def test_the_chart_takes_names_as_text() -> None:
    _, svg = draw(history(3), EVIL)
    assert not {"script", "img"} & set(Page(svg).tags)


def test_the_page_is_light_and_dark_and_the_chart_with_it(drawn: tuple[bytes, str]) -> None:
    text = render(facts(), drawn[1])
    assert "prefers-color-scheme: dark" in text
    used = set(re.findall(r"var\((--[a-z]+)\)", text))
    light, dark = text.split("prefers-color-scheme: dark")
    assert all(f"{name}:" in light and f"{name}:" in dark.split("}")[0] for name in used)
    assert "#ffffff" not in drawn[1] and "--train" in drawn[1]


def test_the_picture_is_a_png_of_a_size_to_look_at(drawn: tuple[bytes, str]) -> None:
    png = drawn[0]
    assert png.startswith(b"\x89PNG")
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    assert width >= 1000 and height >= 1000


def test_a_curve_is_told_by_step_and_the_last_word_counts() -> None:
    points = [{"step": 2, "loss": 1.0}, {"step": 1, "loss": 2.0}, {"step": 2, "loss": 0.5}, {}]
    assert series(points, "loss") == ([1, 2], [2.0, 0.5])


def test_a_run_that_measured_nothing_has_a_page_all_the_same(tmp_path: Path) -> None:
    found = explain(Evidence("Failed", "", ("error: train.jsonl has 2 bad lines: line 1",)))
    write_page(tmp_path, {"name": "j", "state": "failed", "history": []}, found)
    words = Page((tmp_path / "index.html").read_text()).words
    assert "bad data: train.jsonl has 2 bad lines" in words and "data-bad" in words
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_a_loss_that_is_no_number_is_drawn_as_a_gap() -> None:
    png, _ = draw([{"step": 1, "loss": 1.0}, {"step": 2, "loss": float("nan")}], "j")
    assert png.startswith(b"\x89PNG")


def test_the_log_adds_what_the_jobs_own_report_has_not_yet() -> None:
    own = [{"step": 1, "loss": 2.0, "grad_norm": 1}, {"step": 1, "eval_loss": 3.0}]
    log = [{"step": 1, "loss": 2.01}, {"step": 2, "loss": 1.0}, {"step": 2, "eval_loss": 2.0}]
    assert merged(own, log) == [*own, *log[1:]]


def test_the_verdict_is_of_the_step_that_is_kept() -> None:
    rising = [*history(40)[:-1], {"step": 40, "eval_loss": 5.0}]
    kept = facts(history=rising)
    last = facts(history=rising, recipe={"training": {"keep": "last"}, "objective": "sft"})
    assert kept["best_step"] == last["best_step"] == 20
    assert "mild" in kept["verdict"] and "severe" in last["verdict"]
