"""A step of the rehearsal, and the steps that every route takes."""

import json
from dataclasses import dataclass
from pathlib import Path

from commands.session import REHEARSAL
from core.home import home
from training.data.get import SAMPLES
from training.data.split import TRAIN

ON_LOCAL = ("--stack", REHEARSAL)


@dataclass(frozen=True)
class Step:
    """One command of the rehearsal, what it does and what it would mean on Azure."""

    title: str
    command: tuple[str, ...]
    story: str
    on_azure: str


def folder() -> Path:
    """Say where the rehearsal keeps its data and its report."""
    return home() / "rehearsal"


def sample_files() -> tuple[str, str]:
    """Name the sample's training and validation file."""
    train, heldout = (folder() / "sample" / f"{part}.jsonl" for part in ("train", "validation"))
    return str(train), str(heldout)


def system_message() -> str:
    """Give the sample's system message: a service of Azure's puts none before a question."""
    with (SAMPLES / TRAIN).open(encoding="utf-8") as file:
        return str(json.loads(file.readline())["messages"][0]["content"])


def doctor(recipe: str) -> Step:
    """Look for what would stop a later step."""
    return Step(
        "The doctor",
        ("doctor", *ON_LOCAL, "--recipe", recipe),
        "What would stop a later step, before anything costs: each line has its fix.",
        "free; the same command tells the quota that your subscription lacks",
    )


def data(recipe: str = "") -> list[Step]:
    """Get the sample and check it, for a recipe's service where one is named."""
    chosen = ("--recipe", recipe) if recipe else ()
    return [
        Step(
            "The data",
            ("data", "get", "sample", "--folder", str(folder())),
            "A travel assistant with one hard rule: no hotels, flights, rental cars, restaurants.",
            "free",
        ),
        Step(
            "The check",
            ("data", "check", *sample_files(), *chosen),
            "Every line is checked, all findings at once, before anything is sent.",
            "free",
        ),
    ]


TEARDOWN = Step(
    "The teardown",
    ("destroy", *ON_LOCAL, "--yes"),
    "Deployments, jobs, accounts, workspaces, group: all of it, then a look for what is left.",
    "some minutes; afterwards nothing costs",
)
