"""`tunestack chat`: which of the ways to talk, and with which options."""

import sys
from pathlib import Path

import click

from commands.chat.printing import document, tell, tell_filter, write
from commands.chat.reading import questions
from commands.chat.saving import append, check_target
from commands.chat.sides import ROUTES, SIDES, Sides, open_sides
from commands.chat.terminal import Terminal
from commands.options import json_option, stack_option
from commands.output import show
from commands.session import Session
from core.errors import SettingsError
from deploy.talking.chat import Answer, Conversation, Options


@click.command()
@stack_option
@click.option("--once", metavar="TEXT", help="Ask this one question and leave.")
@click.option("--model", type=click.Choice(SIDES), help="Who answers; else the traffic decides.")
@click.option("--route", type=click.Choice(ROUTES), help="Which route, where several answer.")
@click.option("--system", default="", help="System message before the conversation.")
@click.option("--max-tokens", type=click.IntRange(1), help="Longest answer.")
@click.option("--temperature", type=click.FloatRange(0, 2), help="0: the likeliest words.")
@click.option("--top-p", type=click.FloatRange(0, 1, min_open=True), help="Share of likely words.")
@click.option("--seed", type=click.IntRange(0), help="Repeats an answer at a temperature.")
@click.option("--stop", multiple=True, metavar="TEXT", help="Ends the answer; up to four.")
@click.option("--save", type=click.Path(path_type=Path), help="Append the conversation as JSONL.")
@click.option("--stats/--no-stats", default=None, help="Tell tokens a second after each answer.")
@json_option
def chat(
    stack: str,
    once: str | None,
    model: str | None,
    route: str | None,
    system: str,
    max_tokens: int | None,
    temperature: float | None,
    top_p: float | None,
    seed: int | None,
    stop: tuple[str, ...],
    save: Path | None,
    stats: bool | None,
    as_json: bool,
) -> None:
    """Talk to the deployed model."""
    _check(once, stop, save, as_json)
    options = Options(max_tokens, temperature, top_p, seed, stop)
    sides = open_sides(Session(stack), model, system, options, route or "")
    try:
        if once is None and sys.stdin.isatty():
            _converse(sides, save, has_stats=stats is not False)
        else:
            _answer(sides, once, save, as_json=as_json, has_stats=bool(stats))
    finally:
        sides.close()


def _check(once: str | None, stop: tuple[str, ...], save: Path | None, as_json: bool) -> None:
    if as_json and once is None and sys.stdin.isatty():
        raise SettingsError("--json goes with --once, or with questions from a pipe.")
    if once is not None and not once.strip():
        raise SettingsError("--once: there is no question.")
    if len(stop) > 4 or "" in stop:
        raise SettingsError("--stop: one to four texts, none of them empty.")
    if save is not None:
        check_target(save)


def _converse(sides: Sides, save: Path | None, *, has_stats: bool) -> None:
    terminal = Terminal(sides, save, has_stats)
    try:
        terminal.run()
    finally:
        terminal.keep()


def _answer(
    sides: Sides, once: str | None, save: Path | None, *, as_json: bool, has_stats: bool
) -> None:
    """Answer one question, or every one of stdin as one conversation; --json is one document."""
    ((side, conversation),) = sides
    documents = []
    try:
        for question in [once] if once is not None else questions(iter(sys.stdin)):
            answer = _asked(conversation, question, as_json)
            documents.append(document(question, answer))
            tell_filter(answer)
            if has_stats:
                tell(answer, side)
    finally:
        if save is not None and conversation.messages:
            append(save, sides.records())
    if as_json:
        told = {**documents[0], "endpoint": conversation.endpoint.model_dump()} if once else None
        show(told or documents, True, lambda: None)


def _asked(conversation: Conversation, question: str, as_json: bool) -> Answer:
    pieces = conversation.stream(question)
    if as_json:
        for _ in pieces:
            pass
    else:
        write(pieces)
    assert conversation.last is not None
    return conversation.last
