"""Runs a command line in this process, so that a test can set what Azure answers."""

from click.testing import CliRunner, Result

from cli import COMMANDS, help_text
from commands.root import command_line


def run(*words: str, exit_code: int = 0) -> Result:
    """Run a command and hold it to its exit code."""
    root = command_line(COMMANDS, help_text())
    result = CliRunner().invoke(root, words, catch_exceptions=False)
    assert result.exit_code == exit_code, result.output
    return result
