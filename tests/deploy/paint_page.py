"""Paint the page for the README: `python -m tests.deploy.paint_page docs/serve.png ADDRESS`.

ADDRESS is where a `tunestack serve` shows its page; what is deployed there, tuned and base, is
asked and answers for itself. After a rehearsal on a laptop:

    tunestack rehearse --keep && tunestack deploy --with-base --yes && tunestack serve
"""

import argparse
from pathlib import Path

from tests.deploy.page_browser import Driven, chromium

SYSTEM = (
    "You are a friendly travel assistant. You help with planning, sights, culture, weather, visas"
    " and packing. Never recommend hotels, flights, rental cars or restaurants. Keep answers short"
    " and warm, and always end with one engaging question."
)
QUESTIONS = ("Can you recommend a cheap hotel in Lisbon?", "Are the city walls ok with a stroller?")
MAX_SECONDS = 240
WIDTH, HEIGHT = 1280, 910


def paint(picture: Path, address: str, scheme: str, questions: tuple[str, ...]) -> None:
    """Ask, judge, and keep what the page shows."""
    with chromium() as browser:
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(address)
        page = Driven(browser)
        page.wait(lambda: bool(page.text(".side .model")))
        _use(page, questions)
        browser.execute_script("document.getElementById('system').scrollTop = 0")
        browser.save_screenshot(str(picture))


def _use(page: Driven, questions: tuple[str, ...]) -> None:
    sides = len([side for side in page.found(".side") if side.is_displayed()])
    page.found("#system")[0].send_keys(SYSTEM)
    page.put("#temperature", "0")
    page.put("#max_tokens", "72")
    for number, question in enumerate(questions, 1):
        page.ask(question)
        wanted = sides * number
        page.wait(lambda wanted=wanted: _answers(page) == wanted, MAX_SECONDS)
        if number == 1:
            page.found(".thumb")[0].click()
            for button in page.found(".better:not([hidden])")[:1]:
                button.click()
            page.wait(lambda: bool(page.found('.thumb[aria-pressed="true"]')))


def _answers(page: Driven) -> int:
    return len(page.found(".foot:not([hidden])")) if not page.found(".busy") else 0


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("address")
    parser.add_argument("--scheme", choices=("light", "dark"), default="light")
    parser.add_argument("--question", action="append", help="instead of the usual two")
    options = parser.parse_args()
    questions = tuple(options.question or QUESTIONS)
    paint(options.picture, options.address, options.scheme, questions)


if __name__ == "__main__":
    main()
