"""The page in a real browser: typed at, clicked, heard.

Skipped where there is no Chromium with its driver: `apt-get install chromium chromium-driver`.
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from evaluation.questions.votes import read_votes
from tests.deploy.page_browser import BROWSER, DRIVER, SECONDS, Driven, chromium
from tests.deploy.served import Served, served
from tests.deploy.small_endpoint import (
    BASE_COMMAND,
    Asked,
    SmallEndpoint,
    deployed,
    small_endpoint,
    streaming,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (BROWSER and DRIVER), reason="no chromium with chromedriver on this machine's PATH"
    ),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as driver:
        yield driver


@pytest.fixture
def endpoint() -> Iterator[SmallEndpoint]:
    with small_endpoint() as endpoint:
        endpoint.deployments.append(deployed("v3-base", "travel-base:3", 0, "base"))
        yield endpoint


@pytest.fixture
def there(endpoint: SmallEndpoint, tmp_path: Path) -> Iterator[Served]:
    with served(endpoint.directory(), tmp_path / "votes.jsonl") as there:
        yield there


@pytest.fixture
def page(browser: Any, there: Served) -> Iterator[Driven]:
    """The page, opened; afterwards it must have kept quiet and to its own address."""
    browser.get_log("browser"), browser.get_log("performance")
    browser.get(there.address)
    page = Driven(browser)
    page.wait(lambda: page.text("#endpoint") == "ep-test · stack test")
    yield page
    assert page.complaints() == []
    assert page.hosts() == {urlsplit(there.address).netloc}
    browser.get("about:blank")


def test_a_question_is_answered_by_both_while_they_write_and_judged(
    page: Driven, endpoint: SmallEndpoint, there: Served
) -> None:
    """Slow: starts a browser."""
    go_on = threading.Event()

    def slow(asked: Asked) -> None:
        name = asked.headers["azureml-model-deployment"]
        asked.begin()
        asked.piece(f"{name} begins")
        assert go_on.wait(SECONDS)
        asked.piece(" and ends.", "stop")
        asked.event("[DONE]")

    endpoint.answer = slow
    assert page.text(".side .model") == "travel:3|travel-base:3"
    page.put("#temperature", "0.2")
    assert page.text("#temperature-said") == "0.20"
    page.found("#seed")[0].send_keys("7")
    page.found("#stop_at")[0].send_keys("END")
    page.found("#system")[0].send_keys("Be brief.")
    page.ask("Where to?")
    page.wait(lambda: page.text(".answer .text") == "v3-tuned begins|v3-base begins")
    go_on.set()
    page.wait(
        lambda: page.text(".answer .text") == "v3-tuned begins and ends.|v3-base begins and ends."
    )
    page.wait(lambda: page.text(".speed").count("tokens/s") == 2)
    bodies = [body for _, body in endpoint.asked]
    said = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where to?"}]
    for body in bodies:
        assert body["messages"] == said
        assert {**body, "messages": 0} == {
            "messages": 0, "stream": True, "stream_options": {"include_usage": True},
            "temperature": 0.2, "top_p": 1, "max_tokens": 256, "seed": 7, "stop": ["END"],
        }  # fmt: skip
    up, _, _, down = page.found(".thumb")
    up.click()
    page.wait(lambda: page.text("#votes") == "1 vote kept")
    down.click()
    page.wait(lambda: page.text("#votes") == "2 votes kept")
    page.found(".better")[0].click()
    page.wait(lambda: page.text("#votes") == "3 votes kept")
    first, second, third = read_votes(there.votes).standing()
    assert (first.kind, first.verdict, first.answers[0].model) == ("thumb", "up", "travel:3")
    assert (second.verdict, second.answers[0].side) == ("down", "base")
    assert (third.verdict, third.about) == ("better", first.about)
    assert first.answers[0].text == "v3-tuned begins and ends."
    assert [each.model_dump() for each in first.answers[0].messages] == said
    assert (first.parameters.temperature, first.parameters.seed) == (0.2, 7)
    assert first.answers[0].first_token_seconds is not None
    up.click()
    page.wait(lambda: page.text("#votes") == "2 votes kept")
    assert up.get_attribute("aria-pressed") == "false"


def test_each_side_goes_on_from_its_own_answers_and_a_new_conversation_forgets(
    page: Driven, endpoint: SmallEndpoint
) -> None:
    """Slow: starts a browser."""
    page.ask_and_wait("one")
    page.ask_and_wait("two")
    by_name = {headers["azureml-model-deployment"]: body for headers, body in endpoint.asked[2:]}
    for name, body in by_name.items():
        roles = [each["content"] for each in body["messages"]]
        assert roles == ["one", f"{name} heard: one", "two"]
    page.found("#anew")[0].click()
    assert page.found(".turn") == []
    page.ask_and_wait("three")
    assert [len(body["messages"]) for _, body in endpoint.asked[4:]] == [1, 1]


def test_what_a_model_says_is_shown_as_text_and_runs_nothing(
    page: Driven, endpoint: SmallEndpoint
) -> None:
    """Slow: starts a browser."""
    hostile = "<img src=x onerror=alert(1)><script>document.title='taken'</script>\n\u2028**b**"

    def answer(asked: Asked) -> None:
        asked.begin()
        asked.piece(hostile, "stop")
        asked.event("[DONE]")

    endpoint.answer = answer
    page.ask_and_wait("<b>bold?</b>")
    assert page.found(".text")[0].get_property("textContent") == hostile
    assert page.text(".turn > .question") == "<b>bold?</b>"
    assert page.found(".turn img, .turn script, .turn b") == []
    assert page.browser.title == "tunestack · test"


def test_one_side_that_fails_says_why_and_the_other_answers(
    page: Driven, endpoint: SmallEndpoint
) -> None:
    """Slow: starts a browser."""

    def answer(asked: Asked) -> None:
        if asked.headers["azureml-model-deployment"] == "v3-base":
            asked.begin()
            asked.piece("I wanted")
            asked.event({"error": {"code": "failed", "message": "It ran out of memory."}})
        else:
            streaming(asked)

    endpoint.answer = answer
    page.ask_and_wait("one")
    assert page.text(".error:not([hidden])") == "It ran out of memory."
    assert page.text(".better:not([hidden])") == ""
    endpoint.answer = streaming
    page.ask_and_wait("two")
    asked = {h["azureml-model-deployment"]: len(b["messages"]) for h, b in endpoint.asked[2:]}
    assert asked == {"v3-tuned": 3, "v3-base": 1}


def test_stopping_ends_the_questions_at_the_endpoint(page: Driven, endpoint: SmallEndpoint) -> None:
    """Slow: starts a browser."""
    cut = [threading.Event(), threading.Event()]
    left = list(cut)

    def answer(asked: Asked) -> None:
        asked.begin()
        asked.piece("So far")
        asked.connection.settimeout(SECONDS)
        if asked.connection.recv(1) == b"":
            left.pop().set()

    endpoint.answer = answer
    page.ask("one")
    page.wait(lambda: page.text(".text") == "So far|So far")
    page.found("#stop")[0].click()
    assert all(each.wait(SECONDS) for each in cut)
    page.wait(lambda: page.text(".speed").count("stopped") == 2)


def test_without_a_base_model_it_says_how_to_deploy_one(
    page: Driven, endpoint: SmallEndpoint, there: Served
) -> None:
    """Slow: starts a browser."""
    endpoint.deployments = endpoint.deployments[:1]
    there.directory.state = endpoint.look()
    page.browser.refresh()
    page.wait(lambda: page.text("#command") == BASE_COMMAND)
    page.ask_and_wait("one")
    assert page.text(".answer .text") == "v3-tuned heard: one"


def test_it_is_used_by_keyboard_alone_and_everything_has_a_name(page: Driven) -> None:
    """Slow: starts a browser."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    page.wait(lambda: page.browser.switch_to.active_element.get_attribute("id") == "question")
    page.ask_and_wait("one")
    page.wait(lambda: page.browser.switch_to.active_element.get_attribute("id") == "question")
    names = []
    for _ in range(6):  # back through the six buttons of the two answers
        ActionChains(page.browser).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(
            Keys.SHIFT
        ).perform()
        names.append(page.browser.switch_to.active_element.accessible_name)
    assert names == [
        "Bad answer (base)", "Good answer (base)", "This one is better (base)",
        "Bad answer (tuned)", "Good answer (tuned)", "This one is better (tuned)",
    ]  # fmt: skip
    ActionChains(page.browser).send_keys(Keys.SPACE).perform()
    page.wait(lambda: page.text("#votes") == "1 vote kept")
    for control in page.found("button, input, textarea"):
        if control.is_displayed():
            assert control.accessible_name, control.get_attribute("outerHTML")


def test_a_token_opens_the_page_and_leaves_the_address(
    browser: Any, endpoint: SmallEndpoint, tmp_path: Path
) -> None:
    """Slow: starts a browser."""
    with served(endpoint.directory(), tmp_path / "other.jsonl", token="s3cret") as there:
        page = Driven(browser)
        browser.get(f"{there.address}/#token=s3cret")
        page.wait(lambda: page.text("#endpoint") == "ep-test · stack test")
        assert browser.current_url == f"{there.address}/"
        page.ask_and_wait("one")
        assert page.text(".text").count("heard: one") == 2
        browser.get("about:blank")
