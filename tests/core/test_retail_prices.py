"""Prices from Azure's retail list: read in full, kept for a day, and never waited for long."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from core import retail_prices
from core.price_list import DEDICATED, LOW_PRIORITY, Meter, PriceList, shipped
from core.retail_prices import price_list
from local.process import LocalAzure

GPU, CPU = "Standard_NC24ads_A100_v4", "Standard_E4s_v3"
TODAY = date(2026, 11, 25)


def item(**changes: Any) -> dict[str, Any]:
    """One row as Azure's page on the API shows it."""
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": 3.5,
        "unitPrice": 3.5,
        "armRegionName": "swedencentral",
        "location": "SE Central",
        "effectiveStartDate": "2023-04-01T00:00:00Z",
        "meterId": "000a794b-bdb0-58be-a0cd-0c3a0f222923",
        "meterName": "NC24ads A100 v4",
        "productId": "DZH318Z0BQPS",
        "skuId": "DZH318Z0BQPS/00TG",
        "productName": "Virtual Machines NCads A100 v4 Series",
        "skuName": "NC24ads A100 v4",
        "serviceName": "Virtual Machines",
        "serviceId": "DZH313Z7MMC8",
        "serviceFamily": "Compute",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": GPU,
        **changes,
    }


VMS = [
    item(),
    item(retailPrice=0.7, skuName="NC24ads A100 v4 Low Priority"),
    item(retailPrice=0.5, skuName="NC24ads A100 v4 Spot", meterName="NC24ads A100 v4 Spot"),
    item(retailPrice=5.0, productName="Virtual Machines NCads A100 v4 Series Windows"),
    item(retailPrice=9000.0, type="Reservation", reservationTerm="1 Year"),
    item(retailPrice=4.4, armRegionName="westeurope"),
    item(retailPrice=3.9, effectiveStartDate="2022-01-01T00:00:00Z"),
    item(retailPrice=1.0, effectiveStartDate="2999-01-01T00:00:00Z"),
    item(retailPrice=3.1, currencyCode="EUR"),
    item(retailPrice=2.0, tierMinimumUnits=100.0),
]
REGISTRIES = [
    item(serviceName="Container Registry", meterName=f"{name} Registry Unit", armSkuName="",
         retailPrice=price, unitOfMeasure="1/Day", skuName=name)
    for name, price in (("Basic", 0.24), ("Standard", 0.9), ("Premium", 2.4))
]  # fmt: skip
ENDPOINTS = [
    item(serviceName="Virtual Network", meterName="Standard Private Endpoint", armSkuName="",
         armRegionName="Global", retailPrice=0.02, productName="Virtual Network Private Link")
]  # fmt: skip

Answer = Callable[[str, dict[str, list[str]]], tuple[int, Any]]


def rows_of(filter: str) -> list[dict[str, Any]]:
    if "Container Registry" in filter:
        return REGISTRIES
    return ENDPOINTS if "Virtual Network" in filter else VMS


class Prices:
    """A server on the loopback that answers as `answer` says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Answer = lambda filter, query: (200, page(rows_of(filter)))
        prices = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                filter = query.get("$filter", [""])[0]
                prices.asked.append(filter)
                status, body = prices.answer(filter, query)
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}/api/retail/prices"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def page(items: list[dict[str, Any]], next_link: str | None = None) -> dict[str, Any]:
    return {
        "BillingCurrency": "USD",
        "CustomerEntityId": "Default",
        "CustomerEntityType": "Retail",
        "Items": items,
        "NextPageLink": next_link,
        "Count": len(items),
    }


@pytest.fixture
def server() -> Iterator[Prices]:
    prices = Prices()
    yield prices
    prices.stop()


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path))
    return tmp_path


def asked(server: Prices, *sizes: str, day: date = TODAY) -> PriceList:
    wanted = sizes or (GPU, CPU)
    return price_list("swedencentral", wanted, address=server.address, today=day)


def shipped_alone() -> PriceList:
    return shipped("swedencentral", (GPU, CPU))


def test_a_price_is_linuxs_by_use_of_the_stacks_own_region_and_of_today(server: Prices) -> None:
    found = asked(server)
    assert found.per_hour(GPU) == 3.5
    assert found.per_hour(GPU, LOW_PRIORITY) == 0.7
    assert found.meters[Meter.REGISTRY_BASIC].per_hour == 0.24 / 24
    assert found.meters[Meter.REGISTRY_PREMIUM].per_hour == 2.4 / 24
    assert found.meters[Meter.PRIVATE_ENDPOINT].per_hour == 0.02


def test_every_figure_says_where_it_is_from_and_of_when(server: Prices) -> None:
    found = asked(server)
    live, table = found.vm(GPU), found.vm(CPU)
    assert live is not None and table is not None
    assert live.told("swedencentral", TODAY) == (
        "swedencentral list prices, 2026-11-25, of today (Azure's retail prices API)"
    )
    told = table.told("swedencentral", TODAY)
    assert told.startswith("eastus list prices, not swedencentral's, 2026-11-21, 4 days old (")


def test_nothing_is_sent_but_region_and_names(server: Prices) -> None:
    asked(server)
    assert sorted(server.asked) == [
        "serviceName eq 'Container Registry' and armRegionName eq 'swedencentral' and priceType eq"
        " 'Consumption' and (meterName eq 'Basic Registry Unit' or meterName eq 'Premium Registry"
        " Unit')",
        "serviceName eq 'Virtual Machines' and armRegionName eq 'swedencentral' and priceType eq"
        f" 'Consumption' and (armSkuName eq '{CPU}' or armSkuName eq '{GPU}')",
        "serviceName eq 'Virtual Network' and armRegionName eq 'Global' and priceType eq"
        " 'Consumption' and (meterName eq 'Standard Private Endpoint')",
    ]


def test_what_is_no_name_of_a_size_is_not_asked_for(server: Prices) -> None:
    asked(server, GPU, "Standard_x' or serviceName eq 'Storage")
    assert not any("Storage" in filter for filter in server.asked)


def test_further_pages_are_read(server: Prices) -> None:
    def answer(filter: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        if "Virtual Machines" not in filter:
            return 200, page(rows_of(filter))
        if "$skip" in query:
            return 200, page([item(armSkuName=CPU, retailPrice=0.31)])
        return 200, page(VMS, f"{server.address}?$filter={filter}&$skip=1000")

    server.answer = answer
    found = asked(server)
    assert (found.per_hour(GPU), found.per_hour(CPU)) == (3.5, 0.31)


@pytest.mark.parametrize(
    "link",
    ["https://elsewhere.example/api/retail/prices?$skip=1000", "{own}?$filter=Virtual Machines"],
    ids=["elsewhere", "without-end"],
)
def test_pages_that_lead_elsewhere_or_nowhere_are_not_followed(server: Prices, link: str) -> None:
    server.answer = lambda filter, query: (200, page(VMS, link.format(own=server.address)))
    assert asked(server) == shipped_alone()
    assert len(server.asked) <= 3 * retail_prices.MOST_PAGES


@pytest.mark.parametrize(
    "answer",
    [
        (429, {"error": {"code": "TooManyRequests"}}),
        (500, b"<html>broken</html>"),
        (200, b"<html>a captive portal</html>"),
        (200, []),
        (200, {"Items": "none"}),
        (200, {"Items": [{"retailPrice": 1}]}),
        (200, page([item(effectiveStartDate="some day")])),
        (200, page([item(retailPrice="free")])),
    ],
    ids=["429", "500", "html", "list", "no-rows", "half-a-row", "no-day", "no-price"],
)
def test_where_the_answer_is_none_the_tables_do(server: Prices, answer: tuple[int, Any]) -> None:
    server.answer = lambda filter, query: answer
    assert asked(server) == shipped_alone()


def test_where_nobody_answers_the_tables_do() -> None:
    assert price_list("swedencentral", (GPU, CPU), today=TODAY) == shipped_alone()


def test_one_question_that_fails_takes_nothing_from_the_others(server: Prices) -> None:
    server.answer = lambda filter, query: (
        (503, b"") if "Registry" in filter else (200, page(rows_of(filter)))
    )
    found = asked(server)
    assert found.per_hour(GPU) == 3.5
    assert found.meters[Meter.REGISTRY_BASIC] == shipped_alone().meters[Meter.REGISTRY_BASIC]


def test_a_server_that_does_not_answer_is_left_in_time(
    server: Prices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retail_prices, "SECONDS", 0.3)
    over = threading.Event()
    server.answer = lambda filter, query: (200, page(VMS)) if over.wait(20) else (500, b"")
    began = time.monotonic()
    try:
        assert asked(server) == shipped_alone()
        assert time.monotonic() - began < 5
        server.asked.clear()
        assert asked(server) == shipped_alone()
        assert server.asked == [], "who waited in vain waits no second time"
        monkeypatch.setattr(retail_prices, "AGAIN_SECONDS", 0)
        asked(server)
        assert len(server.asked) == 3
    finally:
        over.set()


def test_a_refusal_that_comes_at_once_keeps_nobody_from_asking_again(server: Prices) -> None:
    server.answer = lambda filter, query: (403, b"")
    assert asked(server) == shipped_alone()
    server.answer = lambda filter, query: (200, page(rows_of(filter)))
    assert asked(server).per_hour(GPU) == 3.5


def test_an_answer_is_kept_for_a_day(server: Prices) -> None:
    first = asked(server)
    server.asked.clear()
    assert asked(server) == first
    assert server.asked == []
    asked(server, day=date(2026, 11, 26))
    assert len(server.asked) == 3


def test_a_size_that_azure_does_not_list_is_not_asked_for_again_that_day(server: Prices) -> None:
    asked(server, "Standard_Odd_v9")
    server.asked.clear()
    assert asked(server, "Standard_Odd_v9").vm("Standard_Odd_v9") is None
    assert server.asked == []


def test_a_further_size_is_asked_for_alone(server: Prices) -> None:
    asked(server, GPU)
    server.asked.clear()
    asked(server, GPU, CPU)
    (question,) = server.asked
    assert CPU in question and GPU not in question


def test_an_old_answer_does_where_there_is_no_new_one_and_says_its_age(server: Prices) -> None:
    asked(server)
    server.answer = lambda filter, query: (500, b"")
    later = date(2026, 12, 5)
    quote = asked(server, day=later).vm(GPU)
    assert quote is not None
    assert (quote.per_hour, "10 days old" in quote.told("swedencentral", later)) == (3.5, True)


def test_without_asking_what_is_kept_does(server: Prices) -> None:
    asked(server)
    server.asked.clear()
    again = price_list(
        "swedencentral", [GPU], address=server.address, today=date(2027, 1, 1), asks=False
    )
    assert (again.per_hour(GPU), server.asked) == (3.5, [])


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": {"usd": "x", "as_of": "y"}}'])
def test_a_damaged_file_counts_as_none(server: Prices, own_home: Path, content: str) -> None:
    asked(server)
    (file,) = (own_home / "prices").iterdir()
    file.write_text(content)
    assert asked(server).per_hour(GPU) == 3.5


def test_a_home_that_cannot_be_written_is_no_error(server: Prices, own_home: Path) -> None:
    (own_home / "prices").write_text("a file where a folder should be")
    assert asked(server).per_hour(GPU) == 3.5


def test_the_rehearsals_proxy_lets_the_question_out_to_nobody(
    local_azure: LocalAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    found = price_list(
        "swedencentral", (GPU, CPU), address="https://prices.azure.com/api/retail/prices"
    )
    assert found == shipped_alone()
    assert time.monotonic() - began < retail_prices.SECONDS


def test_the_table_knows_dedicated_prices_of_every_size_that_is_not_retired() -> None:
    from core.catalog import VM_SIZES

    listed = shipped("eastus", [size.name for size in VM_SIZES])
    for size in VM_SIZES:
        assert (listed.vm(size.name, DEDICATED) is None) == (size.retired is not None)
        assert listed.vm(size.name, LOW_PRIORITY) is None
    assert set(listed.meters) == set(Meter)
