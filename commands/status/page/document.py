"""The page of a stack: one HTML file that fetches nothing and runs nothing, from facts alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from commands.status.page import money, work
from commands.status.page.markup import Html, join, link, tag
from commands.status.page.words import pill, portal, since, usd, when, words

STYLE = Path(__file__).with_name("page.css")
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Nothing is fetched and nothing runs, even if a name or a model's words should ask for it."""

GRANT = "grant"
"""What the engines call a role assignment."""

Facts = Mapping[str, Any]


def render(facts: Facts) -> str:
    """Write the page of a stack."""
    title = f"{facts['stack']}: a tunestack stack"
    head = tag(
        "head",
        Html('<meta charset="utf-8">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        Html('<meta name="color-scheme" content="light dark">'),
        tag("title", title),
        Html(f"<style>{STYLE.read_text(encoding='utf-8')}</style>"),
    )
    body = tag("body", _top(facts), tag("main", _body(facts)), _foot(facts))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _body(facts: Facts) -> Html:
    if not facts["is_up"] and not facts["resources"]:
        return tag("p", "Nothing is there: ", tag("code", "tunestack up"), class_="empty")
    return join(
        _warnings(facts["warnings"]),
        _section(facts, "runs", "Runs", work.runs(facts)),
        _section(facts, "models", "Models", work.models(facts)),
        _section(facts, "answers", "What answers", work.answers(facts)),
        _section(facts, "cost", "Cost", money.cost(facts)),
        _section(facts, "resources", "Resources", _resources(facts)),
    )


def _top(facts: Facts) -> Html:
    state = "up" if facts["is_up"] else "not whole" if facts["resources"] else "nothing there"
    where = "a rehearsal on this machine" if facts["is_rehearsal"] else "Azure"
    told = words(facts["region"], where, f"as of {when(facts['as_of'])}")
    return tag(
        "header",
        tag("p", "tunestack", class_="mark"),
        tag("h1", facts["stack"], " ", pill(state)),
        tag("p", told, class_="quiet"),
        tag("dl", _figures(facts), class_="figures") if facts["resources"] else None,
    )


def _figures(facts: Facts) -> list[Html]:
    is_rehearsal = facts["is_rehearsal"]
    verb = "would cost on Azure" if is_rehearsal else "costs"
    spent = "would have cost" if is_rehearsal else "has cost"
    cost, stands = facts["cost"], since(facts["since"], facts["as_of"])
    is_whole = cost["per_hour"] is not None
    return [
        _figure(
            f"It {verb}",
            f"{usd(cost['known_per_hour'])} an hour",
            "with all that runs now" if is_whole else "at least: a price is not known",
        ),
        _figure("At this rate", f"{usd(facts['per_month'])} a month", "of 730 hours"),
        _figure(f"So far it {spent}", usd(cost["usd"]), "of what is known; no bill"),
        _figure("Has stood for", stands or "–", f"since {when(facts['since'])}" if stands else ""),
        _figure("Ends", *_end(facts)),
    ]


def _figure(name: str, value: str, note: str) -> Html:
    return tag("div", tag("dt", name), tag("dd", value), tag("dd", note, class_="quiet"))


def _end(facts: Facts) -> tuple[str, str]:
    """Say what ends: the stack's last day, which destroys nothing, else what ends by itself."""
    ending = sorted((one["expires"], one["name"]) for one in facts["answers"] if one["expires"])
    if facts["expires"]:
        return facts["expires"], "the stack's last day; tunestack destroy"
    if ending:
        more = f" and {len(ending) - 1} more" if len(ending) > 1 else ""
        return when(ending[0][0]), f"{ending[0][1]}{more}; the stack does not"
    return "never", "by itself; tunestack destroy"


def _warnings(found: Sequence[Mapping[str, str]]) -> Html | None:
    if not found:
        return None
    rows = [
        tag("li", one["text"], tag("code", one["fix"]) if one["fix"] else None) for one in found
    ]
    return tag("section", tag("h2", "To look at"), tag("ul", rows), class_="warnings")


def _section(facts: Facts, part: str, title: str, content: Html | None) -> Html:
    """Write a section, and in it what of it Azure refused."""
    refused = [
        tag("p", f"Not readable: {one['what']}. ", tag("span", one["reason"]), class_="refused")
        for one in facts["not_readable"]
        if one["part"] == part
    ]
    empty = None if refused else tag("p", "Nothing yet.", class_="empty")
    return tag("section", tag("h2", title), refused, content or empty, id=part)


def _resources(facts: Facts) -> Html | None:
    found = facts["resources"]
    if not found:
        return None
    grants = [item for item in found if item["title"] == GRANT]
    others = [item for item in found if item["title"] != GRANT]
    folded = tag("details", tag("summary", f"{len(grants)} grants"), _list(grants, facts))
    return join(_list(others, facts), folded if grants else None)


def _list(found: Sequence[Facts], facts: Facts) -> Html:
    rows = [_resource(item, is_rehearsal=facts["is_rehearsal"]) for item in found]
    return tag("ul", rows, class_="resources")


def _resource(item: Mapping[str, Any], *, is_rehearsal: bool) -> Html:
    state = pill("gone") if item["is_there"] is False else None
    name = link(item["name"], portal(item["id"], is_rehearsal=is_rehearsal))
    title = None if item["title"] == GRANT else tag("small", item["title"])
    return tag("li", title, name, " ", state)


def _foot(facts: Facts) -> Html:
    on = "" if facts["is_rehearsal"] else f" --stack {facts['stack']}"
    again = tag("code", f"tunestack status{on} --html FILE")
    return tag("footer", "Written by ", again, "; it fetches nothing, and is as old as it says.")
