"""Whether the subscription tuned models before they were retired."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from commands.local.command import local as cli
from local.customers import is_closed
from local.models import find_base


def run(*arguments: str) -> Any:
    done = CliRunner().invoke(cli, ["customer", *arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["trained_before"]


def test_the_command_opens_retired_models_and_closes_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path))
    mini, open_one = find_base("gpt-4.1-mini"), find_base("gpt-oss-20b")
    assert mini is not None and open_one is not None
    place = tmp_path / "local"
    for arguments, is_old in (((), False), (("--trained-before",), True), (("--new",), False)):
        assert run(*arguments) is is_old
        assert run() is is_old
        assert is_closed(place, mini) is not is_old
        assert not is_closed(place, open_one)
    assert "is new" in CliRunner().invoke(cli, ["customer"]).stdout
