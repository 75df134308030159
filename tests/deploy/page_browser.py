"""A headless Chromium, and the page in it as a person uses it."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
SECONDS = 20
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run",
    "--window-size=1280,860", "--no-proxy-server", "--disable-component-update",
    "--disable-background-networking", "--hide-scrollbars", "--force-device-scale-factor=1",
)  # fmt: skip


@contextmanager
def chromium() -> Iterator[Any]:
    """Run a browser that keeps what it says and what it asks of the network."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


class Driven:
    """The page as a person uses it."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def found(self, selector: str) -> list[Any]:
        from selenium.webdriver.common.by import By

        return list(self.browser.find_elements(By.CSS_SELECTOR, selector))

    def text(self, selector: str) -> str:
        return "|".join(each.text for each in self.found(selector))

    def wait(self, is_so: Callable[[], bool], seconds: float = SECONDS) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.browser, seconds, poll_frequency=0.05).until(lambda _: is_so())

    def ask(self, text: str) -> None:
        from selenium.webdriver.common.keys import Keys

        [field] = self.found("#question")
        field.send_keys(text, Keys.ENTER)

    def ask_and_wait(self, text: str) -> None:
        turns = len(self.found(".turn"))
        self.ask(text)
        self.wait(lambda: len(self.found(".turn")) == turns + 1 and not self.found(".busy"))

    def put(self, selector: str, value: str) -> None:
        """Set a slider as its own keys do: by value, and by the event that follows."""
        [field] = self.found(selector)
        script = (
            "arguments[0].value = arguments[1];"
            "arguments[0].dispatchEvent(new Event('input', {bubbles: true}))"
        )
        self.browser.execute_script(script, field, value)

    def complaints(self) -> list[str]:
        return [each["message"] for each in self.browser.get_log("browser")]

    def hosts(self) -> set[str]:
        """Tell whom the page has sent requests to."""
        events = [
            json.loads(each["message"])["message"] for each in self.browser.get_log("performance")
        ]
        sent = [each for each in events if each["method"] == "Network.requestWillBeSent"]
        urls = [urlsplit(each["params"]["request"]["url"]) for each in sent]
        return {url.netloc for url in urls if url.scheme not in ("about", "data")}
