"""Every setting that Azure would refuse is refused here first, with a value that works."""

from typing import Any

import pytest

from core.catalog import VM_SIZES, price_per_hour, vm_size
from core.errors import SettingsError
from core.settings import Settings, config_key, parse_settings


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"location": "East US 2"}, "location: 'East US 2' is not a region's short name"),
        ({"generation": 0}, "generation: Input should be greater than or equal to 1"),
        ({"compute": "tpu"}, "compute: Input should be 'gpu' or 'cpu'"),
        ({"vmSize": "NC24"}, "vmSize: 'NC24' is not a VM size; for example Standard_"),
        ({"vmSize": "Standard_NC6s_v3"}, "vmSize: Azure retired Standard_NC6s_v3 on 2025-09-30"),
        ({"endpointVmSize": "Standard_NC12s_v3"}, "endpointVmSize: Azure retired"),
        ({"vmSize": "Standard_E16s_v3"}, "vmSize: Standard_E16s_v3 has no GPU"),
        (
            {"compute": "cpu", "vmSize": "Standard_NC24ads_A100_v4"},
            "vmSize: Standard_NC24ads_A100_v4 has a GPU",
        ),
        ({"maxNodes": 65}, "maxNodes: Input should be less than or equal to 64"),
        ({"idleSeconds": 10}, "idleSeconds: Input should be greater than or equal to 60"),
        ({"personType": "Robot"}, "personType: Input should be 'User' or 'ServicePrincipal'"),
        ({"backend": "my laptop"}, "backend: 'my laptop' is no backend"),
        ({"tags": ["team"]}, "tags: team: not a pair; for example team=nlp"),
        ({"tags": {"a<b": "c"}}, "tags: 'a<b': at most 128 characters"),
        ({"tags": {"tunestack-stack": "x"}}, "tags: 'tunestack-stack': this beginning is taken"),
        ({"tags": {"a": "x" * 257}}, "tags: 'a': its value is longer"),
        ({"tags": {str(n): "x" for n in range(11)}}, "tags: 11 tags; at most 10"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_setting_names_itself_and_the_reason(chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_settings(chosen)
    assert str(error.value).startswith(message)


def test_all_findings_come_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        parse_settings({"maxNodes": 0, "idleSeconds": 1, "colour": "red"})
    assert len(str(error.value).splitlines()) == 3


def test_the_defaults_are_the_tutorials_gpu_path() -> None:
    found = Settings()
    assert found.cluster_vm_size == "Standard_NC24ads_A100_v4"
    assert (found.max_nodes, found.location) == (1, "eastus2")


def test_the_cpu_path_is_the_tutorials() -> None:
    found = parse_settings({"compute": "cpu"})
    assert found.cluster_vm_size == "Standard_E16s_v3"
    assert found.deployment_vm_size == "Standard_E4s_v3"


def test_a_size_is_known_in_any_case_and_written_as_azure_does() -> None:
    found = parse_settings({"vmSize": "Standard_nc24ADS_a100_V4"})
    assert found.cluster_vm_size == "Standard_NC24ads_A100_v4"


def test_a_size_that_the_catalog_does_not_know_is_taken_as_it_is() -> None:
    found = parse_settings({"vmSize": "Standard_NC99_next_v9"})
    assert found.cluster_vm_size == "Standard_NC99_next_v9"
    assert price_per_hour(found.cluster_vm_size) is None


@pytest.mark.parametrize(
    "tags", [["a=1", "b=x=y"], "a=1,b=x=y", '["a=1", "b=x=y"]', {"a": "1", "b": "x=y"}]
)
def test_tags_may_be_written_in_each_of_these_ways(tags: Any) -> None:
    assert parse_settings({"tags": tags}).tags == {"a": "1", "b": "x=y"}


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())
    assert config_key("vm_size") == "vmSize"


def test_every_price_says_where_and_when_it_is_from() -> None:
    for size in VM_SIZES:
        assert size.source.region
        assert size.source.as_of.year >= 2026
        assert (size.price_per_hour is None) == (size.retired is not None)
    assert vm_size("standard_e4s_v3") is not None
    assert vm_size("Standard_Odd") is None
