"""Azure's retail prices API: what is newer there than in the tables that this program ships.

Nobody signs in for it, and nothing is sent but a region and VM sizes. Answers are kept for a day
in our home. Where it cannot be reached, within seconds, the tables do, and say how old they are.

Fields and paging as on learn.microsoft.com, "Azure Retail Prices overview" (read 2026-11); the
meters' names as people quote them from the API. Savings plans, reservations and a customer's own
prices are left out.
"""

import contextlib
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from core.catalog import Source
from core.home import home
from core.price_list import (
    DEDICATED,
    EVERYWHERE,
    LOW_PRIORITY,
    Meter,
    PriceList,
    Quote,
    shipped,
)

if TYPE_CHECKING:
    import httpx

ADDRESS = "https://prices.azure.com/api/retail/prices"
API = "2023-01-01-preview"
"""From this version on the values in a filter are case-sensitive."""

SECONDS = 3.0
"""All questions together: a plan must not hang."""

AGAIN_SECONDS = 600
"""After nobody answered in time: until it is tried again, so that not every command waits."""

MOST_PAGES = 10
ORIGIN = "Azure's retail prices API"
REGISTRIES = {
    Meter.REGISTRY_BASIC: "Basic Registry Unit",
    Meter.REGISTRY_PREMIUM: "Premium Registry Unit",
}
ENDPOINTS = {Meter.PRIVATE_ENDPOINT: "Standard Private Endpoint"}
HOURS = {"1 Hour": 1, "1/Hour": 1, "1/Day": 24, "1 Day": 24}
NOT_OURS = ("Windows", "CloudServices", "Cloud Services")
"""Other products with the same size: with a licence in the price, or no machine of ours."""

Item = dict[str, Any]
Found = dict[str, float | None]
"""By the key in the cache: USD an hour, or None where Azure lists no price."""


def price_list(
    location: str,
    sizes: Iterable[str],
    *,
    address: str = "",
    today: date | None = None,
    asks: bool = True,
) -> PriceList:
    """Give the newest prices there are of these VM sizes and of the rest, without an error ever.

    `address` is another than Azure's; without `asks` nothing is sent and what is kept must do.
    """
    day = today or datetime.now(UTC).date()
    wanted = sorted({size for size in sizes if re.fullmatch(r"Standard_\w+", size, re.ASCII)})
    kept = _Kept(home() / "prices" / f"{location}.json")
    missing = kept.missing(_keys(wanted), day)
    if missing and asks and not kept.was_waited_for_in_vain():
        began = time.monotonic()
        found = _ask(location, missing, address or ADDRESS)
        kept.add(found, day)
        if not found and time.monotonic() - began >= SECONDS:
            kept.note_waiting_in_vain()
    return kept.quotes(location, wanted).over(shipped(location, wanted))


def _keys(sizes: Iterable[str]) -> list[str]:
    return [*sizes, *REGISTRIES, *ENDPOINTS]


def _ask(location: str, keys: list[str], address: str) -> Found:
    """Ask for everything side by side; what has not come in time is left out."""
    sizes = [key for key in keys if key not in (*REGISTRIES, *ENDPOINTS)]
    meters = {meter: name for meter, name in REGISTRIES.items() if meter in keys}
    questions: list[Callable[[float], Found]] = []
    if sizes:
        questions.append(lambda until: _vms(address, location, sizes, until))
    if meters:
        questions.append(
            lambda until: _meters(address, "Container Registry", location, meters, until)
        )
    if set(ENDPOINTS) & set(keys):
        questions.append(
            lambda until: _meters(address, "Virtual Network", "Global", ENDPOINTS, until)
        )
    return _side_by_side(questions)


def _side_by_side(questions: list[Callable[[float], Found]]) -> Found:
    """Collect the answers that come until the time is over; threads that are late are let go."""
    until, answers = time.monotonic() + SECONDS, list[Found]()

    def answer(question: Callable[[float], Found]) -> None:
        import httpx

        try:
            answers.append(question(until))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError, OSError):
            return  # the tables do

    threads = [
        threading.Thread(target=answer, args=(question,), daemon=True) for question in questions
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return {key: price for found in list(answers) for key, price in found.items()}


def _vms(address: str, location: str, sizes: list[str], until: float) -> Found:
    """Ask for the price of VM sizes with Linux, dedicated and low priority."""
    names = " or ".join(f"armSkuName eq '{size}'" for size in sizes)
    items = _items(address, "Virtual Machines", location, f"({names})", until)
    ours = [item for item in items if not any(word in item["productName"] for word in NOT_OURS)]
    found: Found = {}
    for size in sizes:
        same = [item for item in ours if item["armSkuName"].lower() == size.lower()]
        named = [(f"{item['skuName']} {item['meterName']}", item) for item in same]
        plain = [item for name, item in named if "Spot" not in name and "Expired" not in name]
        low = [item for item in plain if "Low Priority" in f"{item['skuName']} {item['meterName']}"]
        dedicated = [item for item in plain if item not in low]
        found[_vm_key(size, DEDICATED)] = _per_hour(dedicated)
        found[_vm_key(size, LOW_PRIORITY)] = _per_hour(low)
    return found


def _meters(
    address: str, service: str, region: str, meters: Mapping[Meter, str], until: float
) -> Found:
    names = " or ".join(f"meterName eq '{name}'" for name in meters.values())
    items = _items(address, service, region, f"({names})", until)
    return {
        meter: _per_hour([item for item in items if item["meterName"] == name])
        for meter, name in meters.items()
    }


def _items(address: str, service: str, region: str, which: str, until: float) -> list[Item]:
    """Read all pages of what is sold by use in USD.

    Raises:
        ValueError: the answer is not what is documented, or goes on without end.
    """
    import httpx

    query = (
        f"serviceName eq '{service}' and armRegionName eq '{region}'"
        f" and priceType eq 'Consumption' and {which}"
    )
    asked = {"api-version": API, "currencyCode": "USD", "$filter": query}
    url, found = str(httpx.URL(address, params=asked)), list[Item]()
    with httpx.Client() as client:
        for _ in range(MOST_PAGES):
            page = _page(client, url, until)
            found += [item for item in page["Items"] if _is_sold(item, region)]
            url = page.get("NextPageLink") or ""
            if not url:
                return found
            if urlsplit(url).hostname != urlsplit(address).hostname:
                raise ValueError(f"the next page is elsewhere: {url}")
    raise ValueError("too many pages")


def _page(client: "httpx.Client", url: str, until: float) -> Any:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    answer = client.get(url, timeout=left)
    answer.raise_for_status()
    return answer.json()


def _is_sold(item: Item, region: str) -> bool:
    """Tell what a person pays by use today from reservations, old prices and other currencies."""
    begins = datetime.fromisoformat(item["effectiveStartDate"])
    is_begun = begins.replace(tzinfo=begins.tzinfo or UTC) <= datetime.now(UTC)
    return (
        item["type"] == "Consumption"
        and item["currencyCode"] == "USD"
        and item["armRegionName"] == region
        and not item.get("tierMinimumUnits")
        and item["unitOfMeasure"] in HOURS
        and item.get("isPrimaryMeterRegion") is not False
        and is_begun
    )


def _per_hour(items: list[Item]) -> float | None:
    """Give the price that is newest; of several that are, the highest, to promise no too little."""
    newest = max((item["effectiveStartDate"] for item in items), default="")
    return max(
        (
            float(item["retailPrice"]) / HOURS[item["unitOfMeasure"]]
            for item in items
            if item["effectiveStartDate"] == newest
        ),
        default=None,
    )


def _vm_key(size: str, priority: str) -> str:
    return f"{size}:{priority}"


class _Kept:
    """One location's answers on disk: the price and the day of each; safe to delete."""

    def __init__(self, file: Path) -> None:
        self._file, self._vain = file, file.with_name("unreached")
        self._rows: dict[str, dict[str, Any]] = self._read()

    def missing(self, keys: Iterable[str], day: date) -> list[str]:
        """List what was not answered on this day."""
        return [key for key in keys if self._row(key).get("as_of") != day.isoformat()]

    def add(self, found: Found, day: date) -> None:
        """Keep answers."""
        if not found:
            return
        rows = {key: {"usd": usd, "as_of": day.isoformat()} for key, usd in found.items()}
        self._rows = {**self._rows, **rows}
        draft = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(self._rows, indent=1), encoding="utf-8")
            draft.replace(self._file)
        except OSError:
            return  # asked again the next time

    def was_waited_for_in_vain(self) -> bool:
        """Say whether somebody waited to the end, a few minutes ago."""
        try:
            return time.time() - self._vain.stat().st_mtime < AGAIN_SECONDS
        except OSError:
            return False

    def note_waiting_in_vain(self) -> None:
        """Keep others from waiting for a while."""
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._vain.touch()

    def quotes(self, location: str, sizes: Iterable[str]) -> PriceList:
        """Give what is kept, with the day on which Azure said so."""
        vms = {
            (size.lower(), priority): quote
            for size in sizes
            for priority in (DEDICATED, LOW_PRIORITY)
            if (quote := self._quote(_vm_key(size, priority), location))
        }
        registries = {meter: self._quote(meter, location) for meter in REGISTRIES}
        endpoints = {meter: self._quote(meter, EVERYWHERE) for meter in ENDPOINTS}
        listed = {**registries, **endpoints}
        return PriceList(
            location, vms, {meter: quote for meter, quote in listed.items() if quote is not None}
        )

    def _quote(self, key: str, region: str) -> Quote | None:
        row = self._rows.get(key) or {}
        if row.get("usd") is None:
            return None
        return Quote(float(row["usd"]), Source(ORIGIN, region, date.fromisoformat(row["as_of"])))

    def _row(self, key: str) -> dict[str, Any]:
        return self._rows.get(key) or self._rows.get(_vm_key(key, DEDICATED)) or {}

    def _read(self) -> dict[str, dict[str, Any]]:
        """Read what is kept; a file that was damaged counts as none."""
        try:
            rows = json.loads(self._file.read_text(encoding="utf-8"))
            for row in rows.values():
                date.fromisoformat(row["as_of"])
                float(row["usd"] or 0)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}
        return dict(rows)
