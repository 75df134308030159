"""What a deployment takes: quota with Azure's reserve and its exemptions, size, image, packages."""

from typing import Any

import pytest

from core.facts import Facts, Serving
from core.rules import Status
from deploy.endpoint import endpoint_name_in
from deploy.memory import need
from deploy.rules import RULES
from deploy.sizing import quota_instances
from tests.doctor_facts import (
    A100,
    REGION,
    SUBSCRIPTION,
    arm,
    facts,
    found,
    one,
    refuse,
    say_usages,
)

E = "Standard ESv3 Family Cluster Dedicated vCPUs"
T4 = "Standard NCASv3_T4 Family Cluster Dedicated vCPUs"
PLENTY = (REGION, 0, 1000)


@pytest.mark.parametrize(
    ("size", "instances", "needed"),
    [
        ("Standard_E4s_v3", 1, 2),
        ("Standard_E4s_v3", 4, 5),
        ("Standard_E4s_v3", 5, 6),
        ("Standard_E4s_v3", 6, 8),
        ("Standard_NC4as_T4_v3", 1, 2),
        ("Standard_NC24ads_A100_v4", 1, 1),
        ("Standard_NC80adis_H100_v5", 3, 3),
        ("Standard_ND96isr_H100_v5", 1, 1),
        ("Standard_ND96amsr_A100_v4", 1, 1),
        ("Standard_NV36ads_A10_v5", 1, 2),
    ],
)
def test_a_fifth_more_is_reserved_but_of_a100_and_h100(
    size: str, instances: int, needed: int
) -> None:
    assert quota_instances(size, instances) == needed


def test_one_instance_on_a_cpu_needs_the_cores_of_two() -> None:
    about = facts(compute="cpu")
    say_usages(about, (E, 0, 6), PLENTY)
    finding = one(RULES, "quota.endpoint", about)
    assert finding.status is Status.FAILED
    assert finding.told.startswith(f"{E}: 8 needed, 6 free of 6 (1 instance, and 20 % more")
    assert f"eastus2 > {E} > Request quota: 8" in finding.fix


def test_an_exempt_size_needs_what_it_is() -> None:
    about = facts()
    say_usages(about, (A100, 0, 24), PLENTY)
    assert one(RULES, "quota.endpoint", about).told == f"{A100}: 24 needed, 24 free of 24"


def test_the_size_that_was_asked_for_counts() -> None:
    about = facts()
    about.endpoint_vm_size = "Standard_NC4as_T4_v3"
    say_usages(about, (A100, 0, 24), (T4, 0, 4), PLENTY)
    finding = one(RULES, "quota.endpoint", about)
    assert finding.status is Status.FAILED
    assert f"{T4}: 8 needed" in finding.told


def test_what_a_cluster_uses_of_the_same_family_is_not_free() -> None:
    about = facts()
    say_usages(about, (A100, 24, 24), PLENTY)
    finding = one(RULES, "quota.endpoint", about)
    assert finding.status is Status.FAILED
    assert f"{A100}: 24 needed, 0 free of 24" in finding.told
    assert "Request quota: 48" in finding.fix


def test_the_regions_own_limit_counts_too() -> None:
    about = facts()
    say_usages(about, (A100, 0, 24), (REGION, 10, 20))
    finding = one(RULES, "quota.endpoint", about)
    assert finding.status is Status.FAILED
    assert finding.told.startswith(f"{REGION}: 24 needed, 10 free of 20")


def deployed(of: Facts, size: str = "Standard_NC24ads_A100_v4") -> None:
    """Let the stack's endpoint have a deployment."""
    parts = of.workspace_id.split("/")
    name = endpoint_name_in(SUBSCRIPTION, parts[4], parts[-1])
    id = f"{of.workspace_id}/onlineEndpoints/{name}/deployments/v1"
    body: dict[str, Any] = {"properties": {"instanceType": size}, "sku": {"capacity": 1}}
    arm(of).resources[id.lower()] = {"id": id, **body}


def test_what_the_endpoint_itself_has_is_a_warning_as_both_run_side_by_side() -> None:
    about = facts()
    say_usages(about, (A100, 24, 24), PLENTY)
    deployed(about)
    finding = one(RULES, "quota.endpoint", about)
    assert finding.status is Status.WARNING
    assert "the endpoint itself has 24 of them now" in finding.told
    assert "tunestack undeploy --stack dev" in finding.fix


def test_a_deployment_of_another_family_is_no_help() -> None:
    about = facts()
    say_usages(about, (A100, 24, 24), PLENTY)
    deployed(about, "Standard_E4s_v3")
    assert one(RULES, "quota.endpoint", about).status is Status.FAILED


def test_no_list_no_row_and_a_refusal_are_unknown() -> None:
    assert one(RULES, "quota.endpoint", facts()).status is Status.UNKNOWN
    about = facts()
    say_usages(about, (E, 0, 6))
    finding = one(RULES, "quota.endpoint", about)
    assert (finding.status, "NCADSA100v4" in finding.told) == (Status.UNKNOWN, True)
    refused = facts()
    refuse(refused, "usages")
    assert one(RULES, "quota.endpoint", refused).status is Status.UNKNOWN


def test_a_size_at_its_end_has_failed_with_its_successor() -> None:
    assert one(RULES, "lifecycle.endpoint-size", facts()).status is Status.OK
    about = facts()
    about.endpoint_vm_size = "Standard_NV12s_v3"
    finding = one(RULES, "lifecycle.endpoint-size", about)
    assert (finding.status, finding.fix) == (Status.FAILED, "--vm-size Standard_NV36ads_A10_v5")


@pytest.mark.parametrize("compute", ["cpu", "gpu"])
def test_the_containers_own_image_and_packages_are_not_at_their_end(compute: str) -> None:
    about = facts(compute=compute)
    (image,) = found(RULES, "lifecycle.serving-image", about)
    assert image.status is Status.OK
    assert ("cuda" in image.told) is (compute == "gpu")
    assert one(RULES, "lifecycle.serving-packages", about).status is Status.OK


PHI = 3_821_079_552
E4S = "Standard_E4s_v3"


def asked(
    size: str, parameters: int | None = PHI, runtime: str = "transformers", **more: Any
) -> Facts:
    about = facts()
    about.endpoint_vm_size = size
    about.serving = Serving("phi:1", parameters, runtime, 64, **more)
    return about


def test_a_model_that_does_not_fit_is_refused_with_the_numbers() -> None:
    finding = one(RULES, "memory.endpoint", asked("Standard_NC4as_T4_v3", 7_000_000_000))
    assert finding.status is Status.FAILED
    assert "14.0 GB of weights (7.0 billion parameters in bfloat16)" in finding.told
    assert "15.5 GB of the 16 GiB of its T4 can be used" in finding.told
    assert "models export phi:1 --to int4" in finding.fix


def test_numbers_of_four_bytes_count_where_processors_are_slow_in_shorter_ones() -> None:
    told = one(RULES, "memory.endpoint", asked("Standard_DS3_v2"))
    assert told.status is Status.FAILED and "15.3 GB of weights" in told.told
    four = one(RULES, "memory.endpoint", asked("Standard_DS3_v2", runtime="openvino"))
    assert four.status is not Status.FAILED and "2.3 GB of weights" in four.told


def test_room_for_few_conversations_at_once_is_a_warning_with_their_number() -> None:
    finding = one(RULES, "memory.endpoint", asked("Standard_NC4as_T4_v3"))
    assert finding.status is Status.WARNING
    assert "for 15 conversations of 1,024 tokens at once; 64," in finding.told
    large = one(RULES, "memory.endpoint", asked("Standard_NC24ads_A100_v4"))
    assert large.status is Status.OK


def test_the_cache_of_a_token_is_near_what_phi_3_5_mini_really_keeps() -> None:
    # 32 layers, 32 heads of 96 numbers, keys and values, two bytes each: 393,216.
    token = need(PHI, "transformers", "Standard_NC24ads_A100_v4").token
    assert 393_216 <= token * 1e9 <= 1.1 * 393_216


def test_the_tutorials_size_is_warned_of_with_seconds_and_the_way_out() -> None:
    finding = one(RULES, "speed.endpoint", asked(E4S))
    assert finding.status is Status.WARNING
    assert "1.9 tokens a second of 3.8 billion parameters in float32" in finding.told
    assert "4 virtual cores): 256 tokens take 135 s of the 180 s" in finding.told
    assert "10 a second, 26 s, and 2.3 GB" in finding.fix
    assert "tunestack models export phi:1 --to int4" in finding.fix


def test_a_small_model_or_four_bits_or_a_gpu_is_fast_enough() -> None:
    for about in (asked(E4S, 134_515_008), asked(E4S, runtime="openvino")):
        assert one(RULES, "speed.endpoint", about).status is Status.OK
    assert found(RULES, "speed.endpoint", asked("Standard_NC24ads_A100_v4")) == []


def test_what_is_not_known_is_said_and_refuses_nothing() -> None:
    odd = one(RULES, "memory.endpoint", asked("Standard_E4s_v9"))
    assert odd.status is Status.WARNING and "not in this program's catalog" in odd.told
    untold = one(RULES, "memory.endpoint", asked("Standard_DS3_v2", None))
    assert untold.status is Status.WARNING and "assumed as its tags do not tell" in untold.told
    assert found(RULES, "memory.endpoint", facts()) == []


def test_every_instance_and_the_base_model_beside_it_need_quota() -> None:
    about = asked("Standard_NC24ads_A100_v4", instances=(2, 1))
    say_usages(about, (A100, 0, 72), PLENTY)
    assert one(RULES, "quota.endpoint", about).told == f"{A100}: 72 needed, 72 free of 72"
    about = asked(E4S, instances=(3, 1))
    say_usages(about, (E, 0, 6), PLENTY)
    assert f"{E}: 24 needed, 6 free of 6 (4 instances" in one(RULES, "quota.endpoint", about).told
