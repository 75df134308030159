"""Commands as a person types them, run in this process: a test can set what Azure answers."""

import json
from typing import Any

from click.testing import CliRunner, Result

from cli import COMMANDS, help_text
from commands.root import command_line


def run(*arguments: object, exit_code: int = 0) -> Result:
    """Run a command and hold it to its exit code."""
    result = CliRunner().invoke(command_line(COMMANDS, help_text()), [str(a) for a in arguments])
    assert result.exit_code == exit_code, result.output
    return result


def run_json(*arguments: object, exit_code: int = 0) -> Any:
    """Run a command and read what it prints for machines."""
    return json.loads(run(*arguments, "--json", exit_code=exit_code).stdout)
