"""Keeps every test's state apart."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every test's state in its own folder."""
    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
