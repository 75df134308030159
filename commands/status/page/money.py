"""Cost on the page of a stack: what bills by the hour now, and what was spent so far."""

from collections.abc import Mapping, Sequence
from typing import Any

from commands.output import shortened
from commands.status.page.markup import Html, join, tag
from commands.status.page.words import hours, usd, words

Facts = Mapping[str, Any]


def cost(facts: Facts) -> Html | None:
    """Write both, and whose prices they are."""
    found = facts["cost"]
    if not found["items"]:
        return None
    return join(
        tag("div", _now(facts), _so_far(facts), class_="pair"),
        _unknown(found),
        tag(
            "p",
            "Computed from list prices and run times: this is no bill. Not seen: ",
            f"{found['not_seen']}.",
            class_="quiet",
        ),
    )


def _now(facts: Facts) -> Html:
    items = [item for item in facts["cost"]["items"] if item["per_hour"] != 0]
    items.sort(key=lambda item: item["per_hour"] or 0.0, reverse=True)
    most = max((item["per_hour"] or 0.0 for item in items), default=0.0)
    verb = "would bill by the hour on Azure" if facts["is_rehearsal"] else "bills by the hour"
    rows = [_bar(item, most) for item in items]
    return tag("div", tag("h3", f"What {verb}"), tag("ol", rows, class_="bars"))


def _bar(item: Facts, most: float) -> Html:
    amount = item["per_hour"]
    wide = 100 * (amount or 0.0) / most if most else 0.0
    return tag(
        "li",
        tag("span", shortened(item["name"]), title=item["name"]),
        tag("b", "not known" if amount is None else f"{usd(amount)} an hour"),
        tag("i", style=f"width:{wide:.1f}%") if amount else None,
        tag("small", words(item["kind"], item["what"])),
    )


def _so_far(facts: Facts) -> Html:
    verb = "would have cost on Azure" if facts["is_rehearsal"] else "has cost"
    items: Sequence[Facts] = facts["cost"]["items"]
    rows = [
        tag(
            "tr",
            tag("td", tag("span", shortened(item["name"]), title=item["name"]),
                tag("small", item["kind"])),
            tag("td", hours(item["hours"])),
            tag("td", usd(item["usd"])),
        )
        for item in items
    ]  # fmt: skip
    total = tag("tr", tag("th", "together"), tag("td", ""), tag("td", usd(facts["cost"]["usd"])))
    table = tag("table", tag("tbody", rows), tag("tfoot", total), class_="amounts")
    return tag("div", tag("h3", f"What it {verb} so far"), table)


def _unknown(found: Facts) -> Html | None:
    if not found["unknown"]:
        return None
    return tag("p", f"Not known, and not in the sum: {', '.join(found['unknown'])}.")
