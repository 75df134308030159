"""Questions as they are typed: a line each, or several lines.

A line that ends with a backslash goes on in the next one. A line of three backticks begins a
block that ends with the next such line; with a language behind them (```python) they are part
of what is asked.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

from commands.output import console

FENCE = "```"
MORE = "... "

Read = Callable[[str], str]
"""Shows a prompt and gives a line without its end; raises EOFError after the last one."""


def read_question(read: Read, prompt: str) -> str:
    """Read one question.

    Raises:
        EOFError: there is none.
    """
    first = read(prompt)
    if first.strip().startswith(FENCE) and first.strip().count(FENCE) == 1:
        return _block(read, first.strip())
    lines = [first]
    with suppress(EOFError):
        while lines[-1].endswith("\\"):
            lines[-1] = lines[-1][:-1]
            lines.append(read(MORE))
    return "\n".join(lines).strip()


def questions(lines: Iterator[str]) -> Iterator[str]:
    """Give every question of a pipe; an empty line asks nothing."""

    def read(prompt: str) -> str:
        for line in lines:
            return line.rstrip("\r\n")
        raise EOFError

    with suppress(EOFError):
        while True:
            if question := read_question(read, ""):
                yield question


def typed(prompt: str) -> str:
    """Read a line at the terminal, with the keys that a shell has where there are any."""
    with suppress(ImportError):
        import readline  # noqa: F401 - `input` uses it once it is there
    if sys.stdout.isatty():
        return input(prompt)
    # `input` would write its prompt among the answers.
    console().print(prompt, end="", markup=False)
    return input()


def _block(read: Read, first: str) -> str:
    lines = []
    with suppress(EOFError):
        while (line := read(MORE)).strip() != FENCE:
            lines.append(line)
    text = "\n".join(lines)
    return text.strip() if first == FENCE else f"{first}\n{text}\n{FENCE}"
