"""`tunestack models compare`: base beside tuned, or two models and what made them different."""

from pathlib import Path
from typing import Any

import click

from commands.jobs.view import naming_stack
from commands.managed.choosing import managed_model
from commands.options import json_option, stack_option
from commands.output import say, show
from commands.session import Session
from core.errors import SettingsError
from core.refs import ModelRef


@click.command(name="compare")
@click.argument("model", metavar="[NAME[:VERSION]]", default="")
@click.argument("other", metavar="[NAME[:VERSION]]", default="")
@click.option("--rows", default=5, show_default=True, help="Questions to print; --json has all.")
@click.option(
    "--suite", default="travel", show_default=True, metavar="NAME|FILE",
    help="The rules that answers are held to, as YAML.",
)  # fmt: skip
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write it as a page, too: every answer, plots, worst and best.",
)  # fmt: skip
@click.option(
    "--questions",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Chats to ask a managed model and its base.  [default: the travel lab's five questions]",
)
@click.option(
    "--system",
    metavar="TEXT",
    help="System message over the questions.  [default: the file's own, or the lab's]",
)
@click.option("--max-tokens", type=click.IntRange(1), help="Longest live answer.  [default: 400]")
@stack_option
@json_option
def compare_command(
    model: str,
    other: str,
    rows: int,
    suite: str,
    html: Path | None,
    stack: str,
    as_json: bool,
    **live: Any,
) -> None:
    """Put base beside tuned answers; of two models, all that differs: recipe, inputs, answers.

    Without NAME the newest. The answers are those of the training job to held-out questions; a
    managed model and its base are asked now: both must be deployed. `tunestack evaluate` asks more.
    """
    from evaluation.suites.suite import load_suite

    judged = load_suite(suite)
    session = Session(stack)
    if other:
        from commands.models.two_models import compare_two

        _refuse_questions(live)
        _refuse_managed(session, model, other)
        compare_two(session, (model, other), judged, rows, html, as_json=as_json)
        return
    ref, found = _compared(session, model, judged, live)
    from commands.evaluate.showing import print_evaluation
    from commands.models.answers import document, write_page

    shown = {"model": ref, **document(found)}
    show(shown, as_json, lambda: print_evaluation(found, rows))
    if html:
        write_page(html, found)
        say(f"The page: {html}")


def _compared(session: Session, model: str, suite: Any, live: dict[str, Any]) -> tuple[str, Any]:
    """Give a model's name and the evaluation of it against its base."""
    from commands.managed.live_compare import compare_live
    from commands.models.answers import base_and_tuned, read_answers

    managed = managed_model(session, ModelRef.parse(model))
    if managed is not None:
        return str(managed[1].ref), compare_live(session, managed, suite, **live)
    _refuse_questions(live)
    with naming_stack(session.stack):
        answers = read_answers(session, ModelRef.parse(model))
    return answers.ref, base_and_tuned(session, answers, suite)


def _refuse_managed(session: Session, *names: str) -> None:
    """Refuse two models of which one is managed: such a one has no lineage to put beside."""
    for name in names:
        if (managed := managed_model(session, ModelRef.parse(name))) is not None:
            raise SettingsError(
                f"{managed[1].ref} is tuned by Azure, which keeps no lineage of it and leaves no"
                " samples: here it is compared with its own base model alone.",
                hint=f"tunestack evaluate {' '.join(names)} --stack {session.stack} asks both now,"
                " and measures.",
            )


def _refuse_questions(live: dict[str, Any]) -> None:
    if any(option is not None for option in live.values()):
        raise SettingsError(
            "--questions, --system and --max-tokens are for a managed model: of one's own the"
            " answers are those of its job to the held-out questions.",
            hint="tunestack evaluate --data FILE asks anything.",
        )
