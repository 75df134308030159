"""The entry: help, errors and exit codes."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli import COMMANDS, help_text
from commands.root import Root, command_line
from core import errors

ROOT = Path(__file__).resolve().parent.parent
cli = command_line(COMMANDS, help_text())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_listed_command_exists_with_the_listed_help(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert (command.help or "").splitlines()[0] == COMMANDS[name]


def test_help_imports_nothing_that_takes_time() -> None:
    script = (
        "import sys, cli; sys.argv = ['tunestack', '--help']\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'click', 'pulumi', 'azure', 'pydantic', 'rich', 'httpx'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == help_text()


def test_click_shows_the_same_help() -> None:
    assert CliRunner().invoke(cli, ["--help"]).output == help_text()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UserError("no", hint="do this"), 1),
        (errors.JobFailed("no", hint="do this"), 1),
        (errors.DeploymentFailed("no", hint="do this"), 1),
        (errors.SettingsError("no", hint="do this"), 2),
        (errors.PrerequisiteError("no", hint="do this"), 3),
        (errors.CloudError("no", hint="do this"), 4),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_error_has_its_exit_code_and_shows_its_hint(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    @click.command()
    def failing() -> None:
        raise error

    monkeypatch.setattr(Root, "get_command", lambda *_: failing)
    result = CliRunner().invoke(cli, ["up"])
    assert result.exit_code == code
    if isinstance(error, errors.UserError):
        assert "Error: no" in result.stderr
        assert "Hint: do this" in result.stderr


def test_a_bug_of_ours_keeps_its_trace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    @click.command()
    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path))
    monkeypatch.setattr(Root, "get_command", lambda *_: broken)
    result = CliRunner().invoke(cli, ["up"])
    assert result.exit_code == 70
    assert "ZeroDivisionError" in (tmp_path / "crash.log").read_text()


def test_an_unknown_command_is_a_usage_error() -> None:
    assert CliRunner().invoke(cli, ["upp"]).exit_code == 2
