"""Which cluster a job runs on, and what it trains on there."""

from typing import Literal

import pytest

from core.errors import SettingsError
from core.refs import ClusterRef, StackOutputs
from training.clusters import device_of, find_cluster

FIELDS = [name for name, field in StackOutputs.model_fields.items() if field.is_required()]
OUTPUTS = StackOutputs(
    **{
        **dict.fromkeys(FIELDS, "x"),
        "cluster": "gpu",
        "clusters": {
            "gpu": {"vm_size": "Standard_NC24ads_A100_v4", "max_nodes": 1},
            "cpu-low": {"vm_size": "Standard_E4s_v3", "max_nodes": 2, "is_low_priority": True},
        },
    }
)


def test_a_cluster_of_the_stack_is_found_by_its_name() -> None:
    assert find_cluster(OUTPUTS, "cpu-low").max_nodes == 2


def test_another_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(SettingsError, match=r"'big' is none of this stack's .*: gpu, cpu-low\."):
        find_cluster(OUTPUTS, "big")


def test_a_stack_that_exported_none_names_its_main_one() -> None:
    with pytest.raises(SettingsError, match="clusters: gpu"):
        find_cluster(OUTPUTS.model_copy(update={"clusters": {}}), "cpu-low")


@pytest.mark.parametrize(
    ("size", "otherwise", "device"),
    [
        ("Standard_NC24ads_A100_v4", "cpu", "gpu"),
        ("Standard_E4s_v3", "gpu", "cpu"),
        ("Standard_Odd_v9", "gpu", "gpu"),
    ],
)
def test_the_size_says_what_a_job_trains_on(
    size: str, otherwise: Literal["cpu", "gpu"], device: str
) -> None:
    assert device_of(ClusterRef(vm_size=size, max_nodes=1), otherwise) == device
