"""The page of a stack, from facts: whole by itself, escaped, and true to what it was given."""

import copy
import re
from typing import Any

import pytest
from browsed_page import Page
from page_facts import EVIL, GROUP, answer, facts, history, item, model, run

from commands.status.page.document import STYLE, render
from commands.status.page.markup import join, link, tag
from commands.status.page.sparkline import MOST, sparkline
from commands.status.warnings import warnings
from core.settings import Settings
from infra.standing.stacks import Running


def evil(value: Any) -> Any:
    """Put hostile text in the place of every text, and keep the figures."""
    if isinstance(value, dict):
        return {key: evil(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [evil(inner) for inner in value]
    return EVIL if isinstance(value, str) else value


def test_the_page_tells_the_stack() -> None:
    words = Page(render(facts())).words
    for part in (
        "dev", "eastus2", "$0.252 an hour", "$183.96 a month", "$6.80", "2.0 days", "never",
        "job-1", "4.000 → 3.000, kept at step 40", "mild", "1.5 h", "$6.30 of $5.00 expected",
        "travel:3", "1.234", "v3", "100 %", "bills by the hour", "storage by use", "mlw-dev",
        "1 grants",
    ):  # fmt: skip
        assert part in words, part


def test_a_rehearsal_says_what_azure_would_ask_and_links_to_no_portal() -> None:
    page = Page(render(facts(is_rehearsal=True)))
    assert "would bill by the hour on Azure" in page.words and "It would cost" in page.words
    assert page.addresses == []


def test_resources_and_runs_link_to_azures_own_pages() -> None:
    found = Page(render(facts())).addresses
    assert f"https://portal.azure.com/#@/resource{GROUP}/mlw-dev" in found
    assert "https://ml.azure.com/runs/job-1" in found


def test_what_is_no_web_address_is_no_link() -> None:
    assert link("x", "javascript:alert(1)") == "x"
    assert "javascript" not in render(facts(runs=[run(studio_url="javascript:alert(1)")]))


def test_nothing_is_fetched_and_nothing_runs() -> None:
    page = Page(render(facts()))
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(page.tags)
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert "url(" not in STYLE.read_text() and "@import" not in STYLE.read_text()
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes


def test_hostile_names_stay_text_wherever_they_stand() -> None:
    given = facts(
        warnings=[{"text": EVIL, "fix": EVIL}],
        not_readable=[{"part": "runs", "what": EVIL, "reason": EVIL}],
        runs=[run(error=EVIL)],
        answers=[answer(asked={"is_well": False, "told": EVIL})],
    )
    outcome = {"made": "", "suite": EVIL, "against": EVIL, "cases": 3, "better": [EVIL],
               "worse": [], "alike": [], "too few": []}  # fmt: skip
    hostile = evil(copy.deepcopy(given))
    hostile["models"] = [{**evil(model()), "serves": [EVIL], "evaluation": outcome}]
    hostile["as_of"], hostile["not_readable"][0]["part"] = facts()["as_of"], "runs"
    page = Page(render(hostile))
    assert not {"script", "img"} & set(page.tags)
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert page.words.count(EVIL) >= 20
    assert page.addresses == []


def test_every_text_is_escaped_once_and_markup_never_twice() -> None:
    assert tag("p", "<b>", tag("i", '"'), title='"<') == (
        '<p title="&quot;&lt;">&lt;b&gt;<i>&quot;</i></p>'
    )
    assert join("a", None, ["<", [tag("b")]]) == "a&lt;<b></b>"


def test_a_part_that_azure_refuses_is_named_and_the_others_come() -> None:
    refused = [{"part": "models", "what": "models of the registry", "reason": "Azure said 403."}]
    words = Page(render(facts(models=[], not_readable=refused))).words
    assert "Not readable: models of the registry. Azure said 403." in words
    assert "job-1" in words and "mlw-dev/v3" in words


def test_a_price_that_is_not_known_makes_the_sum_a_least() -> None:
    cost = {**facts()["cost"], "per_hour": None, "unknown": ["deployment x"],
            "items": [item(), item(name="x", usd=None, per_hour=None)]}  # fmt: skip
    words = Page(render(facts(cost=cost))).words
    assert "at least: a price is not known" in words
    assert "Not known, and not in the sum: deployment x." in words


def test_a_stack_that_is_not_there_has_a_page_that_says_how_it_comes() -> None:
    words = Page(render(facts(is_up=False, resources=[]))).words
    assert "nothing there" in words and "tunestack up" in words


def test_light_and_dark_print_and_telephone_each_have_their_colours() -> None:
    style = STYLE.read_text()
    light, dark = style.split("prefers-color-scheme: dark")
    dark = dark.split("}\n}")[0]
    for name in set(re.findall(r"var\((--[a-z-]+)\)", style)):
        assert f"{name}:" in light and f"{name}:" in dark, name
    assert "@media print" in style and "@media (max-width: 40rem)" in style


def test_a_run_without_losses_says_so() -> None:
    assert sparkline([], None) is None
    assert "no losses yet" in render(facts(runs=[run(history=[], verdict=None)]))


def test_a_loss_that_is_no_number_is_a_gap_and_not_the_end_of_the_line() -> None:
    points = [{"step": step, "loss": float("nan") if step == 5 else 1.0} for step in range(10)]
    drawn = str(sparkline(points, None))
    assert drawn.count("<path") == 2 and "nan" not in drawn


def test_long_runs_are_drawn_with_few_points_and_the_same_ends() -> None:
    points = [{"step": step, "loss": 1000.0 - step} for step in range(10_000)]
    drawn = str(sparkline(points, None))
    assert drawn.count("L") < MOST and len(drawn) < 5000
    assert "training loss 1000.000 to -8999.000, steps 0 to 9999" in drawn


def test_the_dot_is_the_evaluation_of_the_kept_step() -> None:
    drawn = str(sparkline(history(), 20))
    assert drawn.count("<circle") == 1
    [x] = re.findall(r'cx="([\d.]+)"', drawn)
    assert float(x) == pytest.approx(36 + (320 - 36 - 9) / 2, abs=1)


def idle(is_idle: bool | None) -> Running:
    sign = "no request in the last 24 h (Azure Monitor)"
    return Running("endpoint", "mlw-dev", "v3", "", is_idle, sign, 4.2, "tunestack undeploy")


def test_what_is_idle_over_broken_or_unwatched_is_to_be_looked_at() -> None:
    gone = {"name": "kv", "title": "key vault", "id": "", "is_there": False}
    severe = run(verdict={"band": "severe", "advice": "Fewer epochs."})
    given = facts(
        resources=[gone], runs=[severe], answers=[answer(), answer(name="v4", state="Failed")]
    )
    found = warnings(given, [idle(True)], Settings(expires="2026-11-01"))
    told = [f"{one['text']} {one['fix']}" for one in found]
    for text, wanted in zip(
        told,
        (
            "mlw-dev stands idle for $4.20 an hour: no request", "last day was 2026-11-01",
            "behind the stack's back: kv", "v4 is Failed", "over-fit is severe. Fewer epochs.",
            "No budget is set",
        ),
        strict=True,
    ):  # fmt: skip
        assert wanted in text


def test_what_is_well_or_not_known_to_be_idle_warns_of_nothing() -> None:
    settings = Settings(budget=50, alert_emails=("a@example.org",), expires="2026-11-22")
    assert warnings(facts(), [idle(False), idle(None)], settings) == []
