"""What a picture of a stack shows: a card for each resource that the program declares.

Nothing is listed by hand: a new kind of resource gets a card of its own, or a line in the card of
the resource that it is a part of.
"""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.cloud import Person
from core.settings import Settings
from infra.arm import Request
from infra.in_process.preview import NOBODY, look
from infra.in_process.record import Record
from infra.roles import Grant, Scope, Who
from infra.site import PULUMI, Site

COLOURS = {
    Who.ENDPOINT: "#0f6cbd",
    Who.JOB: "#c2560c",
    Who.WORKSPACE: "#5c2e91",
    Who.HUB: "#8e562e",
    Who.AI_ACCOUNT: "#005b70",
    Who.PERSON: "#107c41",
    Who.WORKFLOW: "#8a3707",
}
GREY = "#605e5c"
CHARACTERS = 42
"""The longest line that a card has room for."""

ALWAYS_A_CARD = ("compute cluster", "Foundry project")
"""What is worth a card, though it is a part of another resource."""

NEVER_A_CARD = ("resource group", "grant")
IDENTITY = "managed identity"
STORES = ("storage account", "container registry", "key vault")
KINDS_OF_WORKSPACE = {"Hub": str(Scope.HUB), "Project": str(Scope.HUB_PROJECT)}

Line = tuple[str, str]
"""A text and its colour."""


@dataclass(frozen=True)
class Card:
    """A box: a heading, a name below it, and lines that each may carry a colour."""

    heading: str
    name: str
    lines: tuple[Line, ...] = ()
    colour: str = GREY


@dataclass(frozen=True)
class Stack:
    """What of a stack is drawn."""

    group: str
    is_adopted: bool
    on_the_group: tuple[Grant, ...]
    identities: tuple[Card, ...]
    stores: tuple[Card, ...]
    others: tuple[Card, ...]


def stack_cards(settings: Settings, stack: str) -> Stack:
    """Run the program without asking Azure, and make the cards of what it would send."""
    site = Site(settings, NOBODY, stack)
    declared = _declared(site)
    shown = [item for item in declared if _has_card(item, declared)]
    cards = [(item.kind.title, _card(item, declared, site)) for item in shown]
    person = Card(Who.PERSON, "runs tunestack; not in the group", (), COLOURS[Who.PERSON])
    return Stack(
        group=site.names.group,
        is_adopted=bool(settings.adopt_group),
        on_the_group=tuple(grant for grant in site.grants if grant.scope is Scope.GROUP),
        identities=(*(card for title, card in cards if title == IDENTITY), person),
        stores=tuple(card for title, card in cards if title in STORES),
        others=tuple(card for title, card in cards if title not in (*STORES, IDENTITY)),
    )


def _declared(site: Site) -> list[Request]:
    nobody = Person(NOBODY, NOBODY, "nobody", is_person=True)
    met = look(site, None, nobody, Record.of(site.stack), PULUMI).met.values()
    return sorted(met, key=lambda item: (_rank(item), item.path))


def _rank(item: Request) -> int:
    """Order what a reader looks for first."""
    first = (*STORES, "workspace", "compute cluster", "Application Insights")
    title = item.kind.title
    return first.index(title) if title in first else len(first)


def _has_card(item: Request, declared: Sequence[Request]) -> bool:
    title = item.kind.title
    if title in NEVER_A_CARD:
        return False
    return title in ALWAYS_A_CARD or _whole(item, declared) is None


def _whole(item: Request, declared: Sequence[Request]) -> Request | None:
    """Find the resource that another one is a part of: the nearest above it, not the group."""
    above = [
        other
        for other in declared
        if other.kind.title not in NEVER_A_CARD and item.path.startswith(f"{other.path}/")
    ]
    return max(above, key=lambda other: len(other.path), default=None)


def _card(item: Request, declared: Sequence[Request], site: Site) -> Card:
    title = item.kind.title
    name = item.name.rsplit("/", 1)[-1]
    who = _who(name) if title == IDENTITY else None
    heading = who or KINDS_OF_WORKSPACE.get(str(item.body.get("kind")), title)
    lines = (*_facts(item, site), *_parts(item, declared), *_acts_as(item), *_may(heading, site))
    colour = COLOURS.get(who, GREY) if who else GREY
    return Card(heading, name, tuple(_wrapped(lines)), colour)


def _who(name: str) -> Who:
    """Tell an identity of ours by the end of its name."""
    return Who(f"{name.rsplit('-', 1)[-1]} identity")


def _parts(item: Request, declared: Sequence[Request]) -> Iterable[Line]:
    """List what a resource contains, by kind."""
    found: dict[str, list[str]] = {}
    for other in declared:
        is_listed = other.kind.title not in NEVER_A_CARD and not _has_card(other, declared)
        if is_listed and _whole(other, declared) is item:
            found.setdefault(other.kind.title, []).append(other.name.rsplit("/", 1)[-1])
    for title, names in found.items():
        yield f"{title}s: {', '.join(names)}" if len(names) > 1 else f"{title}: {names[0]}", GREY


def _facts(item: Request, site: Site) -> Iterable[Line]:
    """Say what the settings decide about a resource."""
    if site.settings.adopt_workspace and item.path == site.workspace_id:
        yield "adopted: never changed, never deleted", GREY
    properties = item.body.get("properties") or {}
    inner = properties.get("properties") or {}
    if item.kind.title == "compute cluster":
        scale = inner["scaleSettings"]
        low = ", low priority" if inner.get("vmPriority") == "LowPriority" else ""
        count = f"{scale['minNodeCount']} to {scale['maxNodeCount']}"
        yield f"{count} × {inner['vmSize']}{low}", GREY
    if item.kind.title == "container registry":
        yield str((item.body.get("sku") or {}).get("name")), GREY
    if item.kind.title == "budget":
        yield f"USD {properties['amount']:g} a month", GREY
    if properties.get("enablePurgeProtection"):
        yield "purge protection", GREY
    if properties.get("networkRuleSet", properties.get("networkAcls")):
        yield "closed but for allowed addresses and Azure", GREY
    if properties.get("managedNetwork"):
        yield "managed network, private endpoints", GREY


def _acts_as(item: Request) -> Iterable[Line]:
    """Say which identity a resource acts as."""
    for id in (item.body.get("identity") or {}).get("userAssignedIdentities") or ():
        who = _who(str(id))
        yield f"acts as the {who}", COLOURS[who]


def _may(heading: str, site: Site) -> Iterable[Line]:
    """List who may do what on a resource."""
    for grant in site.grants:
        if grant.scope.lower() == heading.lower():
            yield f"{short(grant.who)}: {grant.role.title}", COLOURS[grant.who]


def short(who: Who) -> str:
    """Name who a grant is for, as a line has room for."""
    return who.removesuffix(" identity")


def _wrapped(lines: Iterable[Line]) -> Iterable[Line]:
    for text, colour in lines:
        for part in textwrap.wrap(text, CHARACTERS, subsequent_indent="   "):
            yield part, colour
