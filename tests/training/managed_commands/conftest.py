"""A stack with hub and Foundry on the local Azure, worked by commands as a person types them.

Trainer and server are those of a second (tests/local/tuning); everything else is what runs.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from commands.session import Session
from core.cloud import Cloud
from core.refs import StackOutputs
from core.settings import parse_settings
from infra.in_process.engine import InProcess
from local.process import LocalAzure
from local.tuning import programs
from tests.typed_commands import run_json

QUESTION = "Where to?"
RECIPES = {"openai": "travel-gpt", "serverless": "phi-4-mini-serverless"}
QUICK = Path(__file__).parents[2] / "local" / "tuning"
SETTINGS = parse_settings(
    {"personType": "ServicePrincipal", "compute": "cpu", "hub": True, "foundry": True}
)


@pytest.fixture(scope="session")
def managed_engine(
    local_azure: LocalAzure, azure_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InProcess]:
    """The engine of a stack that is up until the session ends."""
    patch = pytest.MonkeyPatch()
    patch.setenv("TUNESTACK_HOME", str(tmp_path_factory.mktemp("home")))
    cloud = Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])
    engine = InProcess("managed", SETTINGS, cloud)
    engine.up(lambda event: None)
    yield engine
    programs.clear(azure_folder)
    engine.destroy(lambda event: None)
    patch.undo()


@pytest.fixture
def managed(
    managed_engine: InProcess, azure_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> StackOutputs:
    """Point the commands at that stack, and its services at programs of a second."""
    programs.use(azure_folder, job=QUICK / "quick_trainer", serving=QUICK / "quick_server")
    return point_at(managed_engine, monkeypatch)


def point_at(engine: InProcess, monkeypatch: pytest.MonkeyPatch) -> StackOutputs:
    """Point the commands at an engine's stack, and let nobody wait a second."""
    outputs = engine.outputs()
    assert outputs is not None
    monkeypatch.setattr(Session, "engine", engine)
    monkeypatch.setattr(Session, "cloud", Cloud.sign_in(outputs.subscription_id))
    monkeypatch.setattr(Session, "outputs", outputs)
    monkeypatch.setattr(Session, "settings", SETTINGS)
    for name in ("FIRST_WAIT", "LONGEST_WAIT"):
        for module in ("following", "openai.files"):
            monkeypatch.setattr(f"training.managed.{module}.{name}", 0.05)
    return outputs


@pytest.fixture
def chats(tmp_path: Path) -> Callable[..., Path]:
    """Write a folder with a train.jsonl; see `write_chats`."""

    def write(does: str = QUESTION, rows: int = 20) -> Path:
        return write_chats(tmp_path, does, rows)

    return write


def write_chats(folder: Path, does: str = QUESTION, rows: int = 20) -> Path:
    """Write a train.jsonl of different chats; `does` is in every one, and the trainer reads it."""
    questions = [f"{does} In month {number}?" for number in range(rows)]
    lines = [
        {
            "messages": [
                {"role": "user", "content": question},
                {"role": "assistant", "content": f"Lisbon in {number}"},
            ]
        }
        for number, question in enumerate(questions)
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "train.jsonl").write_text(text, encoding="utf-8")
    return folder


@dataclass(frozen=True)
class Made:
    """A job that completed, and its model as `deploy` takes it."""

    route: str
    recipe: str
    job: str
    model: str


SERVERLESS = pytest.param("serverless", marks=pytest.mark.slow)
"""Slow wherever it is asked for: azure-ai-ml alone takes seconds to import."""


class Trained:
    """One training by each route, ordered by the command when it is first asked for."""

    def __init__(self, engine: InProcess, folder: Path) -> None:
        self._engine, self._folder = engine, folder
        self._made: dict[str, Made] = {}

    def __getitem__(self, route: str) -> Made:
        if route not in self._made:
            with pytest.MonkeyPatch.context() as patch:
                point_at(self._engine, patch)
                self._made[route] = _train(route, write_chats(self._folder))
        return self._made[route]


@pytest.fixture(scope="session")
def trained(managed_engine: InProcess, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Trainings that tests only look at."""
    return Trained(managed_engine, tmp_path_factory.mktemp("chats"))


def _train(route: str, folder: Path) -> Made:
    made = run_json("train", "--recipe", RECIPES[route], "--data", folder)
    model = f"{made['model']['name']}:{made['model']['version']}"
    return Made(route, RECIPES[route], made["job"]["name"], model)
