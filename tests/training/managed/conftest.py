"""What the tests of the managed tuning services share."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from odd_openai import OddOpenAI, odd_openai

from training.managed.contract import Prepared


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the SDK send again what failed at once, not after half a second."""
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)


@pytest.fixture
def odd() -> Iterator[OddOpenAI]:
    with odd_openai() as server:
        yield server


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[..., Prepared]:
    """Write a file and give it as the service takes it."""

    def write(name: str = "train.jsonl", content: bytes = b"\xef\xbb\xbf{}\n") -> Prepared:
        path = tmp_path / name
        path.write_bytes(content)
        return Prepared(path, 10, len(content), sha256(content).hexdigest(), 120)

    return write
