"""Paint the page of a stack: `python -m tests.status.paint_status docs/status.png PAGE.html`.

The picture in the documents is of a rehearsed stack, with real trainings and real deployments:

    tunestack rehearse --keep
    tunestack train --recipe rehearsal --data .tunestack/rehearsal/sample \\
        --set training.epochs=3 --set training.eval_steps=15 --set training.keep=best
    tunestack rehearse --route openai --keep
    tunestack status --html page.html
"""

import argparse
from pathlib import Path
from typing import Any

from tests.deploy.page_browser import chromium

WIDTH = 1280
LAST = "answers"
"""The last section in the picture; the page goes on below it."""
MARGIN = 10


def paint(picture: Path, page: Path, scheme: str, width: int, last: str) -> None:
    """Keep what a browser shows of the page, down to a section's end."""
    with chromium() as browser:
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        _be(browser, width, 900)
        browser.get(page.absolute().as_uri())
        script = "return document.getElementById(arguments[0]).getBoundingClientRect().bottom"
        _be(browser, width, round(browser.execute_script(script, last)) + MARGIN)
        browser.save_screenshot(str(picture))


def _be(browser: Any, width: int, height: int) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("page", type=Path)
    parser.add_argument("--scheme", choices=("light", "dark"), default="light")
    parser.add_argument("--width", type=int, default=WIDTH)
    parser.add_argument("--last", default=LAST, help="id of the last section in the picture")
    options = parser.parse_args()
    paint(options.picture, options.page, options.scheme, options.width, options.last)


if __name__ == "__main__":
    main()
