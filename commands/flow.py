"""`tunestack flow`: the tutorial's prompt flow for the stack's endpoint."""

import os
import tempfile
import time
from pathlib import Path

import click
from pydantic import SecretStr
from rich.markup import escape

from commands.chat.printing import printable
from commands.options import json_option, stack_option
from commands.output import say, show
from commands.session import Session
from core.errors import PrerequisiteError
from core.home import environments, home
from core.package_folder import package_folder
from deploy.access import open_access
from deploy.endpoint import EndpointState, find
from deploy.flow.export import REQUIREMENTS, export, notice
from deploy.flow.running import promptflow_version, run_flow
from local.process import outside


@click.group()
def flow() -> None:
    """Export the tutorial's prompt flow, or run it; prompt flow is being retired."""


@flow.command("export")
@stack_option
@click.option("--folder", type=click.Path(path_type=Path), default="flow", show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace files there that differ.")
@json_option
def write(stack: str, folder: Path, overwrite: bool, as_json: bool) -> None:
    """Write the flow for the stack's endpoint; no file holds a key."""
    endpoint = _endpoint(Session(stack)).ref
    files = export(folder, endpoint, overwrite=overwrite)
    _warn()
    document = {
        "endpoint": endpoint.name,
        "folder": str(folder),
        "files": [str(file) for file in files],
        "notice": notice(),
    }
    show(document, as_json, lambda: _tell_files(folder, files))


@flow.command("test")
@click.argument("question", default="")
@stack_option
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="An exported flow; else a fresh one.",
)
@json_option
def run(question: str, stack: str, folder: Path | None, as_json: bool) -> None:
    """Run the flow once with the real promptflow, installed apart from this program."""
    _warn()
    session = Session(stack)
    state = _endpoint(session)
    packages = package_folder(
        "promptflow", REQUIREMENTS, environments(), outside(dict(os.environ)), say
    )
    secret = _secret(session, state)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as fresh:
        if folder is None:
            export(Path(fresh), state.ref)
        answer = run_flow(folder or Path(fresh), packages, home() / "promptflow", secret, question)
    document = {
        "question": question or None,
        "answer": answer,
        "seconds": time.monotonic() - began,
        "promptflow": promptflow_version(packages),
        "endpoint": state.ref.name,
        "notice": notice(),
    }
    show(document, as_json, lambda: click.echo(printable(str(answer))))


def _endpoint(session: Session) -> EndpointState:
    state = find(session.cloud, session.outputs)
    if state is None or not state.ref.deployment:
        what = "no endpoint" if state is None else "no deployment with traffic"
        raise PrerequisiteError(
            f"The stack {session.stack} has {what}.",
            hint=f"tunestack deploy --stack {session.stack}",
        )
    return state


def _secret(session: Session, state: EndpointState) -> SecretStr:
    return open_access(session.cloud, session.outputs, state.ref).secret()


def _warn() -> None:
    say(f"[yellow]{escape(notice())}[/yellow]")


def _tell_files(folder: Path, files: list[Path]) -> None:
    for file in files:
        click.echo(str(file))
    say(f"How to run it: {escape(str(folder / 'README.md'))}; or: tunestack flow test")
