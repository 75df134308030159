"""The workflow and its action as files of a person's repository: filled in, compared, written."""

import difflib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from core.settings import Settings
from infra.config import stack_file

TEMPLATES = Path(__file__).parent
WORKFLOW = ".github/workflows/tunestack.yml"
ACTION = ".github/actions/tunestack/action.yml"
FILES = {WORKFLOW: "workflow.yml", ACTION: "action.yml"}
"""Where each lies in a repository, and the template that it is made of."""

TURN_HOURS = 5.5
"""How long one job of the workflow follows a training: GitHub ends it after six hours."""

INSTALL = 'make setup && echo "$PWD/.venv/bin" >> "$GITHUB_PATH"'
"""For a repository that is a clone of tunestack."""

_FIELD = re.compile(r"@([A-Z_]+)@")


@dataclass(frozen=True)
class Choices:
    """What a person may choose about the workflow."""

    recipe: str
    data: str
    held_out: str
    suite: str
    gate: str
    question: str
    canary: int
    """Percent."""
    hours: float
    """After which Azure stops the training."""
    training_usd: float
    evaluation_usd: float
    endpoint_usd: float
    """A month."""
    install: str


@dataclass(frozen=True)
class Written:
    """A file of the workflow, as it is to be and as it is."""

    path: Path
    text: str
    before: str | None

    @property
    def state(self) -> str:
        """Say what becomes of it: `new`, `same` or `changed`."""
        if self.before is None:
            return "new"
        return "same" if self.before == self.text else "changed"

    def diff(self) -> str:
        """Show what would change."""
        name = str(self.path)
        lines = (self.before or "").splitlines(True), self.text.splitlines(True)
        return "".join(difflib.unified_diff(*lines, f"{name} (now)", f"{name} (new)"))


def workflow_files(
    stack: str, settings: Settings, choices: Choices, folder: Path
) -> tuple[Written, ...]:
    """Fill the templates in for a stack; nothing is written yet."""
    fields = _fields(stack, settings, choices)
    found = []
    for name, template in FILES.items():
        path = folder / name
        before = path.read_text(encoding="utf-8") if path.is_file() else None
        text = (TEMPLATES / template).read_text(encoding="utf-8")
        found.append(Written(path, _filled(text, fields), before))
    return tuple(found)


def write(file: Written) -> None:
    """Write a file, and the folders above it."""
    file.path.parent.mkdir(parents=True, exist_ok=True)
    file.path.write_text(file.text, encoding="utf-8")


def _fields(stack: str, settings: Settings, choices: Choices) -> dict[str, str]:
    """Give each placeholder's text; what a person typed is written as JSON, which YAML reads."""
    turns = math.ceil(choices.hours / TURN_HOURS) + 1  # one more: a job may wait for its node
    return {
        "STACK": stack,
        "STACK_NAME": json.dumps(stack),
        "BRANCH": settings.workflow_branch,
        "BRANCHES": json.dumps([_literal(settings.workflow_branch)]),
        "ENVIRONMENT": json.dumps(settings.workflow_environment),
        "PATHS": json.dumps(_paths(stack, choices)),
        "RECIPE": json.dumps(choices.recipe),
        "DATA": json.dumps(choices.data),
        "HELD_OUT": json.dumps(choices.held_out),
        "SUITE": json.dumps(choices.suite),
        "GATE": json.dumps(choices.gate),
        "QUESTION": json.dumps(choices.question),
        "INSTALL": json.dumps(choices.install),
        "CANARY": str(choices.canary),
        "HOURS": f"{choices.hours:g}",
        "TRAINING_USD": f"{choices.training_usd:g}",
        "EVALUATION_USD": f"{choices.evaluation_usd:g}",
        "ENDPOINT_USD": f"{choices.endpoint_usd:g}",
        "TURNS": json.dumps(list(range(1, turns + 1))),
    }


def _paths(stack: str, choices: Choices) -> list[str]:
    """List what a push must touch to train anew: data, the recipe's file, the stack's settings.

    Not suite and gate: what was trained is judged again by `-f job=NAME`.
    """
    data = _literal(choices.data)
    is_file = "/" in choices.recipe or choices.recipe.endswith((".yaml", ".yml"))
    recipe = [_literal(choices.recipe)] if is_file else []
    return ["**" if data == "." else f"{data}/**", *recipe, stack_file(stack).name]


def _literal(name: str) -> str:
    """Write a branch or a path so that GitHub's filters take it letter by letter."""
    return re.sub(r"[\\*?+\[\]]|^!", r"\\\g<0>", str(PurePosixPath(name)))


def _filled(template: str, fields: Mapping[str, str]) -> str:
    return _FIELD.sub(lambda found: fields[found[1]], template)
