"""docs/stack.svg is what the program declares; a picture of any settings shows all they make."""

import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings, parse_settings
from infra.cards import CHARACTERS, NEVER_A_CARD, stack_cards
from infra.grant_table import grants
from infra.in_process.preview import offline_plan
from infra.picture import FILE, draw, write
from infra.site import PULUMI

EVERYTHING: dict[str, Any] = {
    "hub": True,
    "foundry": True,
    "privateNetwork": True,
    "hardened": True,
    "monitoring": True,
    "budget": 300,
    "alertEmails": ["you@example.com"],
    "lowPriority": True,
    "clusters": ["Standard_NC40ads_H100_v5*2"],
}
ADOPTING = {"adoptGroup": "rg-research", "adoptWorkspace": "mlw-research"}
VARIANTS: tuple[dict[str, Any], ...] = ({}, {"monitoring": True}, EVERYTHING, ADOPTING)


def texts(picture: str) -> list[str]:
    root = ET.fromstring(picture)
    return [item.text or "" for item in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_picture_is_current() -> None:
    assert FILE.read_text(encoding="utf-8") == draw(), "run: python -m infra.picture"


def test_the_picture_shows_every_identity_and_grant() -> None:
    shown = texts(draw())
    for grant in grants():
        who = grant.who.removesuffix(" identity")
        assert any(f"{who}: {grant.role.title}" in text for text in shown), grant
    for heading in ("endpoint identity", "key vault", "compute cluster", "Log Analytics workspace"):
        assert heading in shown


@pytest.mark.parametrize("chosen", VARIANTS, ids=lambda chosen: "-".join(chosen)[:20] or "default")
def test_every_declared_resource_is_named_in_the_picture(chosen: dict[str, Any]) -> None:
    settings = parse_settings(chosen)
    shown = "\n".join(texts(draw(settings, "dev")))
    declared = offline_plan("dev", settings, PULUMI, "").steps
    missing = [
        f"{step.title} {step.name}"
        for step in declared
        if step.title not in NEVER_A_CARD and step.id.rsplit("/", 1)[-1] not in shown
    ]
    assert not missing


@pytest.mark.parametrize("chosen", VARIANTS, ids=lambda chosen: "-".join(chosen)[:20] or "default")
def test_nothing_is_drawn_outside_the_picture_or_over_another_card(chosen: dict[str, Any]) -> None:
    root = ET.fromstring(draw(parse_settings(chosen), "dev"))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    boxes = [
        tuple(float(box.get(key, 0)) for key in ("x", "y", "width", "height"))
        for box in root.iter("{http://www.w3.org/2000/svg}rect")
    ]
    assert all(x + wide <= width and y + high <= height for x, y, wide, high in boxes)
    cards = sorted(box for box in boxes if box[2] == 310)
    assert len(cards) >= 5
    for (x, y, _, high), (other_x, other_y, *_) in pairwise(cards):
        assert x != other_x or y + high < other_y


def test_lines_fit_into_their_card() -> None:
    shown = stack_cards(parse_settings(EVERYTHING), "dev")
    for card in (*shown.identities, *shown.stores, *shown.others):
        assert all(len(text) <= CHARACTERS for text, _ in card.lines), card


def test_the_cards_say_what_the_settings_decide() -> None:
    shown = texts(draw(parse_settings(EVERYTHING), "dev"))
    for line in (
        "Premium",
        "purge protection",
        "managed network, private endpoints",
        "USD 300 a month",
        "0 to 2 × Standard_NC40ads_H100_v5",
        "connection: ai-services",
    ):
        assert line in shown
    assert "hub" in shown and "hub project" in shown
    assert any("low priority" in line or line.endswith("low") for line in shown)


def test_what_is_adopted_says_so() -> None:
    shown = texts(draw(parse_settings(ADOPTING), "dev"))
    assert "adopted resource group rg-research" in shown
    assert "adopted: never changed, never deleted" in shown
    assert not any(line.startswith("on the whole group") for line in shown)


def test_the_same_settings_draw_the_same_picture(tmp_path: Path) -> None:
    first = write(tmp_path / "a.svg", Settings(), "dev").read_text()
    assert first == write(tmp_path / "deeper" / "b.svg", Settings(), "dev").read_text()
    assert first != draw(Settings(), "other")
