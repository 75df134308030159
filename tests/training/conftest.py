"""A stack on the local Azure for the tests of training."""

from collections.abc import Iterator

import pytest

from core.cloud import Cloud
from core.refs import StackOutputs
from core.settings import Settings
from local.process import LocalAzure


@pytest.fixture(scope="session")
def cloud(local_azure: LocalAzure) -> Cloud:
    return Cloud.sign_in(local_azure.environment["AZURE_SUBSCRIPTION_ID"])


@pytest.fixture(scope="session")
def outputs(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackOutputs]:
    """A stack of its own, taken down at the end."""
    from infra.in_process.engine import InProcess

    patch = pytest.MonkeyPatch()
    patch.setenv("TUNESTACK_HOME", str(tmp_path_factory.mktemp("home")))
    settings = Settings(compute="cpu", person_type="ServicePrincipal", low_priority=True)
    engine = InProcess("training", settings, cloud)
    yield engine.up(lambda event: None)
    engine.destroy(lambda event: None)
    patch.undo()
