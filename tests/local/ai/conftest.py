"""AI accounts on the session's local Azure, with a trainer of a second behind their jobs."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ai_account import TRAINER, AiAccount
from azure.identity import DefaultAzureCredential
from azure_group import API, Group

from core.arm import Arm
from local import customers
from local.ai.allowances import set_allowances
from local.process import LocalAzure
from local.state import State, opened
from local.tenant import tenant
from local.tuning import programs

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def person(local_azure: LocalAzure, azure_folder: Path) -> dict[str, Any]:
    """Give the person as `Group.grant` takes identities."""
    return {"id": "person", "properties": {"principalId": tenant(azure_folder).person_object_id}}


@pytest.fixture(scope="session")
def ai_group(person: dict[str, Any]) -> Iterator[Group]:
    """One group for every account; on all of them the person has the rights of the data plane."""
    arm = Arm(DefaultAzureCredential())
    id = f"/subscriptions/{os.environ['AZURE_SUBSCRIPTION_ID']}/resourceGroups/g-openai"
    arm.put(id, API, {"location": "eastus2"})
    group = Group(arm, id)
    group.grant(person, "Cognitive Services OpenAI Contributor", id)
    yield group
    arm.delete(id, API)


@pytest.fixture(scope="session")
def make_account(ai_group: Group) -> Callable[..., AiAccount]:
    """Make an account of the test's own: one job at a time runs in each."""

    def make(**chosen: Any) -> AiAccount:
        return AiAccount.made(ai_group, f"openai-{next(_numbers)}", **chosen)

    return make


@pytest.fixture
def account(make_account: Callable[..., AiAccount], trainer: None) -> AiAccount:
    return make_account()


@pytest.fixture(scope="session")
def shared(make_account: Callable[..., AiAccount]) -> AiAccount:
    """An account for tests that leave nothing running in it and count nothing."""
    return make_account()


@pytest.fixture
def trainer(local_azure: LocalAzure, azure_folder: Path) -> Iterator[None]:
    """Train in a second, as a customer who tuned gpt-4.1-mini before it was retired."""
    programs.use(azure_folder, job=TRAINER)
    customers.set_trained_before(azure_folder, True)
    yield
    programs.clear(azure_folder)
    customers.set_trained_before(azure_folder, False)


@pytest.fixture
def allow(azure_folder: Path) -> Iterator[Callable[..., None]]:
    """Set smaller limits for a test."""
    yield lambda **limits: set_allowances(azure_folder, **limits)
    set_allowances(azure_folder)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """A file for which trainings wait; it is there at the end, so that none is left."""
    path = tmp_path / "gate"
    yield path
    path.touch()


@pytest.fixture
def state(azure_folder: Path) -> Iterator[State]:
    with opened(azure_folder) as found:
        yield found
