"""`tunestack chat`: a conversation at the terminal, from a pipe, or one question."""

import sys
from collections.abc import Iterator
from typing import Any
from unicodedata import category

import click
from rich.markup import escape

from commands.options import json_option, stack_option
from commands.output import console, say, show
from commands.session import Session
from core.errors import CloudError, PrerequisiteError, SettingsError, UserError
from deploy.chat import Conversation, Options, open_conversation
from deploy.endpoint import find

LEAVE = ("/quit", "/exit")
ANEW = "/new"


@click.command()
@stack_option
@click.option("--once", metavar="TEXT", help="Ask this one question and leave.")
@click.option("--system", default="", help="System message before the conversation.")
@click.option("--max-tokens", type=click.IntRange(1), help="Longest answer.")
@click.option("--temperature", type=click.FloatRange(0, 2), help="0: the likeliest words.")
@click.option("--seed", type=click.IntRange(0), help="Repeats an answer at a temperature.")
@json_option
def chat(
    stack: str,
    once: str | None,
    system: str,
    max_tokens: int | None,
    temperature: float | None,
    seed: int | None,
    as_json: bool,
) -> None:
    """Talk to the deployed model."""
    if as_json and once is None and sys.stdin.isatty():
        raise SettingsError("--json goes with --once, or with questions from a pipe.")
    options = Options(max_tokens=max_tokens, temperature=temperature, seed=seed)
    conversation = talk(Session(stack), system=system, options=options)
    try:
        if once is not None:
            _answer_once(conversation, once, as_json)
        elif sys.stdin.isatty():
            _loop(conversation)
        else:
            _answer_lines(conversation, as_json)
    finally:
        conversation.close()


def talk(session: Session, *, system: str = "", options: Options | None = None) -> Conversation:
    """Open a conversation with what the stack's endpoint serves.

    Raises:
        PrerequisiteError: nothing is deployed; names the command.
    """
    state = find(session.cloud, session.outputs)
    if state is None:
        raise PrerequisiteError(
            f"The stack {session.stack} has no endpoint.",
            hint=f"tunestack deploy --stack {session.stack}",
        )
    return open_conversation(
        session.cloud, session.outputs, state.ref, system=system, options=options
    )


def _answer_once(conversation: Conversation, question: str, as_json: bool) -> None:
    answer = conversation.ask(question)
    document = {**_exchange(question, answer), "endpoint": conversation.endpoint.model_dump()}
    show(document, as_json, lambda: click.echo(_printable(answer)))


def _answer_lines(conversation: Conversation, as_json: bool) -> None:
    """Answer each line of stdin, one conversation; with --json one list at the end."""
    exchanges = []
    for line in sys.stdin:
        if question := line.strip():
            answer = conversation.ask(question)
            exchanges.append(_exchange(question, answer))
            if not as_json:
                click.echo(_printable(answer))
    if as_json:
        show(exchanges, True, lambda: None)


def _loop(conversation: Conversation) -> None:
    endpoint = conversation.endpoint
    say(f"{endpoint.name}, {endpoint.deployment}. {ANEW} starts over, {LEAVE[0]} leaves.")
    for question in _questions():
        if question == ANEW:
            conversation.forget()
            continue
        try:
            click.echo(_printable(conversation.ask(question)))
        except CloudError:
            raise
        except UserError as error:
            say(f"[red]{escape(str(error))}[/red]")


def _questions() -> Iterator[str]:
    """Read questions until the end of input; an empty line asks nothing."""
    while True:
        try:
            text = console().input("[bold cyan]you:[/bold cyan] ").strip()
        except EOFError:
            return
        if text in LEAVE:
            return
        if text:
            yield text


def _exchange(question: str, answer: str) -> dict[str, Any]:
    return {"question": question, "answer": answer}


def _printable(answer: str) -> str:
    """Leave out control characters: a model's answer must not steer the terminal."""
    return "".join(mark for mark in answer if category(mark) != "Cc" or mark in "\n\t")
