"""HTML from text, so that no text becomes HTML: every string is escaped unless it was made here."""

from collections.abc import Iterable
from html import escape
from typing import TypeAlias

Child: TypeAlias = "str | Iterable[Child] | None"


class Html(str):
    """Text that is markup already; only this module makes it."""

    __slots__ = ()


def tag(name: str, *children: Child, **attributes: str | int | float | None) -> Html:
    """Write an element; `class_` is the attribute `class`, None leaves an attribute out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: Child) -> Html:
    """Write children one after another; None and lists are taken as they come."""
    return Html("".join(map(_written, children)))


def link(text: str, address: str) -> Html:
    """Link a text, if the address is a web page's; else give the text alone."""
    if not address.startswith("https://"):
        return join(text)
    return tag("a", text, href=address, rel="noreferrer noopener")


def _written(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return str.__str__(child)
    if isinstance(child, str):
        return escape(child)
    return "".join(map(_written, child))
