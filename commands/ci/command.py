"""`tunestack ci`: write the workflow, and say what GitHub must know of the stack."""

import shlex
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from commands.ci.workflow_files import INSTALL, Choices, Written, workflow_files, write
from commands.options import json_option, stack_option, yes_option
from commands.output import confirm, say, show
from commands.session import Session
from core.errors import PrerequisiteError, SettingsError, check_all
from infra.config import stack_file

PLACES = ("recipe", "data", "held_out", "suite", "gate")
"""Options that end up in a shell's words and in GitHub's filters of paths."""


@click.group()
def ci() -> None:
    """Write a GitHub Actions workflow that trains, judges and deploys, without a secret."""


@ci.command()
@stack_option
@click.option("--recipe", "-r", default="phi-3.5-mini", show_default=True, help="What to train.")
@click.option(
    "--data", default="data/train", show_default=True, metavar="FOLDER",
    help="Folder in the repository with train.jsonl and validation.jsonl.",
)  # fmt: skip
@click.option("--held-out", metavar="FILE", help="Chats to judge by.  [default: validation.jsonl]")
@click.option("--suite", default="chat", show_default=True, help="Suite of `evaluate`.")
@click.option(
    "--gate", default="default", show_default=True, help="Gate of `evaluate` and `deploy`."
)
@click.option(
    "--question", default="Hello, what can you help me with?", show_default=True,
    help="Asked of the endpoint after each change.",
)  # fmt: skip
@click.option(
    "--canary", type=click.IntRange(1, 99), default=10, show_default=True, metavar="PERCENT",
    help="Share of the traffic that a new model gets before the approval.",
)  # fmt: skip
@click.option(
    "--hours", type=click.FloatRange(0.1, 504), default=24, show_default=True,
    help="After which Azure stops the training.",
)  # fmt: skip
@click.option(
    "--max-training", "training_usd", type=click.FloatRange(0), default=100, show_default=True,
    metavar="USD", help="Most that a training may cost.",
)  # fmt: skip
@click.option(
    "--max-evaluation", "evaluation_usd", type=click.FloatRange(0), default=20, show_default=True,
    metavar="USD", help="Most that an evaluation may cost.",
)  # fmt: skip
@click.option(
    "--max-endpoint", "endpoint_usd", type=click.FloatRange(0), default=3000, show_default=True,
    metavar="USD", help="Most that a month of a deployment may cost.",
)  # fmt: skip
@click.option(
    "--install", default=INSTALL, metavar="SHELL",
    help="How a job gets tunestack.  [default: this repository is a clone of it: make setup]",
)  # fmt: skip
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), default=Path(),
    help="The repository.  [default: where you are]",
)  # fmt: skip
@yes_option
@json_option
def init(
    stack: str, held_out: str | None, folder: Path, yes: bool, as_json: bool, **chosen: Any
) -> None:
    """Write the workflow and its action; where they are there, show what would change first."""
    session = Session(stack)
    choices = Choices(held_out=held_out or f"{chosen['data']}/validation.jsonl", **chosen)
    check_all(lambda: session.settings, *_checks(choices))
    files = workflow_files(stack, session.settings, choices, folder)
    _ask(files, yes)
    for file in files:
        write(file)
    document = {"stack": stack, "files": {str(file.path): file.state for file in files}}
    show(document, as_json, lambda: _render(session, files))


@ci.command()
@stack_option
@json_option
def variables(stack: str, as_json: bool) -> None:
    """Say what GitHub must know of the stack: three names, none of them a secret."""
    session = Session(stack)
    outputs = session.outputs
    if not outputs.workflow_client_id:
        raise PrerequisiteError(
            f"The stack {stack} has no identity for a workflow.",
            hint=f"{_to_choose(stack)}; then tunestack up --stack {stack}."
            " Or one of your own: docs/ci.md.",
        )
    found = {
        "AZURE_CLIENT_ID": outputs.workflow_client_id,
        "AZURE_TENANT_ID": outputs.tenant_id,
        "AZURE_SUBSCRIPTION_ID": outputs.subscription_id,
    }
    show(found, as_json, lambda: click.echo("\n".join(_lines(found, session))))


def _to_choose(stack: str) -> str:
    """Say what makes an identity; `init` would write the whole file anew."""
    return f"In {stack_file(stack).name}: tunestack:github: OWNER/NAME, tunestack:person: OBJECT_ID"


def _lines(found: dict[str, str], session: Session) -> list[str]:
    repository = _plain(session.settings.github)
    on = f" --repo {shlex.quote(repository)}" if repository else ""
    return [f"gh variable set {name} --body {value}{on}" for name, value in found.items()]


def _plain(repository: str) -> str:
    """Leave the ids of an immutable subject out: `owner@1/name@2` is called owner/name."""
    return "/".join(part.partition("@")[0] for part in repository.split("/"))


def _checks(choices: Choices) -> list[Any]:
    """List what is looked at before anything is written, all of it."""
    from evaluation.gates.gate import load_gate
    from evaluation.suites.suite import load_suite
    from training.recipes import load_recipe

    def check_words() -> None:
        wrong = [name for name in PLACES if _is_odd(getattr(choices, name))]
        if wrong:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in wrong)
            raise SettingsError(f"{flags}: a name or a path within the repository, without spaces")

    def check_expressions() -> None:
        if "${{" in choices.question or "${{" in choices.install:
            raise SettingsError("--question, --install: ${{ would be an expression of GitHub's")

    return [
        check_words,
        check_expressions,
        lambda: load_recipe(choices.recipe),
        lambda: load_suite(choices.suite),
        lambda: load_gate(choices.gate),
    ]


def _is_odd(text: str) -> bool:
    path = Path(text)
    return not text or path.is_absolute() or ".." in path.parts or text != "".join(text.split())


def _ask(files: tuple[Written, ...], yes: bool) -> None:
    """Show what would be lost, and ask.

    Raises:
        SettingsError: there is nobody to ask; names `--yes`.
    """
    changed = [file for file in files if file.state == "changed"]
    for file in changed:
        click.echo(file.diff(), err=True)
    if changed:
        names = " and ".join(str(file.path) for file in changed)
        confirm(f"{names}: overwrite?", yes=yes)


def _render(session: Session, files: tuple[Written, ...]) -> None:
    words = {"new": "Wrote", "changed": "Overwrote", "same": "Unchanged:"}
    for file in files:
        click.echo(f"{words[file.state]} {file.path}")
    on = f" --stack {shlex.quote(session.stack)}"
    if not session.settings.github:
        say(f"Next: {escape(_to_choose(session.stack))}; then tunestack up{on}")
    say(f"Next: tunestack ci variables{on}; then an environment with reviewers: docs/ci.md")
