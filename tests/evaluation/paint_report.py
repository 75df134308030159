"""Paint a report for the docs: `python -m tests.evaluation.paint_report docs/evaluation.png FILE`.

FILE is the page of an evaluation that was really made: index.html of `tunestack evaluate`, or what
`tunestack models compare --html FILE` wrote after a rehearsal.
"""

import argparse
from base64 import b64decode
from pathlib import Path

from tests.deploy.page_browser import chromium

WIDTH, HEIGHT = 1120, 1240


def paint(picture: Path, page: Path, scheme: str, width: int, height: int) -> None:
    """Keep what the page shows first."""
    with chromium() as browser:
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(page.resolve().as_uri())
        shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        picture.write_bytes(b64decode(shot["data"]))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("page", type=Path)
    parser.add_argument("--scheme", choices=("light", "dark"), default="light")
    parser.add_argument("--width", type=int, default=WIDTH)
    parser.add_argument("--height", type=int, default=HEIGHT)
    options = parser.parse_args()
    paint(options.picture, options.page, options.scheme, options.width, options.height)


if __name__ == "__main__":
    main()
