"""A group and accounts for deployments, with a scoring program of a second behind them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure_group import API, Group
from hosted import QUICK, Hosted

from core.arm import Arm
from local import clock, customers, quota
from local.process import LocalAzure
from local.tenant import tenant
from local.tuning import programs


@pytest.fixture(scope="session")
def quick(local_azure: LocalAzure, azure_folder: Path) -> Iterator[None]:
    """Serve and make base models in a second."""
    programs.use(azure_folder, job=QUICK / "quick_trainer", serving=QUICK / "quick_server")
    yield
    programs.clear(azure_folder)


@pytest.fixture(autouse=True)
def quick_programs(quick: None, azure_folder: Path) -> None:
    """Use them again where tests beside these have cleared them."""
    programs.use(azure_folder, job=QUICK / "quick_trainer", serving=QUICK / "quick_server")


@pytest.fixture(scope="session")
def hosting_group(arm: Arm, azure_folder: Path) -> Iterator[Group]:
    id = f"/subscriptions/{os.environ['AZURE_SUBSCRIPTION_ID']}/resourceGroups/g-hosting"
    arm.put(id, API, {"location": "eastus2"})
    group = Group(arm, id)
    person = {"id": "person", "properties": {"principalId": tenant(azure_folder).person_object_id}}
    group.grant(person, "Cognitive Services OpenAI Contributor", id)
    yield group
    arm.delete(id, API)


@pytest.fixture(scope="session")
def make_hosted(hosting_group: Group, azure_folder: Path) -> Callable[..., Hosted]:
    return lambda **chosen: Hosted.made(hosting_group, azure_folder, **chosen)


@pytest.fixture(scope="session")
def standing(quick: None, make_hosted: Callable[..., Hosted]) -> Hosted:
    """An account with a tuned model's deployment that nothing but chat touches, capacity 100."""
    made = make_hosted()
    made.deploy("word", made.tuned("word"), capacity=100)
    return made


@pytest.fixture
def hosted(make_hosted: Callable[..., Hosted]) -> Iterator[Hosted]:
    """An account of the test's own, gone after it: what it deployed holds no quota."""
    made = make_hosted()
    yield made
    made.group.arm.delete(made.id, API)


@pytest.fixture
def old_customer(azure_folder: Path) -> Iterator[Callable[[bool], Any]]:
    """Have the subscription be one that had the retired models before."""
    customers.set_trained_before(azure_folder, True)
    yield lambda yes: customers.set_trained_before(azure_folder, yes)
    customers.set_trained_before(azure_folder, False)


@pytest.fixture
def ahead(azure_folder: Path) -> Iterator[Callable[[float], None]]:
    yield lambda seconds: clock.set_ahead(azure_folder, seconds)
    clock.set_ahead(azure_folder, 0)


@pytest.fixture
def limits(azure_folder: Path) -> Iterator[Callable[[str, int], Any]]:
    yield lambda name, most: quota.set_limit(azure_folder, name, most)
    quota.clear(azure_folder)
