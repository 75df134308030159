"""The workflow as the tests read it: written for a stack, its steps, its commands."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from commands.ci.workflow_files import ACTION, WORKFLOW, Choices, workflow_files, write
from core.settings import Settings, parse_settings

PERSON = "0a1b2c3d-0000-4000-8000-0000000000ff"
GITHUB = {"github": "octo-org@123456/travel@456789", "person": PERSON}
CHOICES: dict[str, Any] = {
    "recipe": "phi-3.5-mini",
    "data": "data/travel",
    "held_out": "data/travel/held-out.jsonl",
    "suite": "travel",
    "gate": "travel",
    "question": "A cheap hotel in Lisbon, please?",
    "canary": 10,
    "hours": 24,
    "training_usd": 90,
    "evaluation_usd": 20,
    "endpoint_usd": 3000,
    "install": "make setup",
}
_EXPRESSION = re.compile(r"\$\{\{.*?\}\}")
_ENDS = {"|", ";", "&&", "||", "{", "}", "then", "else", "do", "(", ")"}


@dataclass(frozen=True)
class Command:
    """A `tunestack …` line of a step."""

    job: str
    step: str
    words: tuple[str, ...]
    """What follows `tunestack`, with variables as the shell would put them."""


def written(folder: Path, settings: Settings | None = None, **chosen: Any) -> dict[str, Any]:
    """Write both files below a folder; give the workflow as YAML reads it."""
    found = settings or parse_settings(GITHUB)
    for file in workflow_files("dev", found, Choices(**{**CHOICES, **chosen}), folder):
        write(file)
    return load(folder / WORKFLOW)


def load(file: Path) -> dict[str, Any]:
    """Read a workflow; YAML 1.1 takes the key `on` for a truth."""
    document = yaml.safe_load(file.read_text())
    if True in document:
        document["on"] = document.pop(True)
    return dict(document)


def action(folder: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((folder / ACTION).read_text()))


def commands(workflow: Mapping[str, Any], **variables: str) -> Iterator[Command]:
    """Find every command line of the program, in the order of the jobs."""
    for job_name, job in workflow["jobs"].items():
        for step in job["steps"]:
            known = {
                **workflow["env"], **job.get("env", {}), **step.get("env", {}), **variables
            }  # fmt: skip
            values = {name: _EXPRESSION.sub("VALUE", str(value)) for name, value in known.items()}
            for words in _lines(step.get("run", "")):
                expanded = tuple(_expanded(word, values) for word in words)
                yield Command(job_name, step.get("name", ""), expanded)


def _lines(script: str) -> Iterator[list[str]]:
    """Cut a script at the shell's operators and give what follows the program's name."""
    lexer = shlex.shlex(script.replace("\\\n", " "), posix=True, punctuation_chars="|;&<>()\n")
    lexer.whitespace = " \t"
    lexer.whitespace_split = True
    words: list[str] | None = None
    for token in [*lexer, "\n"]:
        is_end = token in _ENDS or set(token) <= set("|;&<>()\n")
        if is_end and words is not None:
            yield words
            words = None
        elif words is not None:
            words.append(token)
        elif token == "tunestack":
            words = []


def _expanded(word: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(found[1], f"VALUE-{found[1]}"), word)
