"""Draws a stack: `plan --svg` any, and `python -m infra.picture` the default one, docs/stack.svg.

What is in it comes from the resources that the program declares and the grants that it lists
(cards.py); only where the cards stand is decided here.
"""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from core.home import PROJECT
from core.settings import Settings
from infra.cards import COLOURS, GREY, Card, Stack, short, stack_cards
from infra.roles import Who

FILE = PROJECT / "docs" / "stack.svg"
STACK = "dev"

CARD, GAP, LEFT, TOP = 310, 24, 24, 104
LINE, PADDING = 18, 14
COLUMNS = 3


def draw(settings: Settings | None = None, stack: str = STACK) -> str:
    """Give the picture as SVG, the same for the same settings; of the default ones without any."""
    shown = stack_cards(settings or Settings(), stack)
    columns = _columns(shown)
    height = TOP + max(map(_tall, columns)) + GAP
    width = 2 * LEFT + COLUMNS * CARD + (COLUMNS + 1) * GAP
    body = [_frame(shown, width, height), *_legend(shown)]
    for index, column in enumerate(columns):
        body += _column(LEFT + GAP + index * (CARD + GAP), column)
    return "\n".join((_head(width, height), *body, "</svg>", ""))


def write(file: Path = FILE, settings: Settings | None = None, stack: str = STACK) -> Path:
    """Write the picture."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(draw(settings, stack), encoding="utf-8")
    return file


def _columns(shown: Stack) -> Sequence[list[Card]]:
    """Put identities left, stores in the middle and the rest right, then where there is room."""
    columns = [list(shown.identities), list(shown.stores), list[Card]()]
    right = columns[-1]
    for card in shown.others:
        has_room = _tall(right) <= max(_tall(column) for column in columns[:-1])
        (right if has_room else min(columns, key=_tall)).append(card)
    return columns


def _tall(column: Iterable[Card]) -> int:
    return sum(_height(card) + GAP for card in column)


def _height(card: Card) -> int:
    return PADDING + LINE * (2 + len(card.lines)) + PADDING


def _head(width: int, height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" '
        'font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif" font-size="13">\n'
        "<title>What tunestack up makes, and who may do what</title>\n"
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    )


def _frame(shown: Stack, width: int, height: int) -> str:
    box = f'x="{LEFT / 2:.0f}" y="12" width="{width - LEFT}" height="{height - 24}"'
    kind = "adopted resource group" if shown.is_adopted else "resource group"
    return (
        f'<rect {box} rx="10" fill="#faf9f8" stroke="#8a8886" stroke-dasharray="6 4"/>\n'
        + _text(LEFT + GAP, 40, f"{kind} {shown.group}", weight=600)
    )


def _legend(shown: Stack) -> list[str]:
    lines = [_text(LEFT + GAP, 62, "in colour: who may do what on a resource", fill=GREY)]
    if shown.on_the_group:
        whole = "; ".join(f"{short(grant.who)}: {grant.role.title}" for grant in shown.on_the_group)
        colour = COLOURS[Who.ENDPOINT]
        lines.append(_text(LEFT + GAP, 82, f"on the whole group: {whole}", fill=colour))
    return lines


def _column(x: int, cards: Iterable[Card]) -> list[str]:
    drawn, y = [], TOP
    for card in cards:
        drawn.append(_card(x, y, card))
        y += _height(card) + GAP
    return drawn


def _card(x: int, y: int, card: Card) -> str:
    height = _height(card)
    box = f'x="{x}" y="{y}" width="{CARD}" height="{height}"'
    parts = [
        f'<rect {box} rx="6" fill="#ffffff" stroke="{card.colour}"/>',
        f'<rect x="{x}" y="{y}" width="5" height="{height}" fill="{card.colour}"/>',
        _text(x + PADDING + 4, y + PADDING + 12, card.heading, weight=600),
        _text(x + PADDING + 4, y + PADDING + 12 + LINE, card.name, fill=GREY),
    ]
    for row, (text, colour) in enumerate(card.lines, start=2):
        parts.append(_text(x + PADDING + 4, y + PADDING + 12 + row * LINE, text, fill=colour))
    return "\n".join(parts)


def _text(x: int, y: int, text: str, *, fill: str = "#201f1e", weight: int = 400) -> str:
    return f'<text x="{x}" y="{y}" fill="{fill}" font-weight="{weight}">{escape(text)}</text>'


if __name__ == "__main__":
    write()
