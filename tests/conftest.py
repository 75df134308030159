"""What several test folders share."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.home import environments
from local.process import LocalAzure, start, stop

BUNDLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")

if threading.current_thread() is threading.main_thread():
    # A run that a shell put into the background inherits "ignored", and so do its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_retail_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask nobody for prices: where the tests ask, nothing listens."""
    monkeypatch.setattr("core.retail_prices.ADDRESS", "http://127.0.0.1:9/api/retail/prices")


@pytest.fixture(scope="session")
def azure_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the session's local Azure."""
    return tmp_path_factory.mktemp("azure") / "local"


@pytest.fixture(scope="session")
def local_azure(azure_folder: Path) -> Iterator[LocalAzure]:
    """A local Azure that this process and its children are pointed at until the session ends.

    All tests of the session share it: give every resource group a name of its own.
    """
    before = dict(os.environ)
    azure = start(azure_folder, environments=environments())
    os.environ.update(azure.environment)
    # Nobody else is met through its proxy, and the bundle of every authority that this machine
    # trusts takes 17 ms of processor time to read: each client of the session would read it.
    os.environ.update(dict.fromkeys(BUNDLES, str(azure_folder / "ca.pem")))
    try:
        yield azure
    finally:
        os.environ.clear()
        os.environ.update(before)
        stop(azure_folder)
