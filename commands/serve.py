"""`tunestack serve`: a page to compare and judge answers on, and OpenAI's API, on this machine."""

import secrets
from collections.abc import Callable
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any

import click

from commands.chat.sides import ROUTES, choose_route
from commands.managed.sides import managed_sides
from commands.options import json_option, stack_option
from commands.output import say, show
from commands.session import Session
from core.errors import PrerequisiteError
from deploy.access import open_access
from deploy.endpoint import EndpointState, find
from deploy.managed.hostings import standing
from evaluation.questions.votes import VoteWriter, writing

if TYPE_CHECKING:
    from deploy.web.directory import Directory
    from deploy.web.page import Votes


@click.command()
@stack_option
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True,
    help="Port of 127.0.0.1; 0 takes a free one.",
)  # fmt: skip
@click.option(
    "--votes", "votes_file", type=click.Path(dir_okay=False, path_type=Path),
    default=Path("votes.jsonl"), show_default=True, metavar="FILE",
    help="The evaluation set that thumbs are added to.",
)  # fmt: skip
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
@click.option(
    "--token", "asks_token", is_flag=True,
    help="Ask for a token, made anew and shown once: for machines that others use, too.",
)  # fmt: skip
@click.option("--route", type=click.Choice(ROUTES), help="Which route, where several answer.")
@json_option
def serve(
    stack: str,
    port: int,
    votes_file: Path,
    opens: bool,
    asks_token: bool,
    route: str | None,
    as_json: bool,
) -> None:
    """Compare and judge answers on a web page; OpenAI's API on this machine."""
    from deploy.web.server import addresses, listen

    token = secrets.token_urlsafe(24) if asks_token else ""
    with listen(port) as taken:
        directory = open_directory(Session(stack), route or "")
        with writing(votes_file) as writer:
            document = {
                **addresses(taken, token),
                **({"api_key": token} if token else {}),
                "endpoint": directory.state.ref.name,
                "models": {side: _model(directory.state, side) for side in ("tuned", "base")},
                "votes": str(votes_file.absolute()),
            }

            def tell() -> None:
                show(document, as_json, lambda: _print(document, directory.base_command))
                if opens:
                    click.launch(document["page"])

            _run(stack, directory, writer, taken, token, tell)
            say(f"Stopped; {writer.count} votes stand in {votes_file}.")
    say(f"The endpoint still runs; its end: tunestack undeploy{_on(stack)}")


def _run(
    stack: str,
    directory: "Directory",
    writer: VoteWriter,
    taken: socket,
    token: str,
    tell: Callable[[], None],
) -> None:
    from deploy.web.server import Server, application, run_until_stopped

    port = taken.getsockname()[1]
    app = application(stack, directory, _votes(writer), port=port, token=token)
    run_until_stopped(Server(app, tell), taken)


def open_directory(session: Session, route: str = "") -> "Directory":
    """Look at what the stack serves, by `route` where several do.

    Raises:
        PrerequisiteError: nothing is deployed; names the command.
        SettingsError: several routes answer and none is chosen; lists them.
    """
    from deploy.web.directory import Directory

    def look() -> EndpointState | None:
        return find(session.cloud, session.outputs)

    managed = managed_sides(session) if route != "azureml" else {}
    state = look() if route in ("", "azureml") else None
    if managed or route:
        chosen = choose_route(session, route, state, managed)
        if chosen != "azureml":
            return _managed_directory(session, chosen)
    if state is None or not any(state.serving(side) for side in ("tuned", "base")):
        told = "has no endpoint" if state is None else "has no deployment that is ready"
        raise PrerequisiteError(
            f"The stack {session.stack} {told}.", hint=f"tunestack deploy{_on(session.stack)}"
        )
    return Directory(
        state,
        look,
        lambda endpoint: open_access(session.cloud, session.outputs, endpoint),
        base_command=f"tunestack deploy --with-base{_on(session.stack)}",
    )


def _managed_directory(session: Session, route: str) -> "Directory":
    from deploy.web.managed_directory import ManagedDirectory

    outputs = session.outputs
    return ManagedDirectory(
        outputs.ai_account if route == "openai" else outputs.project,
        lambda: [pair for pair in standing(session.cloud, outputs) if pair[0].route == route],
        base_command=f"tunestack deploy --with-base{_on(session.stack)}",
    )


def _votes(writer: VoteWriter) -> "Votes":
    from deploy.web.page import Votes

    def record(fields: dict[str, Any]) -> None:
        writer.append(fields)

    return Votes(str(writer.path.absolute()), lambda: writer.count, record)


def _model(state: EndpointState, side: str) -> str | None:
    found = state.serving(side)
    return (found.model or found.name) if found else None


def _print(document: dict[str, Any], base_command: str) -> None:
    click.echo(f"The page:     {document['page']}")
    click.echo(f"OpenAI's API: {document['base_url']}  (any client: base_url, and any API key)")
    if key := document.get("api_key"):
        click.echo(f"API key:      {key}  (this run's alone; the page's address has it, too)")
    for side, model in document["models"].items():
        click.echo(f"  {side:<6} {model or f'not deployed: {base_command}'}")
    say(f"Thumbs go to {document['votes']}. Ctrl-C ends it.")


def _on(stack: str) -> str:
    return "" if stack == "local" else f" --stack {stack}"
