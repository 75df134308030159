"""Draws the stack from the program: `python -m infra.picture` writes docs/stack.svg.

What is in it comes from the resources that the program declares and the grants that it lists;
only where the cards stand is decided here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from core.cloud import Person
from core.home import PROJECT
from core.settings import Settings
from infra.arm import Request
from infra.in_process.preview import NOBODY, look
from infra.in_process.record import Record
from infra.roles import GRANTS, Scope, Who
from infra.site import PULUMI, Site

FILE = PROJECT / "docs" / "stack.svg"
STACK = "dev"

COLOURS = {
    Who.ENDPOINT: "#0f6cbd",
    Who.JOB: "#c2560c",
    Who.WORKSPACE: "#5c2e91",
    Who.PERSON: "#107c41",
}
SCOPES = {scope.value.lower(): scope for scope in Scope}
IDENTITIES = {"endpoint": Who.ENDPOINT, "job": Who.JOB, "workspace": Who.WORKSPACE}
KEEPS = ("storage account", "container registry", "key vault")
WORKS = ("workspace", "compute cluster", "Application Insights", "Log Analytics workspace")

CARD, GAP, LEFT, TOP = 310, 24, 24, 104
LINE, PADDING = 18, 14
GREY = "#605e5c"


@dataclass(frozen=True)
class Card:
    """A box: a heading, a name below it, and lines that each may carry a colour."""

    heading: str
    name: str
    lines: tuple[tuple[str, str], ...] = ()
    colour: str = GREY

    @property
    def height(self) -> int:
        """How tall it is drawn."""
        return PADDING + LINE * (2 + len(self.lines)) + PADDING


def draw() -> str:
    """Give the picture as SVG, the same for the same program."""
    declared = _declared()
    group = next(item for item in declared if item.kind.title == "resource group")
    columns = (
        [*_identities(declared), _person()],
        _cards(declared, KEEPS),
        _cards(declared, WORKS),
    )
    height = TOP + max(sum(card.height + GAP for card in column) for column in columns) + GAP
    width = 2 * LEFT + 3 * CARD + 4 * GAP
    body = [_frame(group, width, height), *_legend()]
    for index, column in enumerate(columns):
        body += _column(LEFT + GAP + index * (CARD + GAP), column)
    return "\n".join((_head(width, height), *body, "</svg>", ""))


def _declared() -> list[Request]:
    """Run the program and give what it would send."""
    site = Site(Settings(), NOBODY, STACK)
    nobody = Person(NOBODY, NOBODY, "nobody", is_person=True)
    return list(look(site, None, nobody, Record.of(STACK), PULUMI).met.values())


def write(file: Path = FILE) -> Path:
    """Write the picture."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(draw(), encoding="utf-8")
    return file


def _person() -> Card:
    return Card(Who.PERSON, "runs tunestack; not in the group", (), COLOURS[Who.PERSON])


def _identities(declared: Sequence[Request]) -> Iterable[Card]:
    for item in sorted(declared, key=lambda item: item.name):
        if item.kind.title == "managed identity":
            who = IDENTITIES[item.name.rsplit("-", 1)[-1]]
            yield Card(who, item.name, (), COLOURS[who])


def _cards(declared: Sequence[Request], titles: Sequence[str]) -> list[Card]:
    shown = [item for item in declared if item.kind.title in titles]
    shown.sort(key=lambda item: titles.index(item.kind.title))
    return [
        Card(
            item.kind.title,
            item.name.rsplit("/", 1)[-1],
            (*_inside(item, declared), *_acts_as(item), *_may(item.kind.title)),
        )
        for item in shown
    ]


def _inside(item: Request, declared: Sequence[Request]) -> Iterable[tuple[str, str]]:
    """List the containers of an account, the nodes of a cluster."""
    if item.kind.title == "storage account":
        names = sorted(
            other.name.rsplit("/", 1)[-1]
            for other in declared
            if other.kind.title == "blob container"
        )
        yield f"containers: {', '.join(names)}", GREY
    if item.kind.title == "compute cluster":
        nodes = item.body["properties"]["properties"]
        scale = nodes["scaleSettings"]
        count = f"{scale['minNodeCount']} to {scale['maxNodeCount']}"
        yield f"{count} × {nodes['vmSize']}", GREY


def _acts_as(item: Request) -> Iterable[tuple[str, str]]:
    """Say which identity a resource acts as."""
    for id in (item.body.get("identity") or {}).get("userAssignedIdentities") or ():
        who = IDENTITIES[id.rsplit("-", 1)[-1]]
        yield f"acts as the {who}", COLOURS[who]


def _may(title: str) -> tuple[tuple[str, str], ...]:
    """List who may do what on a resource."""
    scope = SCOPES.get(title.lower())
    return tuple(
        (f"{grant.who.removesuffix(' identity')}: {grant.role.title}", COLOURS[grant.who])
        for grant in GRANTS
        if grant.scope is scope
    )


def _head(width: int, height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" '
        'font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif" font-size="13">\n'
        "<title>What tunestack up makes, and who may do what</title>\n"
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    )


def _frame(group: Request, width: int, height: int) -> str:
    box = f'x="{LEFT / 2:.0f}" y="12" width="{width - LEFT}" height="{height - 24}"'
    return (
        f'<rect {box} rx="10" fill="#faf9f8" stroke="#8a8886" stroke-dasharray="6 4"/>\n'
        + _text(LEFT + GAP, 40, f"{group.kind.title} {group.name}", weight=600)
    )


def _legend() -> list[str]:
    whole = "; ".join(text for text, _ in _may("resource group"))
    return [
        _text(LEFT + GAP, 62, "in colour: who may do what on a resource", fill=GREY),
        _text(LEFT + GAP, 82, f"on the whole group: {whole}", fill=COLOURS[Who.ENDPOINT]),
    ]


def _column(x: int, cards: Iterable[Card]) -> list[str]:
    drawn, y = [], TOP
    for card in cards:
        drawn.append(_card(x, y, card))
        y += card.height + GAP
    return drawn


def _card(x: int, y: int, card: Card) -> str:
    box = f'x="{x}" y="{y}" width="{CARD}" height="{card.height}"'
    parts = [
        f'<rect {box} rx="6" fill="#ffffff" stroke="{card.colour}"/>',
        f'<rect x="{x}" y="{y}" width="5" height="{card.height}" fill="{card.colour}"/>',
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
