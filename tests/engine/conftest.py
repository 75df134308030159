"""The engine's tests need the real `pulumi`; everything else of theirs is made here."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_rig import Project, pulumi_command

from local.process import LocalAzure


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here slow: a run of the engine takes five seconds, a test several."""
    own = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in own:
        item.add_marker(pytest.mark.slow)
        if pulumi_command() is None:
            item.add_marker(pytest.mark.skip("there is no pulumi here: make engine"))


@pytest.fixture(scope="module")
def project(local_azure: LocalAzure, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The unmodified project in a folder with a state and a PATH of its own."""
    yield Project.make(tmp_path_factory.mktemp("project"), local_azure.environment)
