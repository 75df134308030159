"""Faults under the Azure ML client: what it retries, and what a caller of an endpoint meets."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from azure.core.exceptions import ResourceNotFoundError
from ml_stack import Stack
from test_ml_endpoints import make_endpoint

from local import faults
from local.faults import Fault


@pytest.fixture(autouse=True)
def cleared(azure_folder: Path) -> Iterator[None]:
    """Leave no fault behind for the tests that share this Azure."""
    yield
    faults.clear(azure_folder)


def test_the_client_goes_on_after_faults_while_it_makes_and_deletes(
    stack: Stack, azure_folder: Path
) -> None:
    faults.add(azure_folder, Fault("PUT", path="*/onlineEndpoints/*", status=429, retry_after=0))
    faults.add(azure_folder, Fault("PUT", path="*/onlineEndpoints/*", drop=True, after=True))
    name = make_endpoint(stack)
    faults.add(azure_folder, Fault("DELETE", path="*/onlineEndpoints/*", drop=True, after=True))
    faults.add(azure_folder, Fault("GET", path="*/mfeOperationsStatus/*", status=503))
    stack.ml.online_endpoints.begin_delete(name).result()
    assert [rule.hits for rule in faults.rules(azure_folder)] == [1, 1, 1, 1]
    with pytest.raises(ResourceNotFoundError):
        stack.ml.online_endpoints.get(name)


def test_the_scoring_address_fails_by_rule_too(stack: Stack, azure_folder: Path) -> None:
    name = make_endpoint(stack)
    uri = stack.ml.online_endpoints.get(name).scoring_uri
    faults.add(azure_folder, Fault(host=f"{name}.*", path="/score", status=502))
    assert [httpx.post(uri, json={}).status_code for _ in range(2)] == [502, 401]
    stack.ml.online_endpoints.begin_delete(name).result()
