"""Tools, sign-in, subscription, namespaces and what a region offers."""

import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from core.errors import NotSignedIn
from core.facts import Facts
from core.rules import Status
from core.settings import Settings
from infra.doctor import RULES, location, tools
from infra.doctor.providers import ALWAYS, namespaces
from tests.doctor_facts import ML, ROOT, TODAY, arm, facts, found, one, refuse, say

A100 = "Standard_NC24ads_A100_v4"
OFFERED = [
    {"name": A100, "gpus": 1, "vCPUs": 24, "lowPriorityCapable": True,
     "supportedComputeTypes": ["AmlCompute", "ComputeInstance"]},
    {"name": "Standard_NC4as_T4_v3", "gpus": 1, "vCPUs": 4, "lowPriorityCapable": False,
     "supportedComputeTypes": ["AmlCompute"]},
    {"name": "Standard_E4s_v3", "gpus": 0, "vCPUs": 4, "supportedComputeTypes": []},
]  # fmt: skip


def nobody() -> Facts:
    return Facts("dev", Settings(), TODAY, absence=NotSignedIn("No subscription.", hint="choose"))


def offer(of: Facts, rows: list[dict[str, Any]] = OFFERED) -> None:
    say(of, of.at_location(ML, "vmSizes"), rows)


def test_this_python_and_its_packages_are_the_tested_ones() -> None:
    assert one(RULES, "tools.python", facts()).status is Status.OK
    assert one(RULES, "tools.packages", facts()).status is Status.OK


def test_another_python_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.python_version", lambda: "3.9.2")
    finding = one(RULES, "tools.python", facts())
    assert finding.status is Status.FAILED
    assert "Python 3.9.2" in finding.told


def test_packages_that_are_missing_or_of_another_version_are_all_named() -> None:
    has = metadata.version("click")
    wrong = tools.untested(
        ["click<1", "nothing-like-it>=2", f"click=={has}", "torch>=99; extra == 'local'"]
    )
    assert wrong == [f"click {has} (<1)", "nothing-like-it is missing (>=2)"]


def test_the_rehearsal_needs_no_pulumi_and_a_cloud_stack_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(RULES, "tools.pulumi", facts("local")) == []
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    finding = one(RULES, "tools.pulumi", facts())
    assert finding.status is Status.FAILED
    assert "pulumi.com/docs/install" in finding.fix


def test_a_pulumi_of_a_known_version_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "pulumi"
    command.write_text("#!/bin/sh\necho v3.250.0\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert one(RULES, "tools.pulumi", facts()).told == "pulumi 3.250.0"
    command.write_text("#!/bin/sh\necho v3.100.0\n")
    assert one(RULES, "tools.pulumi", facts()).status is Status.FAILED


def test_az_is_missed_only_where_nothing_else_signs_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in tools.CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    assert one(RULES, "tools.az", facts()).status is Status.WARNING
    monkeypatch.setenv("AZURE_CLIENT_ID", "somebody")
    assert one(RULES, "tools.az", facts()).status is Status.OK


def test_an_sdk_at_its_end_in_this_environment_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert one(RULES, "lifecycle.sdk", facts()).status is Status.OK
    (tmp_path / "azureml_core-1.60.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    finding = one(RULES, "lifecycle.sdk", facts())
    assert finding.status is Status.FAILED
    assert "azure-ai-ml" in finding.fix


def test_who_is_signed_in_is_told() -> None:
    assert one(RULES, "login", facts()).told == "somebody, a person"
    finding = one(RULES, "login", nobody())
    assert (finding.status, finding.told, finding.fix) == (
        Status.FAILED, "No subscription.", "choose",
    )  # fmt: skip


def test_a_person_type_that_is_not_who_signed_in_has_failed() -> None:
    assert one(RULES, "login.type", facts()).status is Status.OK
    finding = one(RULES, "login.type", facts(personType="ServicePrincipal"))
    assert finding.status is Status.FAILED
    assert finding.fix == "export TUNESTACK_PERSON_TYPE=User"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"displayName": "Research", "state": "Enabled"}, Status.OK),
        ({"displayName": "Research", "state": "Disabled"}, Status.FAILED),
        ({"displayName": "Research", "state": "Warned"}, Status.FAILED),
        (None, Status.FAILED),
    ],
)
def test_a_subscription_must_be_there_and_enabled(answer: Any, status: Status) -> None:
    about = facts()
    say(about, ROOT, answer)
    finding = one(RULES, "subscription", about)
    assert finding.status is status
    assert answer is None or f"Research is {answer['state']}" in finding.told or status is Status.OK


def test_a_refused_subscription_is_unknown() -> None:
    about = facts()
    refuse(about, ROOT)
    assert one(RULES, "subscription", about).status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("chosen", "more"),
    [
        ({}, set()),
        ({"foundry": True}, {"Microsoft.CognitiveServices"}),
        ({"hub": True}, {"Microsoft.CognitiveServices"}),
        ({"privateNetwork": True}, {"Microsoft.Network"}),
        ({"budget": 5, "alertEmails": "a@b.c"}, {"Microsoft.Consumption"}),
    ],
)
def test_a_feature_brings_its_namespaces(chosen: dict[str, Any], more: set[str]) -> None:
    assert set(namespaces(facts(**chosen).settings)) == {*ALWAYS, *more}


def unregister(of: Facts, *names: str) -> None:
    for name in names:
        say(of, f"{ROOT}/providers/{name}", {"registrationState": "NotRegistered"})


def test_what_up_can_register_is_a_warning_with_the_command() -> None:
    about = facts()
    assert one(RULES, "providers", about).status is Status.OK
    about = facts()
    unregister(about, "Microsoft.Storage")
    finding = one(RULES, "providers", about)
    assert finding.status is Status.WARNING
    assert finding.fix == "az provider register --wait -n Microsoft.Storage"


def test_without_the_right_to_register_a_namespace_that_is_missing_has_failed() -> None:
    about = facts()
    unregister(about, "Microsoft.Storage", "Microsoft.Insights")
    rights = f"{ROOT}/providers/Microsoft.Authorization/permissions"
    say(about, rights, [{"actions": ["*/read", "Microsoft.Insights/register/action"]}])
    by_up, by_hand = found(RULES, "providers", about)
    assert (by_up.status, by_hand.status) == (Status.WARNING, Status.FAILED)
    assert "Microsoft.Storage" in by_hand.told and "Microsoft.Insights" not in by_hand.told


def test_who_may_not_register_what_an_expiry_needs_is_told() -> None:
    about = facts()
    unregister(about, "Microsoft.Logic")
    assert one(RULES, "providers", about).status is Status.OK  # the first `--expires` does it
    about = facts()
    unregister(about, "Microsoft.Logic")
    say(about, f"{ROOT}/providers/Microsoft.Authorization/permissions", [{"actions": ["*/read"]}])
    later, now = found(RULES, "providers", about)
    assert (later.status, now.status) == (Status.WARNING, Status.OK)
    assert "`deploy --expires` would be refused" in later.told
    assert later.fix == "az provider register --wait -n Microsoft.Logic"


def test_what_the_guide_to_serverless_tuning_asks_for_is_told() -> None:
    about = facts(hub=True)
    assert one(RULES, "providers", about).status is Status.OK
    about = facts(hub=True)
    unregister(about, "Microsoft.Network")
    asked_for, rest = found(RULES, "providers", about)
    assert (asked_for.status, rest.status) == (Status.WARNING, Status.OK)
    assert asked_for.fix == "az provider register --wait -n Microsoft.Network"


def test_what_azure_alone_calls_is_registered_by_nobody_else() -> None:
    about = facts(privateNetwork=True)
    unregister(about, "Microsoft.Network")
    finding = one(RULES, "providers", about)
    assert finding.status is Status.FAILED
    assert finding.fix == "az provider register --wait -n Microsoft.Network"


def test_namespaces_that_may_not_be_read_are_unknown() -> None:
    about = facts()
    refuse(about, "/providers/Microsoft.Storage")
    assert one(RULES, "providers", about).status is Status.UNKNOWN


def test_a_region_that_offers_every_size_is_well() -> None:
    about = facts()
    offer(about)
    assert one(RULES, "location", about).told == f"eastus2 offers {A100}"


def test_a_size_that_the_region_lacks_has_failed_and_like_ones_are_named() -> None:
    about = facts(vmSize="Standard_NC40ads_H100_v5", clusters="Standard_ND96isr_H100_v5")
    offer(about)
    lacking = found(RULES, "location", about)
    assert [(one.status, one.told) for one in lacking] == [
        (Status.FAILED, "eastus2 does not offer Standard_NC40ads_H100_v5"),
        (Status.FAILED, "eastus2 does not offer Standard_ND96isr_H100_v5"),
    ]
    assert lacking[0].fix == (
        f"tunestack:vmSize: Standard_NC4as_T4_v3 or {A100}, or another tunestack:location"
    )
    assert lacking[1].fix.startswith("tunestack:clusters: ")


def test_a_size_that_is_not_for_clusters_or_not_at_low_priority_has_failed() -> None:
    about = facts(clusters="Standard_NC4as_T4_v3:lowPriority")
    offer(about)
    (low,) = found(RULES, "location", about)
    assert "not at low priority" in low.told
    about = facts()
    offer(about, [{**OFFERED[0], "supportedComputeTypes": ["ComputeInstance"]}])
    (wrong,) = found(RULES, "location", about)
    assert "not for clusters" in wrong.told


def test_no_list_of_sizes_is_unknown() -> None:
    assert one(RULES, "location", facts()).status is Status.UNKNOWN
    about = facts()
    refuse(about, "vmSizes")
    assert one(RULES, "location", about).status is Status.UNKNOWN


def test_a_size_at_its_end_has_failed_with_the_setting_and_the_successor() -> None:
    assert one(RULES, "lifecycle.vm-size", facts()).status is Status.OK
    (finding,) = found(RULES, "lifecycle.vm-size", facts(clusters="Standard_NV12s_v3"))[-1:]
    about = facts(clusters="Standard_NV12s_v3")
    wrong = [one for one in found(RULES, "lifecycle.vm-size", about) if one.status is Status.FAILED]
    assert [one.fix for one in wrong] == ["tunestack:clusters: Standard_NV36ads_A10_v5"]
    assert finding.told.startswith("Standard_NV12s_v3 retired on 2026-09-30")


def test_every_size_of_a_stack_is_named_with_the_setting_that_asks_for_it() -> None:
    chosen = facts(compute="cpu", endpointVmSize="Standard_E8s_v3", clusters="Standard_D4s_v3")
    assert location.wanted_sizes(chosen.settings) == {
        "Standard_E8s_v3": "endpointVmSize",
        "Standard_E16s_v3": "vmSize",
        "Standard_D4s_v3": "clusters",
    }


def test_no_rule_changes_anything() -> None:
    about = facts(foundry=True, lowPriority=True)
    for rule in RULES:
        found(RULES, rule.id, about)
    assert {method for method, _ in arm(about).requests} <= {"GET", "LIST", "POST"}
    posts = [path for method, path in arm(about).requests if method == "POST"]
    assert posts and all(path.endswith("/checkNameAvailability") for path in posts)


def test_ids_are_dotted_words_and_no_two_rules_share_one() -> None:
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids))
    assert all(id.replace(".", "-").replace("-", "").isalpha() and id == id.lower() for id in ids)
