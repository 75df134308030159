"""What several test folders share."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from core.home import environments
from local.process import LocalAzure, start, stop

BUNDLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")

if threading.current_thread() is threading.main_thread():
    # A run that a shell put into the background inherits "ignored", and so do its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)


TORCH = (
    "tests/training/job/", "tests/deploy/test_answer_text.py", "tests/deploy/test_batching.py",
    "tests/deploy/test_chat_model.py", "tests/deploy/test_openvino_engine.py",
)  # fmt: skip
"""They run models in their own process; what they import takes 6 to 12 s of processor time."""


class _TorchInOneWorker(LoadFileScheduling):  # type: ignore[misc]
    """Files side by side, but all that runs models in one worker, which alone imports torch."""

    def _split_scope(self, nodeid: str) -> str:
        return TORCH[0] if nodeid.startswith(TORCH) else str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """Choose how the fast tests are shared out; the slow ones of training need every worker."""
    is_fast = config.getoption("dist") == "loadfile" and "not slow" in config.option.markexpr
    return _TorchInOneWorker(config, log) if is_fast else None


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
