"""docs/stack.svg is what the program declares."""

import xml.etree.ElementTree as ET

from infra.picture import FILE, draw
from infra.roles import GRANTS


def test_the_picture_is_current() -> None:
    assert FILE.read_text(encoding="utf-8") == draw(), "run: python -m infra.picture"


def test_the_picture_shows_every_identity_and_grant() -> None:
    root = ET.fromstring(draw())
    texts = [item.text or "" for item in root.iter("{http://www.w3.org/2000/svg}text")]
    for grant in GRANTS:
        who = grant.who.removesuffix(" identity")
        assert any(f"{who}: {grant.role.title}" in text for text in texts), grant
    for heading in ("endpoint identity", "key vault", "compute cluster", "Log Analytics workspace"):
        assert heading in texts


def test_nothing_is_drawn_outside_the_picture() -> None:
    root = ET.fromstring(draw())
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for box in root.iter("{http://www.w3.org/2000/svg}rect"):
        x, y = float(box.get("x", 0)), float(box.get("y", 0))
        assert x + float(box.attrib["width"]) <= width
        assert y + float(box.attrib["height"]) <= height
