"""The page of an evaluation in a real browser: what a person does with it.

Slow: a Chromium starts, and lays out two thousand cases.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evaluation.report.page import page
from tests.deploy.page_browser import BROWSER, DRIVER, Driven, chromium
from tests.evaluation.example import evaluation

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (BROWSER and DRIVER), reason="no Chromium and driver here"),
]
EVIL = "<script>document.title = 'broken in'</script><img src=x onerror='document.title = 1'>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


def opened(browser: Any, folder: Path, text: str) -> Driven:
    file = folder / "index.html"
    file.write_text(text, encoding="utf-8")
    browser.get(file.as_uri())
    return Driven(browser)


def listed(shown: Driven) -> int:
    return sum(each.is_displayed() for each in shown.found(".all .case"))


def test_cases_are_found_by_word_and_by_kind_and_open(browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver.support.ui import Select

    shown = opened(browser, tmp_path, page(evaluation()))
    assert shown.text("output") == "60 of 60 cases"
    [search] = shown.found("input")
    search.send_keys("LISBON hotel")
    shown.wait(lambda: shown.text("output") != "60 of 60 cases")
    texts = [each.text for each in shown.found(".all .case") if each.is_displayed()]
    assert texts and all("Lisbon" in text for text in texts)
    assert shown.text("output") == f"{len(texts)} of 60 cases"
    search.clear()
    search.send_keys(" ")
    [kind] = shown.found("select")
    Select(kind).select_by_value("broken")
    shown.wait(lambda: 0 < listed(shown) < 60)
    broken = [each for each in shown.found(".all .case") if each.is_displayed()]
    broken[0].find_element("css selector", "summary").click()
    shown.wait(lambda: "Not kept:" in broken[0].text)
    assert broken[0].find_elements("css selector", "mark")
    assert shown.complaints() == []
    assert shown.hosts() <= {""}, "nobody is asked for anything"


def test_what_a_model_says_never_runs(browser: Any, tmp_path: Path) -> None:
    found = evaluation(8)
    cases = [
        one.model_copy(update={"replies": {
            name: reply.model_copy(update={"text": EVIL}) for name, reply in one.replies.items()
        }})
        for one in found.cases
    ]  # fmt: skip
    text = page(found.model_copy(update={"cases": tuple(cases)}))
    shown = opened(browser, tmp_path, text)
    assert EVIL in shown.text(".answers"), "it is shown as it was written"
    assert shown.browser.title.startswith("tuned is better than base in")
    # Were it ever to get in unescaped, the page's own policy still keeps it from running.
    shown = opened(browser, tmp_path, text.replace("<main>", f"<main>{EVIL}"))
    assert shown.browser.title.startswith("tuned is better than base in")
    assert any("Content Security Policy" in each for each in shown.complaints())


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_width_makes_the_page_scroll_sideways(browser: Any, tmp_path: Path, width: int) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    opened(browser, tmp_path, page(evaluation(12, ("base", "job@10", "job@20"))))
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= width


def test_two_thousand_cases_open_and_are_searched_in_seconds(browser: Any, tmp_path: Path) -> None:
    shown = opened(browser, tmp_path, page(evaluation(2000, words=400)))
    timing = "const t = performance.timing; return t.loadEventEnd - t.navigationStart"
    assert browser.execute_script(timing) < 15_000
    [search] = shown.found("input")
    search.send_keys("Lisbon")
    shown.wait(lambda: shown.text("output") == "250 of 2000 cases")
