"""Answers on the screen, as they are written, and what they took."""

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any, cast
from unicodedata import category

import click
from rich.markup import escape

from commands.output import say
from deploy.talking.answers import FILTERED
from deploy.talking.chat import Answer

TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They turn the direction of what follows, and could show other words than were written."""


def write(pieces: Iterator[str]) -> None:
    """Print an answer piece by piece; closed, and its line ended, however it ends."""
    has_written = False
    with closing(cast(Generator[str], pieces)):
        try:
            for piece in pieces:
                click.echo(printable(piece), nl=False)
                has_written = has_written or bool(piece)
        finally:
            if has_written:
                click.echo()


def printable(text: str) -> str:
    """Leave out control characters: a model's answer must not steer the terminal.

    Each is left out by itself, so that a sequence in two pieces is none, either.
    """
    return "".join(mark for mark in text if mark in "\n\t" or not _steers(mark))


def tell(answer: Answer, side: str) -> None:
    """Say in a line on stderr who answered and how fast."""
    parts = [escape(f"{side} {answer.deployment}".strip())]
    if answer.usage and "completion_tokens" in answer.usage:
        parts.append(f"{answer.usage['completion_tokens']} tokens")
    if answer.tokens_per_second is not None:
        parts.append(f"{answer.tokens_per_second:.1f} tokens/s")
    if answer.first_seconds is not None:
        parts.append(f"first words after {answer.first_seconds:.2f} s")
    parts.append(f"{answer.seconds:.2f} s")
    if answer.finish == "length":
        parts.append("cut: the longest answer allowed")
    say(f"[dim]{' · '.join(parts)}[/dim]")


def tell_filter(answer: Answer) -> None:
    """Say where Azure's content filter ended the answer: what came of it is not all."""
    if answer.finish == FILTERED:
        told = "cut the answer off" if answer.text.strip() else "blocked the answer"
        say(f"[yellow]Azure's content filter {told}.[/yellow]")


def document(question: str, answer: Answer) -> dict[str, Any]:
    """Give question, answer and what it took, for machines; what was not told is null."""
    return {
        "question": question,
        "answer": answer.text,
        "deployment": answer.deployment or None,
        "finish_reason": answer.finish or None,
        "usage": answer.usage,
        "seconds": answer.seconds,
        "seconds_to_first_token": answer.first_seconds,
        "tokens_per_second": answer.tokens_per_second,
    }


def _steers(mark: str) -> bool:
    return category(mark) in ("Cc", "Cs") or mark in TURNING
