"""One workspace, shared by the session's tests."""

import json
import os
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from azure.ai.ml.entities import Model
from azure.identity import DefaultAzureCredential
from azure_group import API, Group
from hub_project import Project, make_project, use_quick_programs
from ml_stack import Stack, make_stack

from core.arm import Arm
from local.process import LocalAzure


@pytest.fixture(scope="session")
def stack(local_azure: LocalAzure, azure_folder: Path) -> Iterator[Stack]:
    """The stack, as the Pulumi program would make it, in a few requests."""
    credential = DefaultAzureCredential()
    arm = Arm(credential)
    subscription = os.environ["AZURE_SUBSCRIPTION_ID"]
    id = f"/subscriptions/{subscription}/resourceGroups/g-machine-learning"
    arm.put(id, API, {"location": "eastus2"})
    group = Group(arm, id)
    yield make_stack(group, azure_folder, credential)
    arm.delete(id, API)


@pytest.fixture(scope="session")
def made_project(local_azure: LocalAzure, azure_folder: Path) -> Iterator[Project]:
    credential = DefaultAzureCredential()
    arm = Arm(credential)
    id = f"/subscriptions/{os.environ['AZURE_SUBSCRIPTION_ID']}/resourceGroups/g-hub-projects"
    arm.put(id, API, {"location": "eastus2"})
    yield make_project(Group(arm, id), azure_folder, credential, local_azure)
    arm.delete(id, API)


@pytest.fixture
def project(made_project: Project) -> Project:
    """The session's project of a hub; whatever other tests have set, its programs are quick."""
    use_quick_programs(made_project.folder)
    return made_project


@pytest.fixture(scope="module")
def model(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("model")
    (folder / "m.json").write_text(json.dumps({"says": "hello"}))
    return stack.ml.models.create_or_update(Model(name="hello", path=str(folder)))


@pytest.fixture
def code(tmp_path: Path) -> Callable[..., Path]:
    """Write files of a code folder and give the folder."""

    def write(**files: str) -> Path:
        folder = tmp_path / "code"
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / f"{name}.py").write_text(textwrap.dedent(text))
        return folder

    return write
